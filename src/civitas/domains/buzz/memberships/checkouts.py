"""Between orders of memberships and providers: what is asked for, and what their notices mean."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.payments import Checkout, Mode, Notice, Order, PaymentFacts, RenewalFacts
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.memberships import orders, provider_facts
from civitas.domains.buzz.memberships.mirror import title
from civitas.domains.buzz.memberships.provider_facts import Payment
from civitas.domains.buzz.memberships.tables import Membership, MembershipOrder, MembershipPayment
from civitas.domains.buzz.memberships.types import Billing, Reason
from civitas.domains.buzz.payments.notices import concerns
from civitas.kit import clock

KIND = "membership"
MOST = 50
_ORDER = re.compile(rf"{KIND}:([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})")
# A subscription's first bill is for what its checkout paid; the second comes after a month at the earliest.
_FIRST_BILL = timedelta(days=20)
_SAME_PERIOD = timedelta(days=1)
# Webhooks come within seconds; after this a provider is asked about an order, until a while after it expired.
_LOOK_AFTER = timedelta(minutes=5)
_LOOK_UNTIL = timedelta(days=1)


def order_for(order: MembershipOrder, base_url: str, email: str | None = None) -> Order:
    """What the provider is asked for: a subscription for what renews, one payment for the rest."""
    label = economy.current().tier(order.tier).label
    length = f"{order.months} month{'' if order.months == 1 else 's'}"
    names = {
        "subscribe": title(label, Billing(order.billing)),
        "upgrade": f"Change to {label}",
        "prepaid": f"{label} membership for {length}",
        "gift": f"A gift of {label} membership for {length}",
    }
    return Order(
        key=f"{KIND}:{order.id}",
        cents=order.cents,
        title=names[order.kind],
        return_url=f"{base_url}/memberships?order={order.id}",
        cancel_url=f"{base_url}/memberships",
        mode=Mode.SUBSCRIPTION if order.kind == "subscribe" else Mode.PAYMENT,
        interval="year" if order.billing == Billing.ANNUAL else "month",
        email=email,
    )


async def opened(session: AsyncSession, *, order_id: uuid.UUID, checkout: Checkout) -> None:
    """Remember the provider's name of an order's checkout."""
    order = await session.get(MembershipOrder, order_id, with_for_update=True)
    if order is not None and order.reference is None:
        order.reference = checkout.reference
        await session.flush()


async def unpaid(session: AsyncSession) -> list[tuple[uuid.UUID, str, str, bool]]:
    """Orders whose checkout may have been paid without a word: id, provider, checkout, whether it renews."""
    now = clock.now()
    rows = await session.scalars(
        select(MembershipOrder)
        .where(
            MembershipOrder.status != "paid",
            MembershipOrder.reference.is_not(None),
            MembershipOrder.created_at <= now - _LOOK_AFTER,
            MembershipOrder.expires_at > now - _LOOK_UNTIL,
        )
        .order_by(MembershipOrder.expires_at.desc())
        .limit(MOST)
    )
    return [(row.id, row.provider, row.reference or "", row.kind == "subscribe") for row in rows]


async def learn(
    session: AsyncSession, order_id: uuid.UUID, facts: PaymentFacts, *, subscription: str | None
) -> str:
    """Settle an order as far as its payment justifies; learning the same again changes nothing."""
    taken = await orders.settle(
        session, order_id, reference=facts.reference or "", cents=facts.paid_cents, subscription=subscription
    )
    if taken is None:
        return "the order waits for its payment"
    order = await session.get_one(MembershipOrder, order_id)
    gone = facts.lost_cents + facts.refunded_cents
    if gone and await provider_facts.taken_back(
        session, provider=order.provider, reference=f"order:{order.id}", cents=gone
    ):
        return "the payment went back"
    return "the order is paid"


@concerns(KIND)
async def heard(session: AsyncSession, provider: str, notice: Notice) -> str | None:
    """What a provider told of a membership: its order paid, a bill of it, its agreement over."""
    order = await _order_of(session, provider, notice)
    if order is None and notice.order is not None:
        return None
    standing, outcome = notice.subscription, None
    if order is not None and notice.bill is None:
        outcome = "nothing to do"
        if notice.payment is not None:
            subscription = standing.reference if standing is not None else None
            outcome = await learn(session, order.id, notice.payment, subscription=subscription)
    if notice.renewal is not None:
        outcome = await _billed(session, provider, notice.renewal, order) or outcome
    if notice.bill is not None:
        outcome = await _of_bill(session, provider, notice, order) or outcome
    if standing is not None and standing.status == "cancelled":
        await provider_facts.stopped(session, provider=provider, subscription=standing.reference)
        outcome = outcome and "the agreement is over"
    return outcome


async def _of_bill(
    session: AsyncSession, provider: str, notice: Notice, order: MembershipOrder | None
) -> str | None:
    """What became of the payment of a bill: given back or lost. The first bill is the one that the checkout paid."""
    facts, reference = notice.payment, notice.bill or ""
    if facts is None:
        return None
    known = await session.scalar(
        select(MembershipPayment.id).where(
            MembershipPayment.provider == provider, MembershipPayment.reference == reference
        )
    )
    if known is None:
        bill = notice.renewal
        if order is None or bill is None or not _is_first(bill, order):
            return None
        reference = f"order:{order.id}"
    gone = facts.refunded_cents + facts.lost_cents
    if gone and await provider_facts.taken_back(session, provider=provider, reference=reference, cents=gone):
        return "the payment of a bill went back"
    return "nothing to do"


def _is_first(bill: RenewalFacts, order: MembershipOrder) -> bool:
    return bill.period_start is not None and bill.period_start < order.created_at + _FIRST_BILL


async def _order_of(session: AsyncSession, provider: str, notice: Notice) -> MembershipOrder | None:
    statement = select(MembershipOrder).where(MembershipOrder.provider == provider)
    if notice.order is not None:
        found = _ORDER.fullmatch(notice.order)
        if found is None:
            return None
        statement = statement.where(MembershipOrder.id == uuid.UUID(found[1]))
    elif notice.reference is not None:
        statement = statement.where(MembershipOrder.reference == notice.reference)
    else:
        return None
    order: MembershipOrder | None = await session.scalar(statement.limit(1))
    return order


async def _billed(
    session: AsyncSession, provider: str, bill: RenewalFacts, order: MembershipOrder | None
) -> str | None:
    if order is not None and _is_first(bill, order):
        return None
    if not bill.paid:
        await provider_facts.payment_failed(session, provider=provider, subscription=bill.subscription)
        return "the bill was not paid" if order is not None else None
    if bill.cents == 0:
        # What a provider writes for the days that an upgrade paid for.
        return None
    taken = await provider_facts.renewed(
        session,
        provider=provider,
        subscription=bill.subscription,
        reference=bill.reference,
        cents=bill.cents,
        period_end=bill.period_end,
    ) or await _late(session, provider, bill)
    return "the membership goes on" if taken is not None else None


async def _late(session: AsyncSession, provider: str, bill: RenewalFacts) -> provider_facts.Taken | None:
    """A bill paid after the days of grace: the money is there, so a membership begins anew."""
    last = await session.scalar(
        select(Membership)
        .where(Membership.provider == provider, Membership.subscription == bill.subscription)
        .order_by(Membership.id.desc())
        .limit(1)
    )
    over = last is not None and last.ended_at is not None
    if (
        last is None
        or not over
        or bill.period_end is None
        or bill.period_end <= last.period_end + _SAME_PERIOD
    ):
        return None
    billing = Billing(last.next_billing or last.billing)
    return await provider_facts.paid(
        session,
        Payment(
            provider=provider,
            reference=bill.reference,
            person_id=last.person_id,
            tier=last.next_tier or last.tier,
            billing=billing,
            colour=last.colour,
            months=billing.months,
            cents=bill.cents,
            reason=Reason.RENEWAL,
            subscription=bill.subscription,
        ),
    )
