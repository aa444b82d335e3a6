"""What moderators do about prompts and outputs over the API: restrictions, cleared phrases, ratings."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.orchestration.media import rating
from civitas.domains.studio import blocking, overseeing
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.media_links import links_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import paging

router = APIRouter(prefix="/staff/studio", tags=["Staff"], dependencies=[CheckedForm])

Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]
PersonId = Annotated[int, Query(alias="personId", ge=1, lt=2**62)]


class RestrictionShown(Answer):
    """Somebody who may not generate, or might not: `pending`, `upheld` or `overturned`."""

    id: int
    person_id: int
    username: str | None
    state: str
    reason: str
    created_at: datetime
    decided_by: int | None
    decided_at: datetime | None
    note: str | None


class RestrictionPage(Answer):
    """A page of restrictions."""

    items: list[RestrictionShown]
    next_cursor: str | None


class OftenShown(Answer):
    """Somebody whose prompts were refused often within thirty days."""

    person_id: int
    username: str | None
    blocks: int


class BlockShown(Answer):
    """A prompt that was refused."""

    created_at: datetime
    category: str
    words: list[str]
    prompt: str


class AllowanceShown(Answer):
    """A phrase that was cleared for somebody."""

    phrase: str
    allowed_by: int
    created_at: datetime


class PersonRecord(Answer):
    """What moderators decide by."""

    person_id: int
    username: str | None
    restricted: bool
    restrictions: list[RestrictionShown]
    blocks: list[BlockShown]
    allowances: list[AllowanceShown]


class Decision(Body):
    """Whether a restriction stays, and why."""

    upheld: bool
    note: str = Field(min_length=1, max_length=500)


class NewRestriction(Body):
    """Somebody may not generate, and why."""

    person_id: int = Field(ge=1, lt=2**62)
    reason: str = Field(min_length=1, max_length=500)


class Clearing(Body):
    """A phrase for one person, and why."""

    person_id: int = Field(ge=1, lt=2**62)
    phrase: str = Field(min_length=3, max_length=100)
    reason: str = Field(min_length=1, max_length=500)


class RatingGiven(Body):
    """How mature an output is, and why."""

    level: Literal["pg", "pg13", "r", "x", "xxx"]
    reason: str = Field(min_length=1, max_length=500)


class OutputShown(Answer):
    """An output that nobody could rate."""

    id: str
    person_id: int
    workflow_id: str | None
    created_at: datetime
    width: int | None
    height: int | None
    url: str


class OutputPage(Answer):
    """A page of outputs."""

    items: list[OutputShown]
    next_cursor: str | None


def _rules(actor: Actor) -> Actor:
    actor.require(Scope.USER_WRITE)
    actor.require_moderator()
    return actor


@router.get("/restrictions", operation_id="listRestrictions", summary="List Restrictions Of Generating")
async def restrictions(
    actor: Owner,
    session: Reading,
    state: Literal["pending", "upheld", "overturned"] = "pending",
    cursor: Cursor = None,
) -> RestrictionPage:
    """Restrictions of a state, the oldest first: the moderators' queue."""
    page = await overseeing.cases(session, actor, state=state, cursor=cursor)
    return RestrictionPage(
        items=[RestrictionShown.model_validate(one) for one in page.items], next_cursor=page.next_cursor
    )


@router.post("/restrictions", operation_id="restrictGenerating", summary="Restrict Somebody", status_code=204)
async def restrict(body: NewRestriction, actor: Writer, session: Unit) -> None:
    """Say that somebody may not generate."""
    await blocking.restrict(session, _rules(actor), person_id=body.person_id, reason=body.reason)


@router.post(
    "/restrictions/{restriction_id}/decision",
    operation_id="decideRestriction",
    summary="Decide A Restriction",
)
async def decide(restriction_id: int, body: Decision, actor: Writer, session: Unit) -> RestrictionShown:
    """Uphold a restriction, or overturn it so that the person may generate again."""
    made = await blocking.decide(
        session, _rules(actor), restriction_id=restriction_id, upheld=body.upheld, note=body.note
    )
    record = await overseeing.of_person(session, actor, person_id=made.person_id)
    return RestrictionShown.model_validate(next(one for one in record.cases if one.id == made.id))


@router.get("/often", operation_id="listOftenRefused", summary="List Who Is Refused Often")
async def often(actor: Owner, session: Reading) -> list[OftenShown]:
    """Whose prompts were refused most within thirty days."""
    return [OftenShown.model_validate(one) for one in await blocking.often(session, actor)]


@router.get("/record", operation_id="getPromptRecord", summary="Get What Is Known Of Somebody's Prompts")
async def record(actor: Owner, session: Reading, person_id: PersonId) -> PersonRecord:
    """What somebody was refused within thirty days, every decision, and the phrases cleared for them."""
    found = await overseeing.of_person(session, actor, person_id=person_id)
    return PersonRecord(
        person_id=found.person_id,
        username=found.username,
        restricted=found.restricted,
        restrictions=[RestrictionShown.model_validate(one) for one in found.cases],
        blocks=[BlockShown.model_validate(one) for one in found.blocks],
        allowances=[AllowanceShown.model_validate(one) for one in found.allowances],
    )


@router.post("/phrases", operation_id="clearPhrase", summary="Clear A Phrase For Somebody", status_code=204)
async def clear(body: Clearing, actor: Writer, session: Unit) -> None:
    """Let somebody use a phrase that the rules would refuse."""
    await blocking.allow(
        session, _rules(actor), person_id=body.person_id, phrase=body.phrase, reason=body.reason
    )


@router.post(
    "/phrases/withdraw", operation_id="withdrawPhrase", summary="Withdraw A Cleared Phrase", status_code=204
)
async def withdraw(body: Clearing, actor: Writer, session: Unit) -> None:
    """Take back that a phrase was cleared."""
    await overseeing.withdraw(
        session, _rules(actor), person_id=body.person_id, phrase=body.phrase, reason=body.reason
    )


@router.get("/outputs", operation_id="listUnratedOutputs", summary="List Outputs That Nobody Could Rate")
async def outputs(request: Request, actor: Owner, session: Reading, cursor: Cursor = None) -> OutputPage:
    """Outputs that only their owners and moderators are shown, the newest first."""
    page, links = await rating.unrated(session, actor, cursor=cursor), links_of(request)
    return OutputPage(
        items=[
            OutputShown(
                id=one.id,
                person_id=one.person_id,
                workflow_id=one.workflow_id,
                created_at=one.created_at,
                width=one.width,
                height=one.height,
                url=links.blob_url(one.id)[0],
            )
            for one in page.items
        ],
        next_cursor=page.next_cursor,
    )


@router.put("/outputs/{blob_id}/level", operation_id="rateOutput", summary="Rate An Output", status_code=204)
async def rate(blob_id: str, body: RatingGiven, actor: Writer, session: Unit) -> None:
    """Say how mature an output is; it can be shown to others from now on, as its level allows."""
    await rating.rate(session, _rules(actor), blob_id=blob_id, level=body.level, reason=body.reason)
