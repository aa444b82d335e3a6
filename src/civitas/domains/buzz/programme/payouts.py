"""Withdrawals on their way: the staff's queue, their rulings, the file for a bank, and what providers say."""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.payments import Notice
from civitas.domains.accounts import audit
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.payments.notices import concerns
from civitas.domains.buzz.programme.cash import FIELDS, become, details_of
from civitas.domains.buzz.programme.tables import CashWithdrawal
from civitas.domains.buzz.programme.types import OPEN, Withdrawn
from civitas.infra.payouts.port import PayoutAnswer, PayoutOrder, PayoutState
from civitas.kit import clock, paging
from civitas.kit.errors import Forbidden, Invalid, NotFound
from civitas.kit.text import clean_line

PAGE = 50
MOST_EXPORTED = 10_000
LOOKED_AT = 100
_DOLLARS = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,2}))?")
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")


def cents_of(given: str, *, name: str = "amount") -> int:
    """Cents of an amount of dollars as people type it: `50`, `$1,250.50`. Raises Invalid (`bad_amount`)."""
    found = _DOLLARS.fullmatch(given.strip().removeprefix("$").replace(",", ""))
    if found is None:
        told = "Give an amount such as 50 or 50.25."
        raise Invalid(told, code="bad_amount", fields={name: told})
    return int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))


async def queue(
    session: AsyncSession, actor: Actor, *, status: str = "open", cursor: str | None = None
) -> paging.Page[CashWithdrawal]:
    """Withdrawals for staff, the oldest first: those under way, or of one status."""
    actor.require_moderator()
    wanted = [one.value for one in OPEN] if status == "open" else [status]
    statement = select(CashWithdrawal).where(CashWithdrawal.status.in_(wanted))
    if cursor is not None:
        statement = statement.where(CashWithdrawal.id > paging.decode(cursor, int)[0])
    rows = list(await session.scalars(statement.order_by(CashWithdrawal.id).limit(PAGE + 1)))
    return paging.Page(rows[:PAGE], paging.encode(rows[PAGE - 1].id) if len(rows) > PAGE else None)


async def waiting(session: AsyncSession) -> tuple[int, int]:
    """How many withdrawals are under way, and their sum in cents."""
    row = (
        await session.execute(
            select(func.count(), func.coalesce(func.sum(CashWithdrawal.amount_cents), 0)).where(
                CashWithdrawal.status.in_([one.value for one in OPEN])
            )
        )
    ).one()
    return int(row[0]), int(row[1])


async def rule(
    session: AsyncSession,
    actor: Actor,
    *,
    withdrawal_id: int,
    status: Withdrawn,
    reason: str,
    reference: str = "",
) -> CashWithdrawal:
    """Staff bring a withdrawal into another status; the money follows, the person is told, the log keeps the reason.

    Ruling the same twice changes nothing. Raises Forbidden (`provider_pays`), NotFound, Conflict (`bad_status`),
    Invalid (`reason_needed`).
    """
    actor.require_admin()
    row = await session.get(CashWithdrawal, withdrawal_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound("There is no such withdrawal.", code="no_such_withdrawal")
    if row.status == status:
        return row
    if row.provider_account is not None and row.status == Withdrawn.SUBMITTED:
        raise Forbidden("The provider is paying this one; wait for its answer.", code="provider_pays")
    before = row.status
    note = clean_line(reason)[:300]
    await become(
        session, row, status, note=note, reference=clean_line(reference)[:100] or None, actor_id=actor.id
    )
    await audit.record(
        session,
        actor,
        action="withdrawal.status",
        reason=reason,
        person_id=row.person_id,
        subject_kind="withdrawal",
        subject_id=row.id,
        details={"before": before, "after": status.value, "cents": row.amount_cents},
    )
    return row


async def export(session: AsyncSession, actor: Actor, *, secret: bytes, reason: str) -> str:
    """What staff pay by hand as CSV (RFC 4180), with the details of each account; taking it is logged.

    Cells that a spreadsheet would run as a formula begin with an apostrophe.
    """
    actor.require_admin()
    rows = list(
        await session.scalars(
            select(CashWithdrawal)
            .where(
                CashWithdrawal.status.in_([one.value for one in OPEN]),
                CashWithdrawal.provider_account.is_(None),
            )
            .order_by(CashWithdrawal.id)
            .limit(MOST_EXPORTED)
        )
    )
    names = list(dict.fromkeys(name for fields in FIELDS.values() for name, *_ in fields))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["withdrawal", "person", "method", "status", "pay_usd", "fee_usd", "asked_at", *names])
    for row in rows:
        details = details_of(row, secret)
        cents = row.amount_cents - row.fee_cents
        writer.writerow(
            _cells(
                row.id, row.person_id, row.method, row.status, f"{cents // 100}.{cents % 100:02}",
                f"{row.fee_cents // 100}.{row.fee_cents % 100:02}", clock.rfc3339(row.created_at),
                *(details.get(name, "") for name in names),
            )
        )  # fmt: skip
    await audit.record(
        session,
        actor,
        action="withdrawal.export",
        reason=reason,
        subject_kind="withdrawal",
        details={"withdrawals": len(rows)},
    )
    return out.getvalue()


