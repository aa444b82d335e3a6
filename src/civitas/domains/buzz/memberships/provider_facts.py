"""What providers tell about memberships, each fact once: paid, tried in vain, stopped, given back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.buzz import MembershipGifted, MembershipPaid
from civitas.domains.accounts import notices, queries
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.memberships import cash, runs
from civitas.domains.buzz.memberships import months as membership_months
from civitas.domains.buzz.memberships.messages import MirrorSubscription, StopSubscription
from civitas.domains.buzz.memberships.tables import Membership, MembershipGrant, MembershipPayment
from civitas.domains.buzz.memberships.types import LIVE, RECURRING, Billing, End, Reason, Source, Status
from civitas.infra.queue.outbox import defer, publish
from civitas.kit import clock
from civitas.kit.errors import Invalid

# A bill whose period ends no later than this after the one that is known is a bill for the same period.
_SAME_PERIOD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment as a provider tells it. `reference` is the provider's name of it; it counts once.

    `person_id` paid, and `recipient_id` has the membership where that is somebody else. `subscription` names the
    agreement that renews. `credit_cents` is what an upgrade was given for the rest of the old period.
    """

    provider: str
    reference: str
    person_id: int
    tier: str
    billing: Billing
    colour: str
    months: int
    cents: int
    reason: Reason
    subscription: str | None = None
    recipient_id: int | None = None
    credit_cents: int = 0
    note: str = ""

    @property
    def owner_id(self) -> int:
        """Whose membership it is."""
        return self.recipient_id or self.person_id


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a payment: the membership it runs in, unless it waits its turn."""

    payment_id: int
    membership_id: int | None
    replayed: bool


async def paid(session: AsyncSession, payment: Payment) -> Taken:
    """Record that something was paid and give what was paid for. The same reference again changes nothing.

    Money is never left without a membership: what cannot run at once waits its turn. Raises Invalid for what no
    honest provider tells.
    """
    rules = economy.current()
    if rules.rank(payment.tier) < 1 or payment.months < 1 or payment.cents < 0:
        raise Invalid("This is not a payment for a membership.", code="bad_payment")
    await runs.hold(session, payment.owner_id)
    payment_id = await session.scalar(
        insert(MembershipPayment)
        .values(
            provider=payment.provider,
            reference=payment.reference,
            person_id=payment.person_id,
            reason=payment.reason.value,
            tier=payment.tier,
            billing=payment.billing.value,
            colour=payment.colour,
            months=payment.months,
            cents=payment.cents,
            created_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["provider", "reference"])
        .returning(MembershipPayment.id)
    )
    if payment_id is None:
        return await _known(session, payment)
    await cash.came(session, payment_id=payment_id, payment=payment)
    if payment.reason is Reason.GIFT or payment.billing not in RECURRING:
        await _wait(session, payment, payment_id)
    else:
        await _recurring(session, payment, payment_id)
    return Taken(payment_id, await _membership_of(session, payment_id), False)


async def _known(session: AsyncSession, payment: Payment) -> Taken:
    row = (
        await session.execute(
            select(MembershipPayment.id, MembershipPayment.membership_id).where(
                MembershipPayment.provider == payment.provider,
                MembershipPayment.reference == payment.reference,
            )
        )
    ).one()
    return Taken(row.id, row.membership_id, True)


async def _membership_of(session: AsyncSession, payment_id: int) -> int | None:
    await session.flush()
    found: int | None = await session.scalar(
        select(MembershipPayment.membership_id).where(MembershipPayment.id == payment_id)
    )
    return found


async def _wait(session: AsyncSession, payment: Payment, payment_id: int) -> None:
    """Months in advance: into the queue, which begins them at once when the colour is free."""
    gift = payment.reason is Reason.GIFT
    grant, _ = await runs.enqueue(
        session,
        person_id=payment.owner_id,
        colour=payment.colour,
        tier=payment.tier,
        billing=Billing.PREPAID,
        count=payment.months,
        source=Source.GIFT if gift else Source.PAYMENT,
        source_key=f"{payment.provider}:{payment.reference}",
        giver_id=payment.person_id if gift else None,
        note=payment.note,
        payment_id=payment_id,
    )
    if gift:
        giver = await queries.by_id(session, payment.person_id)
        label = economy.current().tier(payment.tier).label
        length = f"{payment.months} month{'' if payment.months == 1 else 's'}"
        await notices.notify(
            session,
            payment.owner_id,
            "membership_gift",
            detail=f"{label} for {length}, from {giver.username}",
        )
        await publish(
            session,
            MembershipGifted(grant.id, payment.person_id, payment.owner_id, payment.tier, payment.months),
        )
    await runs.advance(session, payment.owner_id)


async def _recurring(session: AsyncSession, payment: Payment, payment_id: int) -> None:
    current = (await runs.live(session, payment.owner_id)).get(payment.colour)
    worth = payment.cents + payment.credit_cents
    if current is not None and _same_agreement(current, payment):
        if payment.reason is Reason.UPGRADE:
            await runs.upgrade(
                session, current, tier=payment.tier, billing=payment.billing, worth_cents=worth, payment_id=payment_id
            )  # fmt: skip
            await defer(session, MirrorSubscription(current.id), once=f"mirror:{current.id}")
        else:
            await runs.renew(
                session, current, tier=payment.tier, billing=payment.billing, worth_cents=worth, payment_id=payment_id
            )  # fmt: skip
        run = current
    elif current is not None and current.billing in RECURRING:
        # Paid twice, say in two windows: the second agreement is stopped, and its months wait their turn.
        await _wait(session, payment, payment_id)
        if payment.subscription:
            await defer(session, StopSubscription(payment.provider, payment.subscription))
        return
    else:
        if current is not None:
            await runs.make_way(session, current)
        run = await runs.begin(
            session,
            person_id=payment.owner_id,
            colour=payment.colour,
            tier=payment.tier,
            billing=payment.billing,
            count=payment.billing.months,
            provider=payment.provider,
            subscription=payment.subscription,
            worth_cents=worth,
            payment_id=payment_id,
        )
        if payment.reason is Reason.RENEWAL:
            # Begun anew by a late bill: the agreement may be over at the provider, and then it does not renew.
            await defer(session, MirrorSubscription(run.id), once=f"mirror:{run.id}")
    row = await session.get(MembershipPayment, payment_id)
    if row is not None:
        row.membership_id, row.period_start, row.period_end = run.id, run.period_start, run.period_end
    if payment.reason is not Reason.UPGRADE:
        first = runs.first_day(run)
        await publish(session, MembershipPaid(run.id, run.person_id, run.tier, payment.months, first))


def _same_agreement(run: Membership, payment: Payment) -> bool:
    return (
        run.billing in RECURRING
        and run.provider == payment.provider
        and run.subscription == payment.subscription
    )


async def renewed(
    session: AsyncSession,
    *,
    provider: str,
    subscription: str,
    reference: str,
    cents: int,
    period_end: datetime | None = None,
) -> Taken | None:
    """A bill of a subscription was paid. None when it is no subscription of ours, or the bill for a period that counts.

    The first bill comes beside the word that the checkout is done, in any order: a period is counted once.
    """
    owner = await _owner_of(session, provider, subscription)
    if owner is None:
        return None
    await runs.hold(session, owner)
    run = await _run_of(session, provider, subscription)
    if run is None or (period_end is not None and period_end <= run.period_end + _SAME_PERIOD):
        return None
    billing = Billing(run.next_billing or run.billing)
    return await paid(
        session,
        Payment(
            provider=provider,
            reference=reference,
            person_id=run.person_id,
            tier=run.next_tier or run.tier,
            billing=billing,
            colour=run.colour,
            months=billing.months,
            cents=cents,
            reason=Reason.RENEWAL,
            subscription=subscription,
        ),
    )


async def payment_failed(session: AsyncSession, *, provider: str, subscription: str) -> None:
    """A renewal was tried in vain: the days of grace run, and the member is told once."""
    owner = await _owner_of(session, provider, subscription)
    if owner is None:
        return
    await runs.hold(session, owner)
    run = await _run_of(session, provider, subscription)
    if run is not None and run.status == Status.ACTIVE and run.period_end <= clock.now() + _SAME_PERIOD:
        await late(session, run)


async def late(session: AsyncSession, run: Membership) -> None:
    """Begin the days of grace. Called with the person's lock."""
    run.status = Status.PAST_DUE.value
    await session.flush()
    grace = timedelta(days=economy.current().memberships.grace_days)
    label = economy.current().tier(run.tier).label
    detail = f"{label} runs on until {run.period_end + grace:%d %B %Y}"
    await notices.notify(session, run.person_id, "membership_late", detail=detail)


