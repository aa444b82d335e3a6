"""People who work on a model with its owner: invited, asked, and gone again (FEATURES B28, D6).

Who accepted may change the model, its versions, files and pictures, and publish them; deleting it, handing it over and
choosing who works on it stay with its owner. `models.editor_ids` repeats who accepted, so that every rule about a
model can be read from its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import notices
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.tables import Follow, Person
from civitas.domains.accounts.types import Actor, Relation, Scope
from civitas.domains.catalog import editing, policy
from civitas.domains.catalog.collaborator_tables import ModelCollaborator
from civitas.domains.catalog.tables import Model
from civitas.domains.catalog.types import Status
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound

MOST: Final = 15
LISTED: Final = 200
PENDING, ACCEPTED, DECLINED = "pending", "accepted", "declined"


@dataclass(frozen=True, slots=True)
class Collaborator:
    """Somebody who was asked; `status` is pending, accepted or declined."""

    person_id: int
    username: str
    status: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Collaboration:
    """A model of somebody else's on which one works, or was asked to."""

    model_id: int
    name: str
    type: str
    model_status: str
    owner: str | None
    status: str
    since: datetime


async def invite(session: AsyncSession, actor: Actor, *, model_id: int, username: str) -> None:
    """Ask a person to work on one's model; asking twice is asking. They are told by mail.

    Raises NotFound, Forbidden (`not_owner`, `blocked`), Invalid (`own_model`), Conflict (`too_many_collaborators`,
    `declined` when they said no: they can still change their mind).
    """
    model = await _owned(session, actor, model_id)
    person = await session.scalar(
        select(Person).where(
            Person.username_folded == username.strip().lower()[:64].replace("\0", ""),
            Person.status == "active",
            Person.deleted_at.is_(None),
            Person.id > 0,
        )
    )
    if person is None:
        raise NotFound("There is nobody of this name.", code="person_not_found")
    if person.id == model.person_id:
        raise Invalid("This model is theirs already.", code="own_model", fields={"username": "Its owner."})
    either = or_(
        (Follow.person_id == person.id) & (Follow.target_id == model.person_id),
        (Follow.person_id == model.person_id) & (Follow.target_id == person.id),
    )
    if await session.scalar(select(Follow.kind).where(either, Follow.kind == Relation.BLOCK).limit(1)):
        raise Forbidden("You cannot ask this person.", code="blocked")
    known = await session.scalar(
        select(ModelCollaborator.status).where(
            ModelCollaborator.model_id == model_id, ModelCollaborator.person_id == person.id
        )
    )
    if known == DECLINED:
        raise Conflict("They said no; they can still change their mind themselves.", code="declined")
    if known is not None:
        return
    count = await session.scalar(select(func.count()).where(ModelCollaborator.model_id == model_id))
    if (count or 0) >= MOST:
        raise Conflict(f"A model has at most {MOST} collaborators.", code="too_many_collaborators")
    await session.execute(
        insert(ModelCollaborator)
        .values(model_id=model_id, person_id=person.id, invited_by=actor.id)
        .on_conflict_do_nothing()
    )
    editing.note(session, actor, model, "collaborator_invited", person=person.id)
    await notices.tell(
        session,
        person.id,
        "collaboration",
        detail=model.name,
        more=actor.username or "",
        path="/studio/shared",
    )


async def answer(session: AsyncSession, actor: Actor, *, model_id: int, accept: bool) -> None:
    """Say yes or no to an invitation, or change one's mind. Raises NotFound when there is none, Conflict (`own_model`)."""
    require_voice(actor)
    person = actor.require(Scope.MODELS_WRITE)
    model = await _locked(session, model_id)
    if model is not None and model.person_id == person:
        raise Conflict("This model is your own.", code="own_model")
    row = await session.scalar(
        select(ModelCollaborator)
        .where(ModelCollaborator.model_id == model_id, ModelCollaborator.person_id == person)
        .with_for_update()
    )
    if model is None or row is None:
        raise NotFound("You were not asked to work on this model.", code="invitation_not_found")
    wanted = ACCEPTED if accept else DECLINED
    if row.status == wanted:
        return
    row.status, row.answered_at = wanted, clock.now()
    editing.note(session, actor, model, f"collaboration_{wanted}", person=person)
    await _settle(session, model)