def _cells(*values: object) -> Sequence[str]:
    return [f"'{text}" if (text := str(value)).startswith(_DANGEROUS) else text for value in values]


async def order_for(session: AsyncSession, withdrawal_id: int) -> PayoutOrder | None:
    """What the provider is to pay; None when there is nothing left to ask."""
    row = await session.get(CashWithdrawal, withdrawal_id, populate_existing=True)
    if row is None or row.status != Withdrawn.SUBMITTED or row.provider_account is None:
        return None
    return PayoutOrder(
        row.token,
        row.provider_account,
        row.amount_cents - row.fee_cents,
        f"Creator programme, withdrawal {row.id}",
    )


async def answered(session: AsyncSession, withdrawal_id: int, answer: PayoutAnswer) -> None:
    """Record what the provider said about a withdrawal; hearing the same twice changes nothing."""
    row = await session.get(CashWithdrawal, withdrawal_id, with_for_update=True, populate_existing=True)
    if row is None:
        return
    status = Withdrawn(row.status)
    if answer.state is PayoutState.PAID and status in OPEN:
        await become(session, row, Withdrawn.PAID, note="", reference=answer.reference)
    elif answer.state is PayoutState.REFUSED and status in OPEN:
        await become(session, row, Withdrawn.REJECTED, note=clean_line(answer.told)[:300])
    elif answer.state is PayoutState.REVERSED and status in (Withdrawn.PAID, Withdrawn.CLEARED):
        await become(session, row, Withdrawn.RECLAIMED, note="The payment was reversed.")


@concerns("withdrawal")
async def heard(session: AsyncSession, provider: str, notice: Notice) -> str | None:
    """What a provider told of a payout: all of it was reversed. What was reversed in part is for staff to see there."""
    try:
        token = uuid.UUID((notice.order or "").partition(":")[2])
    except ValueError:
        return None
    row = await session.scalar(select(CashWithdrawal).where(CashWithdrawal.token == token))
    if row is None or notice.payment is None or row.reference not in (None, notice.reference):
        return None
    if notice.payment.refunded_cents < notice.payment.paid_cents or not notice.payment.paid_cents:
        return "a part of a payout was reversed"
    await answered(session, row.id, PayoutAnswer(PayoutState.REVERSED, notice.reference or ""))
    return "the payout was reversed"


async def to_look_at(session: AsyncSession) -> list[tuple[int, str | None]]:
    """Paid withdrawals that have not cleared: their ids, and the provider's reference where one pays."""
    rows = await session.execute(
        select(CashWithdrawal.id, CashWithdrawal.reference, CashWithdrawal.provider_account)
        .where(CashWithdrawal.status == Withdrawn.PAID)
        .order_by(CashWithdrawal.paid_at)
        .limit(LOOKED_AT)
    )
    return [(row.id, row.reference if row.provider_account else None) for row in rows]


async def clear(session: AsyncSession, withdrawal_id: int) -> bool:
    """What was paid long enough ago and did not come back is cleared; whether it was."""
    row = await session.get(CashWithdrawal, withdrawal_id, with_for_update=True, populate_existing=True)
    days = timedelta(days=economy.current().programme.withdrawals.clears_after_days)
    if row is None or row.status != Withdrawn.PAID or row.paid_at is None or row.paid_at + days > clock.now():
        return False
    await become(session, row, Withdrawn.CLEARED, note="")
    return True
