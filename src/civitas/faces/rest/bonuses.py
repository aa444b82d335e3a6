"""Bonus events over the API: times in which everybody earns more; staff declare and end them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from fastapi import APIRouter
from pydantic import Field

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.earning import bonuses
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.earning import BonusShown
from civitas.faces.rest.shapes import Body
from civitas.faces.rest.writing import Writer

router = APIRouter(dependencies=[CheckedForm])


class NewBonus(Body):
    """A time in which rewards and their caps count more. Times without a zone are UTC."""

    title: str = Field(min_length=1, max_length=200)
    multiplier: Decimal = Field(gt=1, le=100, max_digits=6, decimal_places=2, allow_inf_nan=False)
    starts_at: datetime
    ends_at: datetime
    reason: str = Field(min_length=1, max_length=2000, description="For the log.")


class Ending(Body):
    """Why it ends."""

    reason: str = Field(min_length=1, max_length=2000)


def _staff(actor: Actor) -> Actor:
    actor.require(Scope.USER_WRITE)
    actor.require_moderator()
    return actor


@router.get(
    "/buzz/bonus-events", tags=["Earning"], operation_id="listBonusEvents", summary="List Bonus Events"
)
async def listed(session: Reading) -> list[BonusShown]:
    """Bonus events that run or come, the next one first; open to everybody."""
    return [BonusShown.model_validate(one) for one in await bonuses.listed(session, ahead=True)]


@router.get(
    "/staff/bonus-events", tags=["Staff"], operation_id="listAllBonusEvents", summary="List All Bonus Events"
)
async def every(actor: Writer, session: Reading) -> list[BonusShown]:
    """The last bonus events, over ones too, the newest first."""
    _staff(actor)
    return [BonusShown.model_validate(one) for one in await bonuses.listed(session)]


@router.post(
    "/staff/bonus-events",
    status_code=201,
    tags=["Staff"],
    operation_id="declareBonusEvent",
    summary="Declare A Bonus Event",
)
async def declare(actor: Writer, session: Unit, body: NewBonus) -> BonusShown:
    """Declare a time in which everybody earns more."""
    made = await bonuses.declare(
        session,
        _staff(actor),
        title=body.title,
        multiplier=body.multiplier,
        starts_at=_zoned(body.starts_at),
        ends_at=_zoned(body.ends_at),
        reason=body.reason,
    )
    return BonusShown.model_validate(made)


@router.post(
    "/staff/bonus-events/{bonus_id}/end",
    tags=["Staff"],
    operation_id="endBonusEvent",
    summary="End A Bonus Event",
)
async def end(actor: Writer, session: Unit, bonus_id: int, body: Ending) -> BonusShown:
    """End one now, or before it began."""
    return BonusShown.model_validate(
        await bonuses.end(session, _staff(actor), bonus_id=bonus_id, reason=body.reason)
    )


def _zoned(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
