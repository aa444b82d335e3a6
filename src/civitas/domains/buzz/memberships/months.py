"""The Buzz of memberships, one month at a time: locked, unlocked when due, claimed once (FEATURES I81, I83)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.memberships import terms
from civitas.domains.buzz.memberships.tables import Membership, MembershipMonth
from civitas.domains.buzz.memberships.types import Billing
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.infra.db.changes import count_changed
from civitas.kit import clock, months
from civitas.kit.errors import Conflict, NotFound

BATCH = 200


async def lay(
    session: AsyncSession,
    membership: Membership,
    *,
    start: datetime,
    already: int,
    count: int,
    quarters: int,
    payment_id: int | None,
    first: int | None = None,
) -> None:
    """Write down the Buzz of `count` months that were paid, from `start`, the `already`-th month of the anchor.

    `first` is what the first of them brings where that is less.
    """
    if quarters == 0:
        return
    number = await session.scalar(
        select(func.max(MembershipMonth.number)).where(MembershipMonth.membership_id == membership.id)
    )
    number = -1 if number is None else number
    for place in range(count):
        session.add(
            MembershipMonth(
                membership_id=membership.id,
                person_id=membership.person_id,
                payment_id=payment_id,
                number=number + 1 + place,
                colour=membership.colour,
                quarters=first if place == 0 and first is not None else quarters,
                worth=quarters,
                due_at=start if place == 0 else months.later(membership.anchor_at, already + place),
                until=months.later(membership.anchor_at, already + place + 1),
                delivered=membership.billing != Billing.PREPAID,
            )
        )
    await session.flush()


async def deliver_due(session: AsyncSession, *, membership_id: int | None = None, limit: int = BATCH) -> int:
    """Pay out months that are due; those paid in advance are unlocked for their owner. How many months moved.

    With `membership_id` all that is due of one. Doing it twice pays once: the month's number is the entry's key.
    """
    due = (
        select(MembershipMonth)
        .where(MembershipMonth.status == "locked", MembershipMonth.due_at <= clock.now())
        .order_by(MembershipMonth.id)
        .with_for_update(skip_locked=membership_id is None)
    )
    if membership_id is not None:
        due = due.where(MembershipMonth.membership_id == membership_id)
    found = list(await session.scalars(due.limit(limit)))
    await _pay(session, [month for month in found if month.delivered])
    for month in found:
        if not month.delivered:
            month.status = "unlocked"
    await session.flush()
    return len(found)


async def claim(session: AsyncSession, actor: Actor, *, month_id: int | None = None) -> MembershipMonth:
    """Take one month's Buzz that is unlocked: the one named, or the oldest. Raises NotFound, Conflict."""
    person = actor.require(Scope.USER_WRITE)
    wanted = select(MembershipMonth).where(MembershipMonth.person_id == person)
    if month_id is not None:
        wanted = wanted.where(MembershipMonth.id == month_id)
    else:
        wanted = wanted.where(MembershipMonth.status == "unlocked")
    month = await session.scalar(wanted.order_by(MembershipMonth.due_at).limit(1).with_for_update())
    if month is None:
        raise NotFound("There is no month's Buzz to take right now.", code="no_such_month")
    if month.status == "locked":
        raise Conflict(
            f"The Buzz of this month can be taken from {month.due_at:%d %B %Y}.", code="month_locked"
        )
    if month.status == "withdrawn":
        raise Conflict("The Buzz of this month was withdrawn with its payment.", code="month_withdrawn")
    if month.status == "unlocked":
        await _pay(session, [month])
        await session.flush()
    return month


async def unused(session: AsyncSession, membership_id: int) -> int:
    """Quarters of the running month's Buzz that fall on the rest of the month."""
    now = clock.now()
    month = await session.scalar(
        select(MembershipMonth)
        .where(
            MembershipMonth.membership_id == membership_id,
            MembershipMonth.status.in_(("unlocked", "claimed", "locked")),
            MembershipMonth.due_at <= now,
            MembershipMonth.until > now,
        )
        .order_by(MembershipMonth.number.desc())
        .limit(1)
    )
    return terms.unused(month.worth, month.due_at, month.until, now) if month else 0


async def locked(session: AsyncSession, membership_id: int) -> Sequence[MembershipMonth]:
    """The months that are not due yet, in order."""
    rows = await session.scalars(
        select(MembershipMonth)
        .where(MembershipMonth.membership_id == membership_id, MembershipMonth.status == "locked")
        .order_by(MembershipMonth.number)
    )
    return list(rows)


async def withdraw_locked(session: AsyncSession, membership_id: int) -> int:
    """Months that will not come any more; how many."""
    return await count_changed(
        session,
        update(MembershipMonth)
        .where(MembershipMonth.membership_id == membership_id, MembershipMonth.status == "locked")
        .values(status="withdrawn")
        .execution_options(synchronize_session="fetch"),
    )


async def take_back(session: AsyncSession, *, payment_id: int, key: str) -> int:
    """Withdraw what a refunded payment brought, and take from the wallet what is still there. Quarters taken."""
    rows = list(
        await session.scalars(
            select(MembershipMonth)
            .where(MembershipMonth.payment_id == payment_id, MembershipMonth.status != "withdrawn")
            .order_by(MembershipMonth.id)
            .with_for_update()
        )
    )
    if not rows:
        return 0
    given = sum(month.quarters for month in rows if month.status == "claimed")
    for month in rows:
        month.status = "withdrawn"
    await session.flush()
    purse = wallet(rows[0].person_id, Currency(rows[0].colour))
    taken = min(given, (await posting.balances(session, [purse]))[purse])
    if taken > 0:
        await posting.post(
            session,
            Entry(
                key=f"membership_taken_back:{key}",
                type=EntryType.CHARGE_BACK,
                legs=transfer(purse, house(Purpose.BURN, purse.currency), taken),
                description="Buzz of a membership that was refunded",
                subject=Subject("membership", rows[0].membership_id),
            ),
            forced=True,
        )
    return taken


async def _pay(session: AsyncSession, found: Sequence[MembershipMonth]) -> None:
    paid = [month for month in found if month.quarters > 0]
    tiers = {
        row.id: economy.current().tier(row.tier).label
        for row in await session.execute(
            select(Membership.id, Membership.tier).where(
                Membership.id.in_({month.membership_id for month in paid})
            )
        )
    }
    await posting.post_batch(
        session,
        [
            Entry(
                key=f"stipend:{month.membership_id}:{month.number}",
                type=EntryType.PURCHASE,
                legs=transfer(
                    house(Purpose.MINT, Currency(month.colour)),
                    wallet(month.person_id, Currency(month.colour)),
                    month.quarters,
                ),
                description=f"{tiers[month.membership_id]} membership, month from {month.due_at:%d %B %Y}",
                subject=Subject("membership", month.membership_id),
            )
            for month in paid
        ],
    )
    for month in found:
        month.status, month.claimed_at = "claimed", clock.now()
