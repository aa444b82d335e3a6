"""What staff do about memberships: who has which, give one, end one, see what a provider refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts import queries
from civitas.domains.accounts.queries import Card
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.memberships import desk
from civitas.domains.buzz.memberships import queries as membership_queries
from civitas.domains.buzz.memberships.queries import Census, Refusal, Run, Waiting
from civitas.domains.buzz.memberships.types import BILLING_LABELS
from civitas.faces.http.state import state_of
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.staff import Staff
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.kit.errors import Fault, NotFound

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/staff/memberships"
# Why one ended, as staff read it.
ENDS: Final = {
    "asked": "Cancelled",
    "unpaid": "Not paid",
    "term_over": "Its time was over",
    "refunded": "The money went back",
    "staff": "Ended by staff",
    "made_way": "Made way for another",
}


@dataclass(frozen=True, slots=True)
class MembershipsPage:
    """Everybody's by number, and one person's in full."""

    census: tuple[Census, ...]
    refusals: tuple[Refusal, ...]
    cards: Mapping[int, Card]
    about: str
    person_id: int | None
    runs: tuple[Run, ...]
    waiting: Sequence[Waiting]
    tiers: tuple[tuple[str, str], ...]
    billings: Mapping[str, str]
    ends: Mapping[str, str]
    form: Entered
    admin: bool


@router.get(HERE)
async def show(request: Request, staff: Staff, about: Annotated[str, Query(max_length=64)] = "") -> Response:
    """How many run; with a name, what that person has and had."""
    return await _page(request, staff, about, Entered())


async def _page(
    request: Request, staff: Actor, about: str, form: Entered, fault: Fault | None = None
) -> Response:
    async with state_of(request).database.reading() as session:
        refusals = await membership_queries.refused(session)
        person = await _person(session, about)
        page = MembershipsPage(
            census=tuple(await membership_queries.census(session)),
            refusals=tuple(refusals),
            cards=await queries.by_ids(session, {one.person_id for one in refusals}),
            about=about,
            person_id=person,
            runs=tuple(await membership_queries.runs(session, person)) if person else (),
            waiting=await membership_queries.waiting(session, person) if person else (),
            tiers=tuple(
                (tier.key, tier.label)
                for tier in sorted(economy.current().tiers, key=lambda one: not one.offered)
                if tier.price_cents
            ),
            billings={billing.value: label for billing, label in BILLING_LABELS.items()},
            ends=ENDS,
            form=form,
            admin=staff.is_admin,
        )
    return render(request, "staff/memberships.html", page, status=forms.status_of(fault) if fault else 200)


async def _person(session: AsyncSession, about: str) -> int | None:
    try:
        return (await queries.by_username(session, about)).id if about else None
    except NotFound:
        return None


@router.post(HERE)
async def grant(request: Request, staff: Staff) -> Response:
    """Give somebody a tier for a time."""
    form = await forms.read(request)
    about = form.get("about")

    async def do(session: AsyncSession) -> None:
        person = await queries.by_username(session, about)
        await desk.grant(
            session,
            staff,
            person_id=person.id,
            tier=form.get("tier"),
            months=_count(form.get("months")),
            days=_count(form.get("days")),
            with_buzz=form.get("buzz") == "on",
            reason=form.get("reason"),
        )

    return await _done(
        request, staff, about, form, do, "Given. It begins at once where nothing as high runs."
    )


def _count(word: str) -> int:
    """A number that was typed; a wrong one is out of every bound."""
    given = word.strip() or "0"
    return int(given) if given.isascii() and given.isdigit() and len(given) < 6 else -1


@router.post(HERE + "/{membership_id:int}/end")
async def end(request: Request, staff: Staff, membership_id: int) -> Response:
    """End one now."""
    form = await forms.read(request)

    async def do(session: AsyncSession) -> None:
        await desk.end(session, staff, membership_id=membership_id, reason=form.get("reason"))

    return await _done(request, staff, form.get("about"), form, do, "The membership has ended.")


@router.post(HERE + "/grants/{grant_id:int}/revoke")
async def revoke(request: Request, staff: Staff, grant_id: int) -> Response:
    """Take away what waits."""
    form = await forms.read(request)

    async def do(session: AsyncSession) -> None:
        await desk.revoke(session, staff, grant_id=grant_id, reason=form.get("reason"))

    return await _done(request, staff, form.get("about"), form, do, "Taken away.")


async def _done(
    request: Request,
    staff: Actor,
    about: str,
    form: Entered,
    do: Callable[[AsyncSession], Awaitable[Any]],
    text: str,
) -> Response:
    try:
        async with state_of(request).database.unit() as session:
            await do(session)
    except Fault as fault:
        if fault.kind not in ("invalid", "conflict", "not_found"):
            raise
        return await _page(request, staff, about, form.failed(fault), fault)
    return redirect(request, f"{HERE}?{urlencode({'about': about})}" if about else HERE, text=text)
