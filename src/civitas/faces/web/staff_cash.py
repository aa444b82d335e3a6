"""`/staff/cash`: the pool of a month, who shares in it, bans, withdrawals and the file for the bank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.accounts import queries
from civitas.domains.accounts.queries import Card
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.programme_rules import Programme
from civitas.domains.buzz.programme import participation
from civitas.domains.buzz.programme import payouts as programme_payouts
from civitas.domains.buzz.programme import pools as programme_pools
from civitas.domains.buzz.programme import reads as programme_reads
from civitas.domains.buzz.programme.cash import LABELS
from civitas.domains.buzz.programme.pools import Pool
from civitas.domains.buzz.programme.reads import Taker
from civitas.domains.buzz.programme.tables import CashWithdrawal, Participant
from civitas.domains.buzz.programme.types import Month, Withdrawn, calendar, may_become, month_named, month_of
from civitas.faces.http.state import state_of
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.staff import Admin, Cursor, Staff
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.kit import clock
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid, NotFound

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/staff/cash"
FILTERS: Final = (("open", "Under way"), *((one.value, one.value) for one in Withdrawn))


@dataclass(frozen=True, slots=True)
class CashPage:
    """A month's pool and who shares in it."""

    pool: Pool
    rules: Programme
    closes: str
    previous: Month
    following: Month | None
    takers: tuple[Taker, ...]
    cards: Mapping[int, Card]
    banned: tuple[Participant, ...]
    waiting: tuple[int, int]
    form: Entered
    next_href: str | None


@dataclass(frozen=True, slots=True)
class QueuePage:
    """Withdrawals by status."""

    rows: tuple[CashWithdrawal, ...]
    cards: Mapping[int, Card]
    status: str
    choices: Mapping[int, tuple[tuple[str, str], ...]]
    labels: Mapping[str, str]
    form: Entered
    admin: bool
    next_href: str | None
    filters: tuple[tuple[str, str], ...] = FILTERS


@router.get(HERE)
async def show(request: Request, staff: Staff, month: str = "", cursor: Cursor = None) -> Response:
    """The pool of a month: the present one unless another is named."""
    return await _page(
        request, staff, month_named(month) if month else month_of(clock.now()), Entered(), cursor=cursor
    )


async def _page(
    request: Request,
    staff: Actor,
    month: Month,
    form: Entered,
    *,
    cursor: str | None = None,
    status: int = 200,
) -> Response:
    rules = economy.current().programme
    async with state_of(request).database.reading() as session:
        pool = await programme_pools.pool(session, month)
        found = await programme_reads.takers(session, staff, month=month, cursor=cursor)
        banned = await programme_reads.banned(session, staff)
        ids = {one.person_id for one in found.items} | {one.person_id for one in banned}
        page = CashPage(
            pool=pool,
            rules=rules,
            closes=f"{calendar(month, rules).closes:%-d %B %Y, %H:%M} UTC",
            previous=month.shifted(-1),
            following=month.shifted(1) if month < month_of(clock.now()) else None,
            takers=tuple(found.items),
            cards=await queries.by_ids(session, ids),
            banned=tuple(banned),
            waiting=await programme_payouts.waiting(session),
            form=form,
            next_href=f"{HERE}?month={month.key}&cursor={quote(found.next_cursor)}"
            if found.next_cursor
            else None,
        )
    return render(request, "staff/cash.html", page, status=status)


@router.post(HERE + "/{month}/pool")
async def adjust(request: Request, staff: Staff, month: str) -> Response:
    """Set taxes, portion or the value of a month; empty fields go back to the rules."""
    form, named = await forms.read(request), month_named(month)
    try:
        value = form.get("value").strip()
        async with state_of(request).database.unit() as session:
            await programme_pools.adjust(
                session,
                staff,
                month=named,
                taxes=programme_pools.share_of_one(form.get("taxes"), name="taxes"),
                portion=programme_pools.share_of_one(form.get("portion"), name="portion"),
                value_cents=programme_payouts.cents_of(value, name="value") if value else None,
                reason=form.get("reason"),
            )
    except (Invalid, Conflict) as fault:
        return await _page(request, staff, named, form.failed(fault), status=forms.status_of(fault))
    return redirect(request, f"{HERE}?month={named.key}", text=f"The pool of {named.label} is set.")


