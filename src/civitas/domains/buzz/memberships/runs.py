"""How memberships begin, go on, change and end, and how what waits takes its turn.

Everything here is called with the person's lock (`hold`), so that a renewal and a wish to cancel come one after the
other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.buzz import (
    MembershipChanged,
    MembershipEnded,
    MembershipPaid,
    MembershipStarted,
)
from civitas.domains.accounts import notices, queries
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import quarters
from civitas.domains.buzz.memberships import months as membership_months
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.buzz.memberships.messages import StopSubscription
from civitas.domains.buzz.memberships.tables import Membership, MembershipGrant, MembershipPayment
from civitas.domains.buzz.memberships.types import LIVE, RECURRING, STIPENDED, Billing, End, Source, Status
from civitas.infra.queue.outbox import defer, publish
from civitas.kit import clock, months

_DAY = timedelta(days=1)
_LAPSING = (End.UNPAID, End.TERM_OVER)


async def hold(session: AsyncSession, person_id: int) -> None:
    """Take the lock of a person's memberships until the transaction ends; before any account of the ledger."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"membership:{person_id}"},
    )


async def live(session: AsyncSession, person_id: int) -> dict[str, Membership]:
    """What runs, by colour, read anew."""
    rows = await session.scalars(
        select(Membership)
        .where(Membership.person_id == person_id, Membership.status.in_(LIVE))
        .execution_options(populate_existing=True)
    )
    return {row.colour: row for row in rows}


async def begin(
    session: AsyncSession,
    *,
    person_id: int,
    colour: str,
    tier: str,
    billing: Billing,
    count: int,
    days: int = 0,
    provider: str | None = None,
    subscription: str | None = None,
    worth_cents: int = 0,
    payment_id: int | None = None,
) -> Membership:
    """Start a membership now, for `count` months and `days`. The colour must be free."""
    now = clock.now()
    made = Membership(
        person_id=person_id,
        colour=colour,
        tier=tier,
        billing=billing.value,
        status=Status.ACTIVE.value,
        provider=provider,
        subscription=subscription,
        anchor_at=now,
        anchor_months=count,
        period_start=now,
        period_end=months.later(now, count) + timedelta(days=days),
        period_cents=worth_cents,
        cancel_at_end=False,
        started_at=now,
    )
    session.add(made)
    await session.flush()
    if billing in STIPENDED:
        await _lay(session, made, start=now, already=0, count=count, payment_id=payment_id)
        await membership_months.deliver_due(session, membership_id=made.id)
    await publish(session, MembershipStarted(made.id, person_id, tier, billing.value))
    await show_badge(session, person_id)
    await _tell(session, made, "membership_started")
    return made


async def renew(
    session: AsyncSession, run: Membership, *, tier: str, billing: Billing, worth_cents: int, payment_id: int
) -> None:
    """Go on for another period from the end of the present one, in the tier and way that were paid."""
    before, already = run.tier, run.anchor_months
    run.period_start = run.period_end
    run.anchor_months = already + billing.months
    run.period_end = months.later(run.anchor_at, run.anchor_months)
    run.period_cents = worth_cents
    run.status = Status.ACTIVE.value
    run.tier, run.billing = tier, billing.value
    run.next_tier = run.next_billing = None
    await session.flush()
    await _lay(
        session, run, start=run.period_start, already=already, count=billing.months, payment_id=payment_id
    )
    await membership_months.deliver_due(session, membership_id=run.id)
    if before != tier:
        await publish(session, MembershipChanged(run.id, run.person_id, before, tier))
        await show_badge(session, run.person_id)
    await _tell(session, run, "membership_renewed")


async def upgrade(
    session: AsyncSession, run: Membership, *, tier: str, billing: Billing, worth_cents: int, payment_id: int
) -> None:
    """Begin a new period now in a higher tier; what is left of the month's Buzz counts towards the new month's."""
    await membership_months.deliver_due(session, membership_id=run.id)
    left = await membership_months.unused(session, run.id)
    await membership_months.withdraw_locked(session, run.id)
    before, now = run.tier, clock.now()
    run.tier, run.billing = tier, billing.value
    run.anchor_at, run.anchor_months = now, billing.months
    run.period_start, run.period_end = now, months.later(now, billing.months)
    run.period_cents = worth_cents
    run.status = Status.ACTIVE.value
    run.cancel_at_end, run.next_tier, run.next_billing = False, None, None
    await session.flush()
    first = max(0, quarters(economy.current().tier(tier).monthly_buzz) - left)
    await _lay(session, run, start=now, already=0, count=billing.months, payment_id=payment_id, first=first)
    await membership_months.deliver_due(session, membership_id=run.id)
    await publish(session, MembershipChanged(run.id, run.person_id, before, tier))
    await show_badge(session, run.person_id)
    await _tell(session, run, "membership_changed")


