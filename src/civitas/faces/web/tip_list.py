"""`/buzz/tips`: tips received and given, and what generating with one's models earned, day by day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.contracts.subjects import Subject, SubjectFacts, resolve_all
from civitas.domains.accounts import queries
from civitas.domains.accounts.queries import Card
from civitas.domains.accounts.types import Scope
from civitas.domains.buzz.earning import compensation, tips
from civitas.domains.buzz.earning.compensation import MICRO
from civitas.domains.buzz.earning.tips import Given
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.charts import Bars, bars
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member
from civitas.kit import clock, money, paging

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/buzz/tips"
DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class TipsPage:
    """One way of tips, and the chart of compensation; `earned` is its sum in quarters, `waiting` what is not paid yet."""

    way: Literal["received", "given"]
    items: tuple[Given, ...]
    cards: Mapping[int, Card]
    about: Mapping[Subject, SubjectFacts]
    next_href: str | None
    chart: Bars | None
    earned: int
    waiting: int


@router.get(HERE)
async def show(
    request: Request,
    member: Member,
    session: Reading,
    way: Annotated[Literal["received", "given"], Query()] = "received",
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
) -> Response:
    """Tips, the newest first."""
    member.require(Scope.BUZZ_READ)
    found = await tips.listed(session, member, way=way, cursor=cursor)
    people = {one.from_id for one in found.items} | {one.to_id for one in found.items}
    last = clock.now().date() + timedelta(days=1)
    lines = await compensation.daily(session, member, start=last - timedelta(days=DAYS), end=last)
    days = compensation.by_day(lines)
    series = []
    for place in range(DAYS):
        day = last - timedelta(days=DAYS - place)
        series.append((f"{day:%-d %b}", sum(days.get(day, {}).values()) // MICRO, 0))
    earned = sum(line.amount for line in lines) // MICRO
    page = TipsPage(
        way=way,
        items=tuple(found.items),
        cards=await queries.by_ids(session, people),
        about=await resolve_all(session, [one.subject for one in found.items]),
        next_href=f"{HERE}?way={way}&cursor={found.next_cursor}" if found.next_cursor else None,
        chart=bars(series, f"{money.shown(earned)} Buzz earned in {DAYS} days.", two_ways=False)
        if lines
        else None,
        earned=earned,
        waiting=sum(line.amount for line in lines if not line.settled) // MICRO,
    )
    return render(request, "buzz/tips.html", page, block="tips_list")
