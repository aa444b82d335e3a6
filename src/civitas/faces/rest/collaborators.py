"""Who works on a model, over the API: invite, answer, remove."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from civitas.domains.catalog import collaborators
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer

router = APIRouter(tags=["Collaborators"], dependencies=[CheckedForm])


class Invitation(Body):
    """Whom to ask."""

    username: str = Field(min_length=1, max_length=64)


class Decision(Body):
    """Yes or no."""

    accept: bool


class CollaboratorShown(Answer):
    """Somebody who works on the model; its owner also sees who was asked."""

    username: str
    status: str
    since: datetime


class CollaborationShown(Answer):
    """A model of somebody else's on which one works, or was asked to."""

    model_id: int
    name: str
    type: str
    model_status: str
    owner: str | None
    status: str
    since: datetime


@router.get(
    "/models/{model_id}/collaborators", operation_id="listCollaborators", summary="List Collaborators"
)
async def listed(model_id: int, actor: Viewer, session: Reading) -> list[CollaboratorShown]:
    """Who works on a model."""
    found = await collaborators.of_model(session, actor, model_id=model_id)
    return [CollaboratorShown(username=one.username, status=one.status, since=one.since) for one in found]


@router.post(
    "/models/{model_id}/collaborators",
    status_code=204,
    operation_id="inviteCollaborator",
    summary="Invite A Collaborator",
)
async def invite(model_id: int, body: Invitation, actor: Writer, session: Unit) -> None:
    """Ask a person to work on one's model; they are told by mail."""
    await collaborators.invite(session, actor, model_id=model_id, username=body.username)


@router.delete(
    "/models/{model_id}/collaborators/{username}",
    status_code=204,
    operation_id="removeCollaborator",
    summary="Remove A Collaborator",
)
async def remove(model_id: int, username: str, actor: Writer, session: Unit) -> None:
    """Take somebody off one's model, or oneself off somebody else's."""
    await collaborators.remove(session, actor, model_id=model_id, username=username)


@router.put(
    "/models/{model_id}/collaboration",
    status_code=204,
    operation_id="answerInvitation",
    summary="Answer An Invitation",
)
async def answer(model_id: int, body: Decision, actor: Writer, session: Unit) -> None:
    """Accept or decline to work on somebody's model."""
    await collaborators.answer(session, actor, model_id=model_id, accept=body.accept)


@router.get("/me/collaborations", operation_id="listCollaborations", summary="List Collaborations")
async def mine(actor: Owner, session: Reading) -> list[CollaborationShown]:
    """Models of others on which one works, or was asked to."""
    return [CollaborationShown(**asdict(one)) for one in await collaborators.mine(session, actor)]
