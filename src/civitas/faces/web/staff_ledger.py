"""`/staff/ledger`: follow any Buzz from the mint to where it ends; give, take, freeze, refund, with reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts import queries
from civitas.domains.accounts.queries import Card
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.ledger import adjusting, explorer, statistics, wallets
from civitas.domains.buzz.ledger.explorer import AccountLine, EntryLine, EntryView, Found
from civitas.domains.buzz.ledger.statistics import HouseMonth
from civitas.domains.buzz.ledger.tables import Adjustment
from civitas.domains.buzz.ledger.wallets import Wallet
from civitas.domains.buzz.types import COLOURS, TYPE_LABELS, Currency, EntryType
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.economy_rules import lies
from civitas.faces.web.forms import Entered
from civitas.faces.web.staff import Cursor, Staff
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.kit import money
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid, PaymentNeeded
from civitas.kit.ids import new_uuid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/staff/ledger"
_REFUSED = (Invalid, Conflict, Forbidden, PaymentNeeded)


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """A search of the ledger, or its newest entries."""

    q: str
    found: Found
    waiting: int
    next_href: str | None
    labels: Mapping[EntryType, str]


@dataclass(frozen=True, slots=True)
class LedgerEntryPage:
    """One entry whole, and the form to give it back."""

    entry: EntryView
    form: Entered
    key: str
    admin: bool
    label: str


@dataclass(frozen=True, slots=True)
class LedgerAccountPage:
    """One account and its entries."""

    account: AccountLine
    items: tuple[EntryLine, ...]
    next_href: str | None
    labels: Mapping[EntryType, str]


@dataclass(frozen=True, slots=True)
class LedgerPersonPage:
    """A person's accounts and what staff can do with them."""

    card: Card
    wallet: Wallet
    accounts: tuple[AccountLine, ...]
    form: Entered
    key: str
    admin: bool
    oneself: bool
    limit: int
    colours: tuple[tuple[str, str], ...] = tuple((one.value, one.value.capitalize()) for one in COLOURS)


@dataclass(frozen=True, slots=True)
class AdjustmentsPage:
    """What was given and taken, and what waits for a second pair of eyes."""

    items: tuple[Adjustment, ...]
    names: Mapping[int, str]
    waiting: bool
    me: int
    form: Entered
    next_href: str | None


@dataclass(frozen=True, slots=True)
class ReportPage:
    """The transparency report as staff see it."""

    months: tuple[HouseMonth, ...]
    lies: tuple[tuple[str, Mapping[str, int]], ...]
    currencies: tuple[str, ...] = tuple(Currency)


@router.get(HERE)
async def search(
    request: Request,
    staff: Staff,
    session: Reading,
    q: Annotated[str, Query(max_length=255)] = "",
    cursor: Cursor = None,
) -> Response:
    """Entries by person, number, key or subject."""
    found = await explorer.search(session, staff, query=q, cursor=cursor)
    waiting = await adjusting.adjustments(session, staff, waiting=True)
    next_href = None
    if found.next_cursor:
        next_href = f"{HERE}?{urlencode({'q': q, 'cursor': found.next_cursor})}"
    page = LedgerPage(q, found, len(waiting.items), next_href, TYPE_LABELS)
    return render(request, "staff/ledger.html", page, block="entries_list")


@router.get(HERE + "/entries/{entry_id:int}")
async def entry(request: Request, staff: Staff, entry_id: int) -> Response:
    """One entry whole."""
    return await _entry(request, staff, entry_id, Entered())


@router.post(HERE + "/entries/{entry_id:int}/refund")
async def refund(request: Request, staff: Staff, entry_id: int) -> Response:
    """Give it back, whole or in part."""
    form = await forms.read(request)
    given = form.get("amount").strip()
    try:
        async with state_of(request).database.unit() as session:
            posted = await adjusting.refund(
                session,
                staff,
                entry_id=entry_id,
                amount=money.parse(given) if given else None,
                reason=form.get("reason"),
                key=form.get("key")[:64] or str(new_uuid()),
            )
    except _REFUSED as fault:
        return await _entry(request, staff, entry_id, form.failed(fault), fault)
    return redirect(request, f"{HERE}/entries/{posted.entry_id}", text="It is given back.")


async def _entry(
    request: Request, staff: Actor, entry_id: int, form: Entered, fault: Fault | None = None
) -> Response:
    async with state_of(request).database.reading() as session:
        found = await explorer.entry(session, staff, entry_id=entry_id)
    page = LedgerEntryPage(found, form, str(new_uuid()), staff.is_admin, TYPE_LABELS[found.type])
    return render(request, "staff/ledger_entry.html", page, status=forms.status_of(fault) if fault else 200)


@router.get(HERE + "/accounts/{account_id:int}")
async def account(
    request: Request, staff: Staff, session: Reading, account_id: int, cursor: Cursor = None
) -> Response:
    """One account and all that it saw."""
    line, found = await explorer.account(session, staff, account_id=account_id, cursor=cursor)
    here = f"{HERE}/accounts/{account_id}"
    next_href = f"{here}?{urlencode({'cursor': found.next_cursor})}" if found.next_cursor else None
    page = LedgerAccountPage(line, tuple(found.items), next_href, TYPE_LABELS)
    return render(request, "staff/ledger_account.html", page, block="entries_list")


