"""What staff do about money: purchases, refunds, invoices, debts, codes. The domain logs each deed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts import policy, queries
from civitas.domains.accounts.queries import Card
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.buying import codes, purchases, refunding, returning, settling
from civitas.domains.buzz.buying.codes import Batch, CodeKey, Worth
from civitas.domains.buzz.buying.tables import Debt, Purchase
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.payments import notices
from civitas.domains.buzz.types import COLOURS, Currency
from civitas.faces.http.state import state_of
from civitas.faces.web import forms
from civitas.faces.web.buying import STATES
from civitas.faces.web.forms import Entered
from civitas.faces.web.staff import Admin, Cursor, Staff
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.kit import clock, money
from civitas.kit.errors import Conflict, Fault, Invalid, NotFound

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

PURCHASES: Final = "/staff/purchases"
DEBTS: Final = "/staff/debts"
CODES: Final = "/staff/codes"
BOUGHT: Final = ("green", "yellow")


@dataclass(frozen=True, slots=True)
class PurchasesPage:
    """Purchases of everybody."""

    items: tuple[Purchase, ...]
    cards: Mapping[int, Card]
    states: Mapping[str, tuple[str, str]]
    state: str
    provider: str
    about: str
    providers: tuple[str, ...]
    form: Entered
    admin: bool
    next_href: str | None


@dataclass(frozen=True, slots=True)
class PurchasePage:
    """One purchase with all that is known of it."""

    purchase: Purchase
    card: Card | None
    state: tuple[str, str]
    total_cents: int
    refundable: bool
    events: tuple[dict[str, Any], ...]
    form: Entered
    admin: bool


@dataclass(frozen=True, slots=True)
class DebtsPage:
    """What is owed."""

    items: tuple[Debt, ...]
    cards: Mapping[int, Card]
    form: Entered
    admin: bool
    next_href: str | None


@dataclass(frozen=True, slots=True)
class CodesPage:
    """What codes were issued."""

    items: tuple[Batch, ...]
    cards: Mapping[int, Card]
    form: Entered
    tiers: tuple[tuple[str, str], ...]
    colours: tuple[tuple[str, str], ...]
    most: int
    admin: bool
    next_href: str | None


@router.get(PURCHASES)
async def listed(
    request: Request,
    staff: Staff,
    state: Annotated[str, Query(max_length=20)] = "",
    provider: Annotated[str, Query(max_length=40)] = "",
    about: Annotated[str, Query(max_length=64)] = "",
    cursor: Cursor = None,
) -> Response:
    """Purchases, filtered by state, provider and person."""
    return await _list(request, staff, state, provider, about, cursor, Entered())


async def _list(
    request: Request, staff: Actor, state: str, provider: str, about: str, cursor: str | None, form: Entered
) -> Response:
    async with state_of(request).database.reading() as session:
        person = await _person(session, about) if about else None
        found = await refunding.found(
            session, staff, state=state or None, provider=provider or None, person_id=person, cursor=cursor
        )
        cards = await queries.by_ids(session, {row.person_id for row in found.items})
    pairs = [(k, v) for k, v in (("state", state), ("provider", provider), ("about", about)) if v]
    page = PurchasesPage(
        tuple(found.items), cards, STATES, state, provider, about,
        (*state_of(request).payments.known, refunding.MANUAL), form, staff.is_admin,
        _next(PURCHASES, pairs, found.next_cursor),
    )  # fmt: skip
    status = 400 if form.errors or form.problem else 200
    return render(request, "staff/purchases.html", page, block="purchases_list", status=status)


async def _person(session: AsyncSession, name: str) -> int:
    return (await queries.by_username(session, name)).id


def _next(path: str, pairs: list[tuple[str, str]], cursor: str | None) -> str | None:
    return f"{path}?{urlencode([*pairs, ('cursor', cursor)])}" if cursor else None


@router.post(PURCHASES + "/invoice")
async def invoice(request: Request, admin: Admin) -> Response:
    """Write an invoice that is paid outside of every provider."""
    form = await forms.read(request)
    policy.require_fresh(admin)
    try:
        if form.get("colour") not in BOUGHT:
            raise Invalid("Choose a colour.", code="bad_colour", fields={"colour": "Choose a colour."})
        buzz = money.parse(form.get("buzz"), name="buzz")
        async with state_of(request).database.unit() as session:
            made = await refunding.invoice(
                session, admin, person_id=await _person(session, form.get("person")), buzz=buzz,
                colour=Currency(form.get("colour")), reason=form.get("reason"),
            )  # fmt: skip
    except (Invalid, Conflict, NotFound) as fault:
        return await _list(request, admin, "", "", "", None, form.failed(fault))
    return redirect(
        request, f"{PURCHASES}/{made.id}", text="The invoice is written. Mark it as paid when it is."
    )


@router.get(PURCHASES + "/{purchase_id:int}")
async def one(request: Request, staff: Staff, purchase_id: int) -> Response:
    """One purchase: facts, what the provider told, what can be done."""
    return await _one(request, staff, purchase_id, Entered())


async def _one(request: Request, staff: Actor, purchase_id: int, form: Entered) -> Response:
    async with state_of(request).database.reading() as session:
        found = await purchases.get(session, staff, purchase_id=purchase_id)
        events = await notices.events_of(session, f"{settling.KIND}:{found.id}")
        cards = await queries.by_ids(session, {found.person_id})
    page = PurchasePage(
        found, cards.get(found.person_id), STATES[found.state], settling.total_cents(found),
        found.paid_cents > returning.gone_cents(found), tuple(events),
        form, staff.is_admin,
    )  # fmt: skip
    status = 400 if form.errors or form.problem else 200
    return render(request, "staff/purchase.html", page, status=status)


@router.post(PURCHASES + "/{purchase_id:int}/{deed}")
async def act(request: Request, admin: Admin, purchase_id: int, deed: str) -> Response:
    """Refund, mark an invoice as paid, or let the buyer spend again."""
    form = await forms.read(request)
    policy.require_fresh(admin)
    reason = form.get("reason")
    try:
        async with state_of(request).database.unit() as session:
            if deed == "refund":
                forced = form.flag("forced")
                await refunding.refund(session, admin, purchase_id=purchase_id, reason=reason, forced=forced)
                text = "The refund is under way."
            elif deed == "paid":
                await refunding.mark_paid(session, admin, purchase_id=purchase_id, reason=reason)
                text = "It is credited."
            elif deed == "thaw":
                buyer = (await purchases.get(session, admin, purchase_id=purchase_id)).person_id
                await refunding.let_spend(session, admin, person_id=buyer, reason=reason)
                text = "The wallet is open again."
            else:
                raise Invalid("There is nothing of this name to do.", code="unknown_deed")
    except (Invalid, Conflict) as fault:
        return await _one(request, admin, purchase_id, form.failed(fault))
    return redirect(request, f"{PURCHASES}/{purchase_id}", text=text)


@router.get(DEBTS)
async def debts(request: Request, staff: Staff, cursor: Cursor = None) -> Response:
    """Open debts."""
    return await _debts(request, staff, cursor, Entered())


async def _debts(request: Request, staff: Actor, cursor: str | None, form: Entered) -> Response:
    async with state_of(request).database.reading() as session:
        found = await refunding.debts(session, staff, cursor=cursor)
        cards = await queries.by_ids(session, {row.person_id for row in found.items})
    page = DebtsPage(tuple(found.items), cards, form, staff.is_admin, _next(DEBTS, [], found.next_cursor))
    status = 400 if form.errors or form.problem else 200
    return render(request, "staff/debts.html", page, block="debts_list", status=status)


@router.post(DEBTS + "/{debt_id:int}/{deed}")
async def settle_debt(request: Request, admin: Admin, debt_id: int, deed: str) -> Response:
    """Collect what is there, or let the debt go (`write-off`)."""
    form = await forms.read(request)
    policy.require_fresh(admin)
    doing = refunding.write_off if deed == "write-off" else refunding.collect
    try:
        async with state_of(request).database.unit() as session:
            await doing(session, admin, debt_id=debt_id, reason=form.get("reason"))
    except (Invalid, Conflict) as fault:
        return await _debts(request, admin, None, form.failed(fault))
    return redirect(request, DEBTS, text="The debt is let go." if deed == "write-off" else "Collected.")


@router.get(CODES)
async def code_batches(request: Request, staff: Staff, cursor: Cursor = None) -> Response:
    """What codes were issued, and the form for more."""
    return await _codes(request, staff, cursor, Entered())


async def _codes(request: Request, staff: Actor, cursor: str | None, form: Entered) -> Response:
    rules = economy.current()
    async with state_of(request).database.reading() as session:
        found = await codes.batches(session, staff, cursor=cursor)
        cards = await queries.by_ids(session, {row.issued_by for row in found.items})
    page = CodesPage(
        tuple(found.items), cards, form, tuple((tier.key, tier.label) for tier in rules.tiers[1:]),
        tuple((colour.value, rules.colours[colour].label) for colour in reversed(COLOURS)),
        rules.codes.largest_batch, staff.is_admin, _next(CODES, [], found.next_cursor),
    )  # fmt: skip
    status = 400 if form.errors or form.problem else 200
    return render(request, "staff/codes.html", page, block="batches_list", status=status)


@router.post(CODES)
async def issue(request: Request, admin: Admin) -> Response:
    """Issue codes; the answer is the file with them, which is never made again."""
    form = await forms.read(request)
    policy.require_fresh(admin)
    try:
        worth = _worth(form)
        count, days = _number(form, "count"), _number(form, "days")
        expires = clock.now() + timedelta(days=days) if days else None
        async with state_of(request).database.unit() as session:
            batch, made = await codes.issue(
                session, admin, CodeKey.derived(state_of(request).secret), worth=worth, count=count,
                reason=form.get("reason"), expires_at=expires, note=form.get("note"),
            )  # fmt: skip
    except Fault as fault:
        return await _codes(request, admin, None, form.failed(fault))
    outlet = io.StringIO()
    lines = csv.writer(outlet)
    lines.writerow(["code", "kind", "colour", "buzz", "tier", "months", "expires"])
    told = money.as_number(worth.amount) if worth.amount else ""
    for code in made:
        lines.writerow(
            [code, worth.kind, worth.colour or "", told, worth.tier or "", worth.months or "", expires or ""]
        )
    return Response(
        outlet.getvalue(),
        media_type="text/csv",
        headers={
            "Content-Disposition": f'attachment; filename="codes-{batch}.csv"',
            "Cache-Control": "no-store",
        },
    )


def _worth(form: Entered) -> Worth:
    if form.get("kind") == "membership":
        return Worth.membership(form.get("tier"), _number(form, "months"))
    if form.get("colour") not in {colour.value for colour in COLOURS}:
        raise Invalid("Choose a colour.", code="bad_colour", fields={"colour": "Choose a colour."})
    return Worth.buzz(money.parse(form.get("buzz"), name="buzz"), Currency(form.get("colour")))


def _number(form: Entered, name: str) -> int:
    given = form.get(name).strip() or "0"
    if not (given.isascii() and given.isdigit() and len(given) < 6):
        raise Invalid("Give a whole number.", code="bad_number", fields={name: "Give a whole number."})
    return int(given)


@router.post(CODES + "/{batch_id:int}/revoke")
async def revoke(request: Request, admin: Admin, batch_id: int) -> Response:
    """Make the rest of a batch worthless."""
    form = await forms.read(request)
    policy.require_fresh(admin)
    try:
        async with state_of(request).database.unit() as session:
            gone = await codes.revoke(session, admin, batch_id=batch_id, reason=form.get("reason"))
    except Invalid as fault:
        return await _codes(request, admin, None, form.failed(fault))
    return redirect(request, CODES, text=f"{gone} codes are worthless now.")