async def stopped(session: AsyncSession, *, provider: str, subscription: str) -> None:
    """The agreement ended at the provider: paid time runs to its end, and nothing renews."""
    owner = await _owner_of(session, provider, subscription)
    if owner is None:
        return
    await runs.hold(session, owner)
    run = await _run_of(session, provider, subscription)
    if run is None:
        return
    if run.period_end > clock.now():
        run.cancel_at_end = True
        await session.flush()
    else:
        asked = run.cancel_at_end
        await runs.finish(session, run, End.ASKED if asked else End.UNPAID)


async def taken_back(
    session: AsyncSession, *, provider: str, reference: str, cents: int | None = None
) -> bool:
    """Of a payment, `cents` went back in all (everything when left out): a refund, or a dispute that was lost.

    When all of it went back, its membership ends now, and its Buzz goes as far as it is there. False when there is no
    such payment, or nothing more went back than was known.
    """
    row = await session.scalar(
        select(MembershipPayment).where(
            MembershipPayment.provider == provider, MembershipPayment.reference == reference
        )
    )
    if row is None:
        return False
    await runs.hold(session, await _holder(session, row))
    await session.refresh(row, with_for_update=True)
    gone = row.cents if cents is None else min(cents, row.cents)
    if row.status == "refunded" or (gone <= row.returned_cents and gone < row.cents):
        return False
    await cash.went(session, row, gone)
    if gone < row.cents:
        return True
    row.status = "refunded"
    await session.flush()
    await _revoke_waiting(session, row.id)
    run = await session.get(Membership, row.membership_id) if row.membership_id else None
    await membership_months.take_back(session, payment_id=row.id, key=f"{provider}:{reference}")
    if run is not None:
        await session.refresh(run)
        if run.status in LIVE and (row.period_end is None or row.period_end >= run.period_end):
            await runs.finish(session, run, End.REFUNDED)
    return True


async def _holder(session: AsyncSession, row: MembershipPayment) -> int:
    found = await session.scalar(
        select(MembershipGrant.person_id).where(MembershipGrant.payment_id == row.id)
    )
    return int(found or row.person_id)


async def _revoke_waiting(session: AsyncSession, payment_id: int) -> None:
    for grant in await session.scalars(
        select(MembershipGrant).where(
            MembershipGrant.payment_id == payment_id, MembershipGrant.status == "queued"
        )
    ):
        grant.status = "revoked"
    await session.flush()


async def _owner_of(session: AsyncSession, provider: str, subscription: str) -> int | None:
    found: int | None = await session.scalar(
        select(Membership.person_id)
        .where(Membership.provider == provider, Membership.subscription == subscription)
        .order_by(Membership.id.desc())
        .limit(1)
    )
    return found


async def _run_of(session: AsyncSession, provider: str, subscription: str) -> Membership | None:
    found: Membership | None = await session.scalar(
        select(Membership)
        .where(
            Membership.provider == provider,
            Membership.subscription == subscription,
            Membership.status.in_(LIVE),
        )
        .execution_options(populate_existing=True)
    )
    return found
