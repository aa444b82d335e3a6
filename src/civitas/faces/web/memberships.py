"""`/memberships`: what each tier costs and gives, choosing one, changing and ending it."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.contracts.payments import Mode, ProviderInfo
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import TierRules
from civitas.domains.buzz.ledger import wallets
from civitas.domains.buzz.memberships import months as membership_months
from civitas.domains.buzz.memberships import orders as membership_orders
from civitas.domains.buzz.memberships import queries as membership_queries
from civitas.domains.buzz.memberships import terms as membership_terms
from civitas.domains.buzz.memberships import wishes as membership_wishes
from civitas.domains.buzz.memberships.entitlements import Entitlements, entitlements
from civitas.domains.buzz.memberships.queries import Mine
from civitas.domains.buzz.memberships.tables import MembershipOrder
from civitas.domains.buzz.memberships.terms import Quote
from civitas.domains.buzz.memberships.types import RECURRING, SURVEY, Billing
from civitas.faces.http.paying import open_membership_checkout, ways_to_pay
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, Visitor, redirect
from civitas.kit.errors import Conflict, Fault, Invalid
from civitas.kit.ids import new_uuid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/memberships"
RunId = Annotated[int, Path(ge=1, lt=2**63)]


@dataclass(frozen=True, slots=True)
class MembershipsPage:
    """The tiers on offer beside Free, what the visitor has now, and an order that they come back from paying."""

    tiers: tuple[TierRules, ...]
    yearly: bool
    mine: Entitlements
    state: Mine | None
    order: MembershipOrder | None
    survey: tuple[tuple[str, str], ...]
    # The perk with which priority in the queue is free, and whose members can join the creator programme.
    priority_perk: str
    programme_tiers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConfirmPage:
    """What choosing a tier means, before it is confirmed; `checkout` is where it is paid, once it was."""

    tier: TierRules
    billing: Billing
    quote: Quote
    ways: tuple[ProviderInfo, ...]
    perks_price: int
    # Which colours a month of perks would take, and what would be left.
    perks: wallets.Preview
    key: str
    checkout: str | None
    form: Entered


@router.get(HERE)
async def compare(
    request: Request,
    visitor: Visitor,
    session: Reading,
    period: Annotated[Literal["month", "year"], Query()] = "month",
    order: uuid.UUID | None = None,
) -> Response:
    """The comparison, with prices a month or a year, and one's own membership above it."""
    mine = await entitlements(session, visitor.id)
    signed_in = visitor.id is not None
    page = MembershipsPage(
        tiers=tuple(tier for tier in economy.current().tiers if tier.offered or tier.key == mine.key),
        yearly=period == "year",
        mine=mine,
        state=await membership_queries.of_person(session, visitor.require()) if signed_in else None,
        order=await membership_orders.mine(session, visitor, order) if order and signed_in else None,
        survey=tuple(SURVEY.items()),
        priority_perk=economy.current().generation.free_priority_perk,
        programme_tiers=tuple(economy.current().programme.tiers),
    )
    return render(request, "buzz/memberships.html", page)


@router.get(HERE + "/choose/{tier}")
async def choose(
    request: Request, member: Member, tier: str, billing: Annotated[Billing, Query()] = Billing.MONTHLY
) -> Response:
    """What this tier would cost now and later."""
    return await _confirm(request, member, tier, billing, Entered())


async def _confirm(
    request: Request,
    member: Actor,
    tier: str,
    billing: Billing,
    form: Entered,
    *,
    checkout: str | None = None,
    status: int = 200,
) -> Response:
    if billing not in RECURRING:
        raise Invalid("Choose to pay by the month or by the year.", code="bad_billing")
    ways = ways_to_pay(request, Mode.SUBSCRIPTION)
    async with state_of(request).database.reading() as session:
        quote, _ = await membership_orders.quote(
            session, member, tier=tier, billing=billing, colour=_way(ways, form).colour if ways else "green"
        )
        price = membership_terms.perks_price(quote.tier)
        perks = wallets.preview(
            await wallets.of(session, member.require()),
            total=price,
            activity="membership",
            domain=member.domain,
        )
    page = ConfirmPage(
        tier=quote.tier,
        billing=billing,
        quote=quote,
        ways=ways,
        perks_price=price,
        perks=perks,
        key=form.get("key") or str(new_uuid()),
        checkout=checkout,
        form=form,
    )
    return render(request, "buzz/membership_confirm.html", page, status=status)


