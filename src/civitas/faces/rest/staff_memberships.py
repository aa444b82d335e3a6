"""What staff do about memberships over the API: give one, end one, take away what waits."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.memberships import desk, queries
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.membership_shapes import Queued, Standing, queued_shown, standing_shown
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer

router = APIRouter(prefix="/staff/memberships", tags=["Staff"], dependencies=[CheckedForm])


class NewGrant(Body):
    """A tier for some months and days; `withBuzz` as if they had been paid."""

    person_id: int = Field(ge=1, lt=2**62)
    tier: str = Field(max_length=40)
    months: int = Field(default=0, ge=0, le=36)
    days: int = Field(default=0, ge=0, le=365)
    with_buzz: bool = False
    reason: str = Field(min_length=1, max_length=2000)


class Why(Body):
    """Why staff do it."""

    reason: str = Field(min_length=1, max_length=2000)


class Granted(Answer):
    """The grant that was made; it begins at once where nothing runs."""

    id: int


class Lapsed(Standing):
    """A membership that runs or ran."""

    end_reason: str | None
    refused: str | None


class OfPerson(Answer):
    """What somebody has and had, the newest first, and what waits."""

    memberships: list[Lapsed]
    waiting: list[Queued]


def _writes(actor: Actor) -> Actor:
    actor.require(Scope.USER_WRITE)
    actor.require_moderator()
    return actor


@router.get("", operation_id="listMembershipsOfPerson", summary="List Somebody's Memberships")
async def of_person(
    actor: Owner, session: Reading, person_id: Annotated[int, Query(alias="personId", ge=1, lt=2**62)]
) -> OfPerson:
    """Every membership that somebody has or had, and what waits its turn."""
    actor.require_moderator()
    return OfPerson(
        memberships=[
            Lapsed(**standing_shown(run).model_dump(), end_reason=run.end_reason, refused=run.refused)
            for run in await queries.runs(session, person_id)
        ],
        waiting=[queued_shown(row) for row in await queries.waiting(session, person_id)],
    )


@router.post("", status_code=201, operation_id="grantMembership", summary="Give A Membership")
async def grant(actor: Writer, session: Unit, body: NewGrant) -> Granted:
    """Give a tier for a time, after what runs. With Buzz for administrators only."""
    made = await desk.grant(
        session,
        _writes(actor),
        person_id=body.person_id,
        tier=body.tier,
        months=body.months,
        days=body.days,
        with_buzz=body.with_buzz,
        reason=body.reason,
    )
    return Granted(id=made)


@router.post(
    "/{membership_id}/end", status_code=204, operation_id="endMembership", summary="End A Membership"
)
async def end(actor: Writer, session: Unit, membership_id: int, body: Why) -> None:
    """End it now; the agreement at its provider is stopped too."""
    await desk.end(session, _writes(actor), membership_id=membership_id, reason=body.reason)


@router.post(
    "/grants/{grant_id}/revoke",
    status_code=204,
    operation_id="revokeMembershipGrant",
    summary="Take Away What Waits",
)
async def revoke(actor: Writer, session: Unit, grant_id: int, body: Why) -> None:
    """Take away time that still waits its turn."""
    await desk.revoke(session, _writes(actor), grant_id=grant_id, reason=body.reason)