@router.get(HERE + "/people/{person_id:int}")
async def person(request: Request, staff: Staff, person_id: int) -> Response:
    """A person's accounts, and what can be done."""
    return await _person(request, staff, person_id, Entered())


@router.post(HERE + "/people/{person_id:int}/{deed}")
async def act(request: Request, staff: Staff, person_id: int, deed: str) -> Response:
    """Give or take (`adjust`), `freeze` or `unfreeze`."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            told = await _do(session, staff, person_id, deed, form)
    except _REFUSED as fault:
        return await _person(request, staff, person_id, form.failed(fault), fault)
    return redirect(request, f"{HERE}/people/{person_id}", text=told)


async def _do(session: AsyncSession, staff: Actor, person_id: int, deed: str, form: Entered) -> str:
    reason = form.get("reason")
    if deed in ("freeze", "unfreeze"):
        frozen = deed == "freeze"
        await adjusting.freeze(session, staff, person_id=person_id, frozen=frozen, reason=reason)
        return "The wallet is frozen." if frozen else "The wallet is free again."
    if deed != "adjust" or form.get("colour") not in COLOURS:
        raise Invalid("There is nothing of this name to do.", code="unknown_deed")
    amount = money.parse(form.get("amount"))
    outcome = await adjusting.request(
        session,
        staff,
        person_id=person_id,
        colour=Currency(form.get("colour")),
        amount=-amount if form.get("way") == "take" else amount,
        reason=reason,
        key=f"page:{form.get('key')[:64] or new_uuid()}",
    )
    return "Done." if outcome.status == "approved" else "It waits for somebody else of staff to approve it."


async def _person(
    request: Request, staff: Actor, person_id: int, form: Entered, fault: Fault | None = None
) -> Response:
    async with state_of(request).database.reading() as session:
        page = LedgerPersonPage(
            card=await queries.by_id(session, person_id),
            wallet=await wallets.of(session, person_id),
            accounts=await explorer.accounts_of(session, staff, owner_id=person_id),
            form=form,
            key=str(new_uuid()),
            admin=staff.is_admin,
            oneself=staff.id == person_id,
            limit=int(economy.current().money.four_eyes_above),
        )
    return render(request, "staff/ledger_person.html", page, status=forms.status_of(fault) if fault else 200)


@router.get(HERE + "/house")
async def house(request: Request, staff: Staff, session: Reading) -> Response:
    """The house's accounts and the transparency report."""
    page = ReportPage(await statistics.months(session), lies(await statistics.supply(session)))
    accounts = await explorer.accounts_of(session, staff, owner_id=0)
    return render(request, "staff/ledger_house.html", {**_fields(page), "accounts": accounts})


def _fields(page: ReportPage) -> dict[str, object]:
    return {"months": page.months, "lies": page.lies, "currencies": page.currencies}


@router.get(HERE + "/adjustments")
async def adjustments(
    request: Request, staff: Staff, waiting: bool = False, cursor: Cursor = None
) -> Response:
    """What was given and taken by staff."""
    return await _adjustments(request, staff, waiting, cursor, Entered())


@router.post(HERE + "/adjustments/{adjustment_id:int}/{deed}")
async def decide(request: Request, staff: Staff, adjustment_id: int, deed: str) -> Response:
    """The second pair of eyes: `approve` or `reject`."""
    form = await forms.read(request)
    try:
        if deed not in ("approve", "reject"):
            raise Invalid("There is nothing of this name to do.", code="unknown_deed")
        async with state_of(request).database.unit() as session:
            await adjusting.decide(
                session,
                staff,
                adjustment_id=adjustment_id,
                approve=deed == "approve",
                reason=form.get("reason"),
            )
    except _REFUSED as fault:
        return await _adjustments(request, staff, True, None, form.failed(fault), fault)
    told = "It is done." if deed == "approve" else "It is rejected."
    return redirect(request, f"{HERE}/adjustments", text=told)


async def _adjustments(
    request: Request,
    staff: Actor,
    waiting: bool,
    cursor: str | None,
    form: Entered,
    fault: Fault | None = None,
) -> Response:
    async with state_of(request).database.reading() as session:
        found = await adjusting.adjustments(session, staff, waiting=waiting, cursor=cursor)
        ids = {
            one for item in found.items for one in (item.person_id, item.requested_by, item.decided_by) if one
        }
        cards = await queries.by_ids(session, ids)
    next_href = None
    if found.next_cursor:
        pairs = {"waiting": "true"} if waiting else {}
        next_href = f"{HERE}/adjustments?{urlencode({**pairs, 'cursor': found.next_cursor})}"
    page = AdjustmentsPage(
        items=tuple(found.items),
        names={number: card.username or "[deleted]" for number, card in cards.items()},
        waiting=waiting,
        me=staff.require(),
        form=form,
        next_href=next_href,
    )
    return render(
        request,
        "staff/ledger_adjustments.html",
        page,
        block="adjustments_list",
        status=forms.status_of(fault) if fault else 200,
    )
