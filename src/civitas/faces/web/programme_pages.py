"""`/creator-program`: standing, banking, taking back, the forecast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.programme_rules import Programme
from civitas.domains.buzz.programme import banking as programme_banking
from civitas.domains.buzz.programme import participation
from civitas.domains.buzz.programme import pools as programme_pools
from civitas.domains.buzz.programme import reads as programme_reads
from civitas.domains.buzz.programme import sums as programme_sums
from civitas.domains.buzz.programme.reads import Forecast, Standing
from civitas.domains.buzz.programme.types import month_named
from civitas.domains.buzz.types import Currency
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms, programme_charts
from civitas.faces.web.forms import Entered
from civitas.faces.web.programme_charts import Chart
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, Visitor, redirect
from civitas.kit import money
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid, PaymentNeeded
from civitas.kit.ids import new_uuid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/creator-program"
MOST_MORE: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class BankPreview:
    """What banking so much would come to; Buzz in quarters."""

    amounts: Mapping[Currency, int]
    left_after: int
    wallet_after: Mapping[Currency, int]
    cents: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.amounts.values())


@dataclass(frozen=True, slots=True)
class PastMonth:
    """A closed month of one's own."""

    label: str
    banked: Mapping[Currency, int]
    cents: int
    status: str


@dataclass(frozen=True, slots=True)
class ProgrammePage:
    """The dashboard."""

    stands: Standing
    rules: Programme
    form: Entered
    preview: BankPreview | None
    key: str
    earned: Chart
    history: tuple[PastMonth, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ForecastPage:
    """What the pools look like, and what banking brings."""

    found: Forecast
    rules: Programme
    more: int
    ladder: Chart
    past: tuple[tuple[str, int, int, int], ...]


@router.get(HERE)
async def show(request: Request, member: Member) -> Response:
    """The dashboard."""
    return await _page(request, member, Entered())


async def _page(
    request: Request, member: Actor, form: Entered, *, preview: BankPreview | None = None, status: int = 200
) -> Response:
    async with state_of(request).database.reading() as session:
        stands = await programme_reads.standing(session, member)
        rows = await programme_pools.history(session, member.require())
    values = [
        (month_named(key).start.strftime("%b"), amount, money.shown(amount))
        for key, amount in stands.earnings.items()
    ]
    best = (
        max(range(len(values)), key=lambda place: values[place][1]) if stands.allowance.best_month else None
    )
    summary = (
        f"What you earned a month. The best of the last {len(values)} is {month_named(list(stands.earnings)[best]).label} "
        f"with {money.shown(stands.allowance.best_month)} Buzz."
        if best is not None
        else f"You earned nothing in the last {len(values)} months."
    )
    page = ProgrammePage(
        stands=stands,
        rules=economy.current().programme,
        form=form,
        preview=preview,
        key=form.get("key") or str(new_uuid()),
        earned=programme_charts.bars(values, summary=summary, marked=best),
        history=tuple(
            PastMonth(
                month_named(row.month).label,
                programme_sums.in_order(
                    programme_banking.bankable(), {Currency.GREEN: row.green, Currency.YELLOW: row.yellow}
                ),
                row.cents,
                row.status,
            )
            for row in rows
        ),
        labels={
            "models": "Models",
            "users": "Followers",
            "articles": "Articles",
            "images": "Images",
            "reports": "Reports",
        },
    )
    return render(request, "buzz/programme.html", page, status=status)


@router.post(HERE + "/join")
async def join(request: Request, member: Member) -> Response:
    """Join."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            await participation.join(session, member, accept_terms=form.flag("accept_terms"))
    except (Invalid, Forbidden) as fault:
        return await _page(request, member, form.failed(fault), status=_status(fault))
    return redirect(
        request, HERE, text="Welcome to the creator programme. Choose next how you want to be paid."
    )


@router.post(HERE + "/leave")
async def leave(request: Request, member: Member) -> Response:
    """Leave."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            await participation.leave(session, member)
    except Conflict as fault:
        return await _page(request, member, form.failed(fault), status=_status(fault))
    return redirect(request, HERE, text="You left the creator programme. What is banked is still paid out.")


@router.post(HERE + "/bank")
async def bank(request: Request, member: Member) -> Response:
    """Show what banking comes to, and, when that is confirmed, bank."""
    form = await forms.read(request)
    try:
        amounts = {
            Currency.YELLOW: money.parse(form.get("yellow") or "0", name="yellow"),
            Currency.GREEN: money.parse(form.get("green") or "0", name="green"),
        }
        if not form.flag("confirmed"):
            return await _page(request, member, form, preview=await _preview(request, member, amounts))
        async with state_of(request).database.unit() as session:
            key = f"bank:{member.require()}:{form.get('key')[:200] or new_uuid()}"
            await programme_banking.bank(session, member, amounts=amounts, key=key)
    except (Invalid, Forbidden, Conflict, PaymentNeeded) as fault:
        return await _page(request, member, form.failed(fault), status=_status(fault))
    return redirect(
        request, HERE, text=f"{money.shown(sum(amounts.values()))} Buzz are in this month's bank."
    )


async def _preview(request: Request, member: Actor, amounts: Mapping[Currency, int]) -> BankPreview:
    """What it would come to; raises as banking would where that can be told already."""
    rules = economy.current().programme
    async with state_of(request).database.reading() as session:
        stands = await programme_reads.standing(session, member)
    total = sum(amounts.values())
    if total <= 0:
        raise Invalid("Say how much to bank.", code="too_little", fields={"yellow": "Say how much."})
    cents = programme_sums.estimate(
        rules,
        pool_cents=stands.pool.cents,
        mine=stands.banked_total + total,
        total=stands.pool.banked + total,
    )
    return BankPreview(
        amounts=programme_sums.in_order(programme_banking.bankable(), amounts),
        left_after=stands.allowance.left - total,
        wallet_after={colour: have - amounts.get(colour, 0) for colour, have in stands.spendable.items()},
        cents=cents,
    )


@router.post(HERE + "/extract")
async def extract(request: Request, member: Member) -> Response:
    """Take everything back."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            found = await programme_banking.extract(session, member)
    except (Conflict, Forbidden, PaymentNeeded) as fault:
        return await _page(request, member, form.failed(fault), status=_status(fault))
    text = f"{money.shown(sum(found.received.values()))} Buzz are in your wallet again; the fee was {money.shown(found.fee)}."
    return redirect(request, HERE, text=text)


@router.get(HERE + "/forecast")
async def forecast(
    request: Request,
    visitor: Visitor,
    session: Reading,
    more: Annotated[int, Query(ge=0, le=MOST_MORE)] = 100_000,
) -> Response:
    """The forecast, for everybody."""
    found = await programme_reads.forecast(session, more=money.buzz(more))
    past = [
        (month_named(row.month).label, row.pool_cents or 0, row.banked or 0, row.shared_cents or 0)
        for row in await programme_pools.past_pools(session)
    ]
    values = [(f"{added // 4_000:,}K", cents, money.dollars(cents)) for added, cents in found.ladder]
    last = found.ladder[-1]
    page = ForecastPage(
        found=found,
        rules=economy.current().programme,
        more=more,
        ladder=programme_charts.bars(
            values,
            summary=f"Banking {money.shown(last[0])} Buzz more would bring {money.dollars(last[1])} as it looks now.",
        ),
        past=tuple(past),
    )
    return render(request, "buzz/programme_forecast.html", page)


def _status(fault: Fault) -> int:
    return fault.status if isinstance(fault, Forbidden | PaymentNeeded) else forms.status_of(fault)