async def remove(session: AsyncSession, actor: Actor, *, model_id: int, username: str) -> None:
    """Take somebody off the model, or oneself; nothing happens when they are not on it. A no stays remembered."""
    require_voice(actor)
    me = actor.require(Scope.MODELS_WRITE)
    folded = username.strip().lower()[:64].replace("\0", "")
    person = await session.scalar(select(Person.id).where(Person.username_folded == folded))
    model = await _locked(session, model_id) if person == me else None
    if model is None or not policy.edits_along(actor, model):
        model = await _owned(session, actor, model_id)
    gone = await session.scalar(
        delete(ModelCollaborator)
        .where(
            ModelCollaborator.model_id == model_id,
            ModelCollaborator.person_id == person,
            ModelCollaborator.status != DECLINED,
        )
        .returning(ModelCollaborator.person_id)
    )
    if gone is not None:
        editing.note(session, actor, model, "collaborator_removed", person=gone)
        await _settle(session, model)


async def of_model(session: AsyncSession, actor: Actor, *, model_id: int) -> Sequence[Collaborator]:
    """Who works on a model, by name; its owner and staff also see who was asked. NotFound for what one may not see."""
    model = await session.scalar(select(Model).where(Model.id == model_id, policy.visible_to(actor)))
    if model is None:
        raise NotFound("This model was not found.", code="model_not_found")
    query = (
        select(Person.id, Person.username, ModelCollaborator.status, ModelCollaborator.created_at)
        .join(Person, Person.id == ModelCollaborator.person_id)
        .where(ModelCollaborator.model_id == model_id, Person.username.is_not(None))
        .order_by(ModelCollaborator.created_at, Person.id)
    )
    if not (policy.sees_own(actor) and policy.can_manage(actor, model)):
        query = query.where(ModelCollaborator.status == ACCEPTED)
    return [Collaborator(row[0], row[1] or "", row[2], row[3]) for row in await session.execute(query)]


async def mine(session: AsyncSession, actor: Actor) -> Sequence[Collaboration]:
    """Models of others on which one works or was asked to, the latest first; those one declined are not among them."""
    person = actor.require(Scope.MODELS_READ)
    found = await session.execute(
        select(
            Model.id, Model.name, Model.type, Model.status, Person.username, ModelCollaborator.status,
            ModelCollaborator.created_at,
        )
        .join(Model, Model.id == ModelCollaborator.model_id)
        .join(Person, Person.id == Model.person_id)
        .where(
            ModelCollaborator.person_id == person,
            ModelCollaborator.status != DECLINED,
            Model.status != Status.DELETED,
        )
        .order_by(ModelCollaborator.created_at.desc(), Model.id.desc())
        .limit(LISTED)
    )  # fmt: skip
    return [Collaboration(*row) for row in found]


async def forget(session: AsyncSession, *, person_id: int) -> None:
    """A person left: they work on nobody's model any more."""
    left = await session.scalars(
        delete(ModelCollaborator)
        .where(ModelCollaborator.person_id == person_id)
        .returning(ModelCollaborator.model_id)
    )
    await session.execute(
        update(Model)
        .where(Model.id.in_(left.all()))
        .values(editor_ids=func.array_remove(Model.editor_ids, person_id))
        .execution_options(synchronize_session=False)
    )


async def _owned(session: AsyncSession, actor: Actor, model_id: int) -> Model:
    model = await editing.model_for_edit(session, actor, model_id=model_id)
    if not policy.can_manage(actor, model):
        raise Forbidden("Only its owner chooses who works on a model.", code="not_owner")
    return model


async def _locked(session: AsyncSession, model_id: int) -> Model | None:
    found: Model | None = await session.scalar(
        select(Model)
        .where(Model.id == model_id, Model.status != Status.DELETED)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return found


async def _settle(session: AsyncSession, model: Model) -> None:
    await session.flush()
    accepted = await session.scalars(
        select(ModelCollaborator.person_id)
        .where(ModelCollaborator.model_id == model.id, ModelCollaborator.status == ACCEPTED)
        .order_by(ModelCollaborator.person_id)
    )
    model.editor_ids = list(accepted.all())
    await editing.stated(session, model)
