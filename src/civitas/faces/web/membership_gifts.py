"""`/memberships/gift` and `/memberships/advance`: months that are paid at once, for somebody else or for oneself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.contracts.payments import ProviderInfo
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.memberships import orders, terms
from civitas.domains.buzz.memberships import queries as membership_queries
from civitas.domains.buzz.memberships.queries import Waiting
from civitas.domains.buzz.memberships.tables import MembershipOrder
from civitas.faces.http.paying import open_membership_checkout, provider_for, ways_to_pay
from civitas.faces.http.state import state_of
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member
from civitas.kit import money
from civitas.kit.errors import Fault, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

GIFT: Final = "/memberships/gift"
ADVANCE: Final = "/memberships/advance"


@dataclass(frozen=True, slots=True)
class Line:
    """A tier with what each length of it costs, in the order of the lengths."""

    key: str
    label: str
    cents: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AdvancePage:
    """The form, the prices, and earlier gifts; `checkout` is where an order is paid, once it was made."""

    gift: bool
    lines: tuple[Line, ...]
    lengths: tuple[int, ...]
    ways: tuple[tuple[str, str], ...]
    gifts: Sequence[Waiting]
    me: str
    order: MembershipOrder | None
    checkout: str | None
    form: Entered
    longest_note: int = orders.LONGEST_NOTE

    @property
    def here(self) -> str:
        """The address of the form."""
        return GIFT if self.gift else ADVANCE


@router.get(GIFT)
async def gift(request: Request, member: Member, to: Annotated[str, Query(max_length=64)] = "") -> Response:
    """The form for a gift; `to` is whom it is for."""
    return await _page(request, member, Entered({"to": (to,)} if to else {}), gift=True)


@router.get(ADVANCE)
async def advance(request: Request, member: Member) -> Response:
    """The form for months in advance."""
    return await _page(request, member, Entered(), gift=False)


@router.post(GIFT)
async def give(request: Request, member: Member) -> Response:
    """Order a gift."""
    return await _order(request, member, gift=True)


@router.post(ADVANCE)
async def prepay(request: Request, member: Member) -> Response:
    """Order months in advance."""
    return await _order(request, member, gift=False)


async def _order(request: Request, member: Actor, *, gift: bool) -> Response:
    form = await forms.read(request)
    try:
        way = provider_for(request, form.get("way") or None)
        tier, months = _choice(form.get("choice"))
        async with state_of(request).database.unit() as session:
            if gift:
                order = await orders.give(
                    session, member, to=form.get("to"), tier=tier, months=months, provider=way.key,
                    colour=way.colour, note=form.get("note"), fee_cents=way.fee_cents,
                )  # fmt: skip
            else:
                order = await orders.prepay(
                    session, member, tier=tier, months=months, provider=way.key, colour=way.colour,
                    fee_cents=way.fee_cents,
                )  # fmt: skip
        url = await open_membership_checkout(request, order)
    except Fault as fault:
        if fault.kind == "not_found":
            fault = Invalid(fault.message, code=fault.code, fields={"to": "There is nobody of this name."})
        return await _page(
            request,
            member,
            form.failed(fault, provider="way", months="choice", tier="choice"),
            gift=gift,
            status=forms.status_of(fault),
        )
    # A page of ours first, because a form may not lead to another site.
    return await _page(request, member, form, gift=gift, order=order, checkout=url)


def _told(way: ProviderInfo) -> str:
    return f"{way.label}, and a fee of {money.dollars(way.fee_cents)}" if way.fee_cents else way.label


def _choice(word: str) -> tuple[str, int]:
    """What was ticked, `gold:3`; what makes no sense is a length that nobody offers."""
    tier, _, months = word.partition(":")
    return tier, int(months) if months.isascii() and months.isdigit() and len(months) < 4 else 0


async def _page(
    request: Request,
    member: Actor,
    form: Entered,
    *,
    gift: bool,
    order: MembershipOrder | None = None,
    checkout: str | None = None,
    status: int = 200,
) -> Response:
    rules = economy.current()
    lengths = rules.memberships.gift_months if gift else rules.memberships.prepaid_months
    async with state_of(request).database.reading() as session:
        gifts = await membership_queries.gifts(session, member.require()) if gift else ()
    page = AdvancePage(
        gift=gift,
        lines=tuple(
            Line(tier.key, tier.label, tuple(terms.prepaid_price(tier, length) for length in lengths))
            for tier in rules.tiers
            if tier.offered and tier.price_cents
        ),
        lengths=lengths,
        ways=tuple((way.key, _told(way)) for way in ways_to_pay(request)),
        gifts=gifts,
        me=member.username or "",
        order=order,
        checkout=checkout,
        form=form,
    )
    return render(request, "buzz/membership_advance.html", page, status=status)