@router.post(HERE + "/choose/{tier}")
async def confirm(request: Request, member: Member, tier: str) -> Response:
    """Order it, or note the change for when the present period ends."""
    form = await forms.read(request)
    billing = Billing.ANNUAL if form.get("billing") == Billing.ANNUAL else Billing.MONTHLY
    try:
        ways = ways_to_pay(request, Mode.SUBSCRIPTION)
        if not ways:
            raise Conflict(
                "This site takes no payments by itself; ask its staff.", code="provider_not_offered"
            )
        way = _way(ways, form)
        order = await _order(request, member, tier, billing, way)
        if order is None:
            return redirect(request, HERE, text="Noted. It begins when the present period ends.")
        url = await open_membership_checkout(request, order)
    except Fault as fault:
        if fault.kind == "not_found":
            raise
        return await _confirm(
            request, member, tier, billing, form.failed(fault), status=forms.status_of(fault)
        )
    # A page of ours first, because a form may not lead to another site.
    return await _confirm(request, member, tier, billing, form, checkout=url)


async def _order(
    request: Request, member: Actor, tier: str, billing: Billing, way: ProviderInfo
) -> MembershipOrder | None:
    async with state_of(request).database.unit() as session:
        quote, running = await membership_orders.quote(
            session, member, tier=tier, billing=billing, colour=way.colour
        )
        if running is not None and quote.kind in ("later", "same"):
            await membership_wishes.change_later(
                session, member, membership_id=running.id, tier=tier, billing=billing
            )
            return None
        return await membership_orders.subscribe(
            session, member, tier=tier, billing=billing, provider=way.key, colour=way.colour
        )


def _way(ways: tuple[ProviderInfo, ...], form: Entered) -> ProviderInfo:
    return next((one for one in ways if one.key == form.get("way")), ways[0])


@router.post(HERE + "/perks/{tier}")
async def perks(request: Request, member: Member, tier: str) -> Response:
    """A month of a tier's perks for Buzz."""
    form = await forms.read(request)
    key = f"{member.require()}:{form.get('key')[:64] or new_uuid()}"
    return await _change(
        request,
        lambda session: membership_wishes.buy_perks(session, member, tier=tier, key=key),
        "Enjoy your month.",
    )


@router.post(HERE + "/months/{month_id:int}/claim")
async def claim(request: Request, member: Member, month_id: RunId) -> Response:
    """Take the Buzz of a month that was paid in advance."""
    return await _change(
        request,
        lambda session: membership_months.claim(session, member, month_id=month_id),
        "The Buzz of this month is in your wallet.",
    )


@router.post(HERE + "/{membership_id:int}/cancel")
async def cancel(request: Request, member: Member, membership_id: RunId) -> Response:
    """End it when its period is over."""
    form = await forms.read(request)
    return await _change(
        request,
        lambda session: membership_wishes.cancel(
            session,
            member,
            membership_id=membership_id,
            reason=form.get("reason"),
            comment=form.get("comment"),
        ),
        "Cancelled. You keep everything until the period ends.",
    )


@router.post(HERE + "/{membership_id:int}/resume")
async def resume(request: Request, member: Member, membership_id: RunId) -> Response:
    """Take a cancellation back."""
    return await _change(
        request,
        lambda session: membership_wishes.resume(session, member, membership_id=membership_id),
        "It goes on.",
    )


async def _change(request: Request, do: Callable[[AsyncSession], Awaitable[Any]], text: str) -> Response:
    try:
        async with state_of(request).database.unit() as session:
            await do(session)
    except Fault as fault:
        if fault.kind == "not_found":
            raise
        return redirect(request, HERE, kind="danger", text=fault.message)
    return redirect(request, HERE, text=text)
