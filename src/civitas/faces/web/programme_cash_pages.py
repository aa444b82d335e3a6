"""`/creator-program/cash`: pending and settled cash, how one is paid, withdrawals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from civitas.domains.accounts.policy import require_fresh
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.programme_rules import Withdrawals
from civitas.domains.buzz.programme import cash as programme_cash
from civitas.domains.buzz.programme import payouts as programme_payouts
from civitas.domains.buzz.programme.cash import FIELDS, LABELS, Cash, Method
from civitas.domains.buzz.programme.tables import CashWithdrawal
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.staff import Cursor
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.kit import money
from civitas.kit.errors import Conflict, Forbidden, Invalid, PaymentNeeded, Unavailable
from civitas.kit.ids import new_uuid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/creator-program/cash"


@dataclass(frozen=True, slots=True)
class CashPage:
    """Cash, how one is paid, and what was withdrawn."""

    cash: Cash
    method: Method | None
    withdrawals: tuple[CashWithdrawal, ...]
    rules: Withdrawals
    form: Entered
    key: str
    chosen: str
    ways: tuple[tuple[str, str], ...]
    fields: Mapping[str, tuple[tuple[str, str, int], ...]]
    labels: Mapping[str, str]
    fee_cents: int | None
    cents: int | None
    next_href: str | None


@router.get(HERE)
async def show(request: Request, member: Member, cursor: Cursor = None, method: str = "") -> Response:
    """Cash."""
    return await _page(request, member, Entered(), chosen=method, cursor=cursor)


async def _page(
    request: Request,
    member: Actor,
    form: Entered,
    *,
    chosen: str = "",
    cents: int | None = None,
    cursor: str | None = None,
    status: int = 200,
) -> Response:
    state, rules = state_of(request), economy.current().programme.withdrawals
    person = member.require()
    async with state.database.reading() as session:
        cash = await programme_cash.cash_of(session, person)
        method = await programme_cash.method_of(session, person)
        found = await programme_cash.mine(session, person, cursor=cursor)
    by_hand = [key for key in state.settings.payouts.by_hand if key in FIELDS and key in rules.fees]
    offered = [*(["stripe"] if state.payouts.serves("stripe") else []), *by_hand]
    known = method.method if method is not None else ""
    page = CashPage(
        cash=cash,
        method=method,
        withdrawals=tuple(found.items),
        rules=rules,
        form=form,
        key=form.get("key") or str(new_uuid()),
        chosen=next((one for one in (chosen, known, *offered) if one in offered), ""),
        ways=tuple((key, LABELS[key]) for key in offered),
        fields=FIELDS,
        labels=LABELS,
        fee_cents=programme_cash.fee_of(known, cents) if cents is not None and known in rules.fees else None,
        cents=cents,
        next_href=f"{HERE}?cursor={quote(found.next_cursor)}" if found.next_cursor else None,
    )
    return render(request, "buzz/programme_cash.html", page, status=status)


@router.post(HERE + "/method")
async def choose(request: Request, member: Member) -> Response:
    """Choose how to be paid; whoever does must have proved lately who they are."""
    require_fresh(member)
    form = await forms.read(request)
    method = form.get("method")
    if method == "stripe":
        return await _connect(request, member)
    details = {name: form.get(name) for name, *_ in FIELDS.get(method, ())}
    try:
        async with state_of(request).database.unit() as session:
            await programme_cash.choose_by_hand(
                session, member, method=method, details=details, secret=state_of(request).secret
            )
    except Invalid as fault:
        return await _page(request, member, form.failed(fault), chosen=method, status=forms.status_of(fault))
    return redirect(request, HERE, text=f"You are paid by {LABELS[method]} from now on.")


@router.get(HERE + "/connected")
async def connected(request: Request, member: Member) -> Response:
    """Back from the provider: see whether it can pay."""
    state = state_of(request)
    async with state.database.reading() as session:
        account = await programme_cash.provider_account(session, member.require())
    ready = account is not None and state.payouts.serves("stripe") and await state.payouts.ready(account)
    if account is not None:
        async with state.database.unit() as session:
            await programme_cash.choose_provider(
                session, member, method="stripe", account=account, ready=ready
            )
    text = (
        "You are paid by Stripe from now on."
        if ready
        else "Stripe still needs something from you before it can pay you."
    )
    return redirect(request, HERE, kind="ok" if ready else "warn", text=text)


async def _connect(request: Request, member: Actor) -> Response:
    state = state_of(request)
    try:
        if not state.payouts.serves("stripe"):
            raise Conflict("This site has no provider for payouts; choose another way.", code="no_provider")
        async with state.database.reading() as session:
            account = await programme_cash.provider_account(session, member.require())
        begun = await state.payouts.enrol(
            person_id=member.require(),
            email=None,
            account=account,
            back_url=f"{base_url(request)}{HERE}/connected",
        )
        async with state.database.unit() as session:
            await programme_cash.choose_provider(
                session, member, method="stripe", account=begun.account, ready=False
            )
    except (Conflict, Unavailable) as fault:
        return await _page(request, member, Entered().failed(fault), chosen="stripe", status=fault.status)
    return RedirectResponse(begun.url, status_code=303)


@router.post(HERE + "/withdraw")
async def withdraw(request: Request, member: Member) -> Response:
    """Show the fee, and, when that is confirmed, withdraw."""
    form = await forms.read(request)
    try:
        cents = programme_payouts.cents_of(form.get("amount"))
        if not form.flag("confirmed"):
            return await _page(request, member, form, cents=cents)
        async with state_of(request).database.unit() as session:
            row = await programme_cash.withdraw(
                session,
                member,
                cents=cents,
                key=f"withdraw:{member.require()}:{form.get('key')[:200] or new_uuid()}",
                payouts=state_of(request).payouts.serves,
            )
    except (Invalid, Conflict, Forbidden, PaymentNeeded) as fault:
        return await _page(request, member, form.failed(fault), status=fault.status)
    return redirect(
        request, HERE, text=f"Your withdrawal of {money.dollars(row.amount_cents)} is on its way."
    )


@router.post(HERE + "/{withdrawal_id:int}/cancel")
async def cancel(request: Request, member: Member, withdrawal_id: int) -> Response:
    """Take a request back."""
    try:
        async with state_of(request).database.unit() as session:
            await programme_cash.cancel(session, member, withdrawal_id=withdrawal_id)
    except Conflict as fault:
        return await _page(request, member, Entered().failed(fault), status=fault.status)
    return redirect(request, HERE, text="The withdrawal is cancelled; the money is yours to withdraw again.")