async def finish(session: AsyncSession, run: Membership, reason: End) -> None:
    """End a membership now; what is due of its Buzz is paid, the rest is withdrawn, and the next in turn begins."""
    await membership_months.deliver_due(session, membership_id=run.id)
    await membership_months.withdraw_locked(session, run.id)
    run.status = (Status.LAPSED if reason in _LAPSING else Status.CANCELLED).value
    run.ended_at, run.end_reason = clock.now(), reason.value
    await session.flush()
    if run.billing in RECURRING and run.provider and run.subscription:
        # Nothing is behind the agreement any more, whoever ended it: it charges no further.
        await defer(session, StopSubscription(run.provider, run.subscription))
    await publish(session, MembershipEnded(run.id, run.person_id, run.tier, reason.value))
    if reason is not End.MADE_WAY:
        await _tell(session, run, "membership_ended")
        await advance(session, run.person_id)
    await show_badge(session, run.person_id)


async def make_way(session: AsyncSession, run: Membership) -> None:
    """End one that does not renew, and put what is left of it into the queue: no day of it is lost."""
    now = clock.now()
    await membership_months.deliver_due(session, membership_id=run.id)
    to_come = await membership_months.locked(session, run.id)
    whole = len(to_come)
    covered = to_come[-1].until - to_come[0].due_at if to_come else timedelta(0)
    days = max(0, -(-(run.period_end - now - covered) // _DAY))
    await finish(session, run, End.MADE_WAY)
    if whole + days:
        await enqueue(
            session,
            person_id=run.person_id,
            colour=run.colour,
            tier=run.tier,
            billing=Billing(run.billing),
            count=whole,
            days=days,
            source=Source.REST,
            source_key=str(run.id),
        )


async def enqueue(
    session: AsyncSession,
    *,
    person_id: int,
    colour: str,
    tier: str,
    billing: Billing,
    count: int = 0,
    days: int = 0,
    source: Source,
    source_key: str,
    **more: Any,
) -> tuple[MembershipGrant, bool]:
    """Let time wait its turn: the grant, and whether it is new; the same source and key count once."""
    made = await session.scalar(
        insert(MembershipGrant)
        .values(
            person_id=person_id,
            colour=colour,
            tier=tier,
            billing=billing.value,
            months=count,
            days=days,
            source=source.value,
            source_key=source_key,
            created_at=clock.now(),
            **more,
        )
        .on_conflict_do_nothing(index_elements=["source", "source_key"])
        .returning(MembershipGrant)
    )
    if made is not None:
        return made, True
    known = await session.scalar(
        select(MembershipGrant).where(
            MembershipGrant.source == source.value, MembershipGrant.source_key == source_key
        )
    )
    if known is None:
        raise RuntimeError("a grant is neither new nor known")
    return known, False


async def advance(session: AsyncSession, person_id: int) -> list[Membership]:
    """Begin what waits and may begin: the oldest first, one in each colour."""
    waiting = await session.scalars(
        select(MembershipGrant)
        .where(MembershipGrant.person_id == person_id, MembershipGrant.status == "queued")
        .order_by(MembershipGrant.id)
    )
    running = await live(session, person_id)
    begun = []
    for grant in waiting:
        if not _may_begin(grant, list(running.values())):
            continue
        made = await begin(
            session,
            person_id=person_id,
            colour=grant.colour,
            tier=grant.tier,
            billing=Billing(grant.billing),
            count=grant.months,
            days=grant.days,
            payment_id=grant.payment_id,
        )
        grant.status, grant.membership_id, grant.started_at = "started", made.id, clock.now()
        await session.flush()
        await _note_payment(session, grant, made)
        running[grant.colour] = made
        begun.append(made)
    return begun


def _may_begin(grant: MembershipGrant, running: Sequence[Membership]) -> bool:
    """The colour is free; and what brings no Buzz of its own waits until nothing as high runs in another."""
    if any(run.colour == grant.colour for run in running):
        return False
    rank = economy.current().rank
    return Billing(grant.billing) in STIPENDED or all(rank(run.tier) < rank(grant.tier) for run in running)


async def _note_payment(session: AsyncSession, grant: MembershipGrant, made: Membership) -> None:
    if grant.payment_id is None:
        return
    payment = await session.get(MembershipPayment, grant.payment_id)
    if payment is None:
        return
    payment.membership_id = made.id
    payment.period_start, payment.period_end = made.period_start, made.period_end
    if grant.source == Source.PAYMENT:
        await publish(
            session, MembershipPaid(made.id, made.person_id, made.tier, grant.months, first_day(made))
        )


def first_day(run: Membership) -> str:
    """The first day of the present period, as events name it."""
    return run.period_start.date().isoformat()


async def show_badge(session: AsyncSession, person_id: int) -> None:
    """Put the badge of the highest paid tier beside the name."""
    found = await entitlements(session, person_id)
    await queries.set_badge(session, person_id=person_id, badge=found.badge)


async def _lay(
    session: AsyncSession,
    run: Membership,
    *,
    start: datetime,
    already: int,
    count: int,
    payment_id: int | None,
    first: int | None = None,
) -> None:
    await membership_months.lay(
        session,
        run,
        start=start,
        already=already,
        count=count,
        quarters=quarters(economy.current().tier(run.tier).monthly_buzz),
        payment_id=payment_id,
        first=first,
    )


async def _tell(session: AsyncSession, run: Membership, letter: str) -> None:
    label = economy.current().tier(run.tier).label
    if letter == "membership_ended":
        detail = label
    else:
        detail = f"{label}, until {run.period_end:%d %B %Y}"
    await notices.notify(session, run.person_id, letter, detail=detail)
