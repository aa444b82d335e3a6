"""What time does to memberships: ends, grace, renewals of the development provider, reminders, turns in the queue.

Each step takes one person's lock and looks again, so that it can run twice, late, or beside anything else.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from civitas.domains.accounts import notices
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.memberships import provider_facts, runs, terms
from civitas.domains.buzz.memberships.provider_facts import Payment
from civitas.domains.buzz.memberships.tables import Membership, MembershipGrant, MembershipOrder
from civitas.domains.buzz.memberships.types import LIVE, RECURRING, Billing, End, Reason, Status
from civitas.infra.db.changes import count_changed
from civitas.kit import clock

BATCH = 100
# This provider bills nobody: its renewals come true when they are due.
DEVELOPMENT = "development"


async def due(session: AsyncSession, *, after: int = 0) -> list[int]:
    """Ids of memberships whose period is over, those that may be in grace too; a page after the id `after`."""
    rows = await session.scalars(
        select(Membership.id)
        .where(Membership.status.in_(LIVE), Membership.period_end <= clock.now(), Membership.id > after)
        .order_by(Membership.id)
        .limit(BATCH)
    )
    return list(rows)


async def turn(session: AsyncSession, membership_id: int) -> None:
    """Do what is due for one membership whose period is over; nothing when it is not over (any more)."""
    run = await _held(session, membership_id)
    if run is None or run.period_end > clock.now():
        return
    if run.billing not in RECURRING:
        await runs.finish(session, run, End.TERM_OVER)
    elif run.cancel_at_end:
        await runs.finish(session, run, End.ASKED)
    elif run.provider == DEVELOPMENT:
        await _renew_here(session, run)
    else:
        await _wait_for_payment(session, run)


async def _held(session: AsyncSession, membership_id: int) -> Membership | None:
    owner = await session.scalar(select(Membership.person_id).where(Membership.id == membership_id))
    if owner is None:
        return None
    await runs.hold(session, owner)
    run: Membership | None = await session.scalar(
        select(Membership)
        .where(Membership.id == membership_id, Membership.status.in_(LIVE))
        .execution_options(populate_existing=True)
    )
    return run


async def _renew_here(session: AsyncSession, run: Membership) -> None:
    """One period for each call of `paid`, until the present is reached: a clock that jumped owes every month."""
    while run.period_end <= clock.now():
        billing = Billing(run.next_billing or run.billing)
        tier = run.next_tier or run.tier
        await provider_facts.paid(
            session,
            Payment(
                provider=DEVELOPMENT,
                reference=f"renewal:{run.id}:{run.period_end:%Y-%m-%d}",
                person_id=run.person_id,
                tier=tier,
                billing=billing,
                colour=run.colour,
                months=billing.months,
                cents=terms.price(economy.current().tier(tier), billing),
                reason=Reason.RENEWAL,
                subscription=run.subscription,
            ),
        )
        await session.refresh(run)


async def _wait_for_payment(session: AsyncSession, run: Membership) -> None:
    rules = economy.current().memberships
    now = clock.now()
    if now >= run.period_end + timedelta(days=rules.grace_days):
        await runs.finish(session, run, End.UNPAID)
    elif run.status == Status.ACTIVE and now >= run.period_end + timedelta(hours=rules.late_after_hours):
        await provider_facts.late(session, run)


async def remind(session: AsyncSession) -> int:
    """Mail everybody whose period ends within the days of reminder, once for each period. How many were told."""
    now = clock.now()
    soon = now + timedelta(days=economy.current().memberships.reminder_days)
    rows = await session.scalars(
        select(Membership)
        .where(
            Membership.status == Status.ACTIVE.value,
            Membership.period_end > now,
            Membership.period_end <= soon,
            or_(Membership.reminded_for.is_(None), Membership.reminded_for != Membership.period_end),
        )
        .order_by(Membership.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    told = 0
    for run in rows:
        run.reminded_for = run.period_end
        renews = run.billing in RECURRING and not run.cancel_at_end
        label = economy.current().tier(run.next_tier or run.tier if renews else run.tier).label
        await notices.notify(
            session,
            run.person_id,
            "membership_renews_soon" if renews else "membership_ends_soon",
            detail=f"{label} on {run.period_end:%d %B %Y}",
        )
        told += 1
    await session.flush()
    return told


async def waiting(session: AsyncSession, *, after: int = 0) -> list[int]:
    """People with something in the queue and nothing that runs in its colour; a page after the id `after`."""
    other = aliased(Membership)
    rows = await session.scalars(
        select(MembershipGrant.person_id)
        .where(
            MembershipGrant.status == "queued",
            MembershipGrant.person_id > after,
            ~exists().where(
                other.person_id == MembershipGrant.person_id,
                other.colour == MembershipGrant.colour,
                other.status.in_(LIVE),
            ),
        )
        .group_by(MembershipGrant.person_id)
        .order_by(MembershipGrant.person_id)
        .limit(BATCH)
    )
    return list(rows)


async def take_turns(session: AsyncSession, person_id: int) -> None:
    """Begin what waits for a person and may begin."""
    await runs.hold(session, person_id)
    await runs.advance(session, person_id)


async def expire_orders(session: AsyncSession) -> int:
    """Close orders that nobody paid in time; a payment that comes after all still counts."""
    return await count_changed(
        session,
        update(MembershipOrder)
        .where(MembershipOrder.status == "open", MembershipOrder.expires_at <= clock.now())
        .values(status="expired"),
    )
