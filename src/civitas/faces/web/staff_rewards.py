"""What staff do about rewards: bonus events, and accounts whose rewards were stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.accounts import queries
from civitas.domains.accounts.queries import Card
from civitas.domains.buzz.earning import abuse, bonuses
from civitas.domains.buzz.earning.abuse import Stop
from civitas.domains.buzz.earning.bonuses import Bonus
from civitas.domains.buzz.economy import economy
from civitas.faces.http.state import state_of
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.staff import Staff
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.kit.errors import Conflict, Fault, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/staff/rewards"


@dataclass(frozen=True, slots=True)
class RewardsPage:
    """Bonus events and stopped accounts."""

    form: Entered
    bonuses: tuple[Bonus, ...]
    most: Decimal
    stops: tuple[Stop, ...]
    cards: Mapping[int, Card]


@router.get(HERE)
async def show(request: Request, staff: Staff) -> Response:
    """Both lists, and the form for another bonus event."""
    return await _page(request, Entered())


@router.post(HERE)
async def declare(request: Request, staff: Staff) -> Response:
    """Declare a bonus event."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            await bonuses.declare(
                session,
                staff,
                title=form.get("title"),
                multiplier=_number(form.get("multiplier")),
                starts_at=_moment("startsAt", form.get("starts")),
                ends_at=_moment("endsAt", form.get("ends")),
                reason=form.get("reason"),
            )
    except Invalid as fault:
        return await _page(request, form.failed(fault, startsAt="starts", endsAt="ends"), fault)
    return redirect(request, HERE, text="The bonus event is declared.")


@router.post(HERE + "/{bonus_id:int}/end")
async def end(request: Request, staff: Staff, bonus_id: int) -> Response:
    """End one."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            await bonuses.end(session, staff, bonus_id=bonus_id, reason=form.get("reason"))
    except (Invalid, Conflict) as fault:
        return await _page(request, form.failed(fault), fault)
    return redirect(request, HERE, text="The bonus event is over.")


async def _page(request: Request, form: Entered, fault: Fault | None = None) -> Response:
    async with state_of(request).database.reading() as session:
        stops = await abuse.stops(session)
        page = RewardsPage(
            form=form,
            bonuses=tuple(await bonuses.listed(session)),
            most=economy.current().abuse.largest_bonus_multiplier,
            stops=tuple(stops),
            cards=await queries.by_ids(session, {stop.person_id for stop in stops}),
        )
    return render(request, "staff/rewards.html", page, status=forms.status_of(fault) if fault else 200)


def _number(word: str) -> Decimal:
    try:
        return Decimal(word.strip()[:10])
    except InvalidOperation:
        raise Invalid("Give a number.", code="bad_bonus", fields={"multiplier": "Give a number."}) from None


def _moment(field: str, word: str) -> datetime:
    try:
        found = datetime.fromisoformat(word.strip()[:40])
    except ValueError:
        raise Invalid("Give a time.", code="bad_bonus", fields={field: "Give a day and a time."}) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