@router.post(HERE + "/people/{deed}")
async def judge(request: Request, staff: Staff, deed: str) -> Response:
    """Take somebody out of the programme (`ban`), or let them join again (`unban`), by name."""
    form = await forms.read(request)
    doing = {"ban": participation.ban, "unban": participation.unban}.get(deed)
    try:
        async with state_of(request).database.unit() as session:
            if doing is None:
                raise Invalid("There is nothing of this name to do.", code="unknown_deed")
            card = await queries.by_username(session, form.get("username").strip())
            await doing(session, staff, person_id=card.id, reason=form.get("reason"))
    except (Invalid, Conflict, NotFound) as fault:
        failed = form.failed(fault)
        return await _page(request, staff, month_of(clock.now()), failed, status=forms.status_of(fault))
    text = "They are out of the programme." if deed == "ban" else "They may join again."
    return redirect(request, HERE, text=text)


@router.get(HERE + "/withdrawals")
async def queue(request: Request, staff: Staff, status: str = "open", cursor: Cursor = None) -> Response:
    """Withdrawals, the oldest first."""
    return await _queue(request, staff, status, Entered(), cursor)


async def _queue(
    request: Request, staff: Actor, status: str, form: Entered, cursor: str | None, fault: Fault | None = None
) -> Response:
    known = status if status in dict(FILTERS) else "open"
    async with state_of(request).database.reading() as session:
        found = await programme_payouts.queue(session, staff, status=known, cursor=cursor)
        cards = await queries.by_ids(session, {row.person_id for row in found.items})
    next_href = (
        f"{HERE}/withdrawals?status={known}&cursor={quote(found.next_cursor)}" if found.next_cursor else None
    )
    page = QueuePage(
        rows=tuple(found.items),
        cards=cards,
        status=known,
        choices={
            row.id: tuple(
                (one.value, one.value) for one in Withdrawn if may_become(Withdrawn(row.status), one)
            )
            for row in found.items
        },
        labels=LABELS,
        form=form,
        admin=staff.is_admin,
        next_href=next_href,
    )
    return render(request, "staff/withdrawals.html", page, status=forms.status_of(fault) if fault else 200)


@router.post(HERE + "/withdrawals/{withdrawal_id:int}")
async def rule(request: Request, admin: Admin, withdrawal_id: int) -> Response:
    """Bring a withdrawal into another status."""
    form = await forms.read(request)
    try:
        if form.get("status") not in set(Withdrawn):
            raise Invalid("Choose a status.", code="bad_status", fields={"status": "Choose a status."})
        async with state_of(request).database.unit() as session:
            await programme_payouts.rule(
                session,
                admin,
                withdrawal_id=withdrawal_id,
                status=Withdrawn(form.get("status")),
                reason=form.get("reason"),
                reference=form.get("reference"),
            )
    except (Invalid, Conflict, Forbidden) as fault:
        return await _queue(request, admin, "open", form.failed(fault), None, fault)
    return redirect(
        request, f"{HERE}/withdrawals", text=f"Withdrawal {withdrawal_id} is {form.get('status')}."
    )


@router.post(HERE + "/withdrawals/export")
async def export(request: Request, admin: Admin) -> Response:
    """What is to be paid by hand as a CSV file, with the details of each account; logged with its reason."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            text = await programme_payouts.export(
                session, admin, secret=state_of(request).secret, reason=form.get("reason")
            )
    except Invalid as fault:
        return await _queue(request, admin, "open", form.failed(fault), None, fault)
    name = f"withdrawals-{clock.now():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)
