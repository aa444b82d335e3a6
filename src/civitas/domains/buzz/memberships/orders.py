"""Orders of memberships: what somebody set out to pay for, and what comes of it once it is paid."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import following, policy, queries
from civitas.domains.accounts.types import Actor, Relation, Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.memberships import months as membership_months
from civitas.domains.buzz.memberships import provider_facts, runs, terms
from civitas.domains.buzz.memberships.provider_facts import Payment, Taken
from civitas.domains.buzz.memberships.tables import Membership, MembershipOrder
from civitas.domains.buzz.memberships.terms import Quote
from civitas.domains.buzz.memberships.types import RECURRING, Billing, Reason
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound
from civitas.kit.text import clean_block

LONGEST_NOTE = 300


async def quote(
    session: AsyncSession, actor: Actor, *, tier: str, billing: Billing, colour: str
) -> tuple[Quote, Membership | None]:
    """What choosing a tier means for the actor now, and the membership that it would change."""
    person = actor.require()
    chosen = terms.offered_tier(tier)
    running = (await runs.live(session, person)).get(colour)
    left = await membership_months.unused(session, running.id) if running is not None else 0
    told = terms.quote(running, tier=chosen, billing=billing, now=clock.now(), month_left=left)
    return told, running if running is not None and running.billing in RECURRING else None


async def subscribe(
    session: AsyncSession, actor: Actor, *, tier: str, billing: Billing, provider: str, colour: str
) -> MembershipOrder:
    """An order for a membership that renews, or for the upgrade of the one that runs.

    Raises Conflict (`no_payment_needed`) for what begins at the period's end, (`other_provider`) when the running
    one is paid elsewhere.
    """
    person = policy.require_voice(actor)
    actor.require(Scope.USER_WRITE)
    await runs.hold(session, person)
    told, running = await quote(session, actor, tier=tier, billing=billing, colour=colour)
    if told.kind in ("later", "same"):
        raise Conflict(
            "Nothing has to be paid for this: it begins when the present period ends. Confirm the change instead.",
            code="no_payment_needed",
        )
    if running is not None and running.provider != provider:
        raise Conflict(
            f"Your membership is paid through {running.provider}; an upgrade has to be paid there too.",
            code="other_provider",
        )
    return await _open(
        session,
        person,
        person,
        kind="upgrade" if told.kind == "upgrade" else "subscribe",
        tier=tier,
        billing=billing,
        colour=colour,
        months=billing.months,
        cents=told.due_cents,
        credit_cents=told.credit_cents,
        provider=provider,
        membership_id=running.id if running is not None else None,
    )


async def prepay(
    session: AsyncSession,
    actor: Actor,
    *,
    tier: str,
    months: int,
    provider: str,
    colour: str,
    fee_cents: int = 0,
) -> MembershipOrder:
    """An order for months in advance, which do not renew; they wait for what runs in their colour."""
    person = policy.require_voice(actor)
    actor.require(Scope.USER_WRITE)
    cents = _advance(tier, months, economy.current().memberships.prepaid_months)
    return await _open(
        session, person, person, kind="prepaid", tier=tier, billing=Billing.PREPAID, colour=colour,
        months=months, cents=cents + fee_cents, provider=provider,
    )  # fmt: skip


async def give(
    session: AsyncSession,
    actor: Actor,
    *,
    to: str,
    tier: str,
    months: int,
    provider: str,
    colour: str,
    note: str = "",
    fee_cents: int = 0,
) -> MembershipOrder:
    """An order for a gift to the person named `to` (FEATURES I84). Raises NotFound, Invalid, Forbidden."""
    person = policy.require_voice(actor)
    actor.require(Scope.USER_WRITE)
    recipient = await queries.by_username(session, to)
    if recipient.id == person:
        raise Invalid(
            "This is yourself; buy months in advance instead.",
            code="gift_to_self",
            fields={"to": "Choose somebody else."},
        )
    if recipient.status != "active":
        raise Invalid(
            "This account cannot be given anything.",
            code="no_such_recipient",
            fields={"to": "Choose somebody else."},
        )
    if await following.relation(session, recipient.id, person) is Relation.BLOCK:
        raise Forbidden("This person does not take gifts from you.", code="gift_refused")
    words = clean_block(note[:20_000])
    if len(words) > LONGEST_NOTE:
        raise Invalid(
            f"Write at most {LONGEST_NOTE} characters.",
            code="note_too_long",
            fields={"note": f"At most {LONGEST_NOTE} characters."},
        )
    cents = _advance(tier, months, economy.current().memberships.gift_months)
    return await _open(
        session, person, recipient.id, kind="gift", tier=tier, billing=Billing.PREPAID, colour=colour,
        months=months, cents=cents + fee_cents, provider=provider, note=words,
    )  # fmt: skip


def _advance(tier: str, months: int, offered: Sequence[int]) -> int:
    chosen = terms.offered_tier(tier)
    if months not in offered:
        raise Invalid(
            "Choose one of the lengths offered.", code="bad_months", fields={"months": "Choose a length."}
        )
    return terms.prepaid_price(chosen, months)


async def _open(
    session: AsyncSession,
    person_id: int,
    recipient_id: int,
    *,
    kind: str,
    tier: str,
    billing: Billing,
    colour: str,
    months: int,
    cents: int,
    provider: str,
    credit_cents: int = 0,
    note: str = "",
    membership_id: int | None = None,
) -> MembershipOrder:
    now = clock.now()
    made = MembershipOrder(
        person_id=person_id,
        recipient_id=recipient_id,
        kind=kind,
        tier=tier,
        billing=billing.value,
        colour=colour,
        months=months,
        cents=cents,
        credit_cents=credit_cents,
        provider=provider,
        note=note,
        membership_id=membership_id,
        status="open",
        created_at=now,
        expires_at=now + timedelta(minutes=economy.current().memberships.order_minutes),
    )
    session.add(made)
    await session.flush()
    return made


async def mine(session: AsyncSession, actor: Actor, order_id: uuid.UUID) -> MembershipOrder:
    """One of the actor's orders. Raises NotFound, also for those of others."""
    found = await session.scalar(
        select(MembershipOrder).where(
            MembershipOrder.id == order_id, MembershipOrder.person_id == actor.require()
        )
    )
    if found is None:
        raise NotFound("There is no such order.", code="no_such_order")
    return found


async def settle(
    session: AsyncSession,
    order_id: uuid.UUID,
    *,
    reference: str,
    cents: int,
    subscription: str | None = None,
) -> Taken | None:
    """An order was paid in full: give what it was for, once. None when there is no such order or too little came.

    An order that expired counts all the same: the money is there. What an upgrade was of may have ended since; then
    its price buys a membership of its own.
    """
    order = await session.scalar(
        select(MembershipOrder).where(MembershipOrder.id == order_id).with_for_update()
    )
    if order is None or cents < order.cents:
        return None
    taken = await provider_facts.paid(session, await _payment(session, order, reference, subscription))
    if order.status != "paid":
        order.status, order.paid_at = "paid", clock.now()
        await session.flush()
    return taken


async def _payment(
    session: AsyncSession, order: MembershipOrder, reference: str, subscription: str | None
) -> Payment:
    gift = order.kind == "gift"
    reasons = {
        "subscribe": Reason.START,
        "upgrade": Reason.UPGRADE,
        "prepaid": Reason.PREPAID,
        "gift": Reason.GIFT,
    }
    billing = Billing(order.billing)
    if order.kind == "upgrade":
        await runs.hold(session, order.person_id)
        run = await session.get(Membership, order.membership_id)
        if run is not None:
            await session.refresh(run)
            subscription = run.subscription
        if run is None or run.ended_at is not None:
            billing = Billing.PREPAID
            subscription = None
    return Payment(
        provider=order.provider,
        # The order and not the provider's name of the payment: two words about one order are one payment.
        reference=f"order:{order.id}",
        person_id=order.person_id,
        recipient_id=order.recipient_id if gift else None,
        tier=order.tier,
        billing=billing,
        colour=order.colour,
        months=order.months,
        cents=order.cents,
        credit_cents=order.credit_cents,
        reason=Reason.PREPAID if billing is Billing.PREPAID and not gift else reasons[order.kind],
        subscription=subscription or (f"order:{order.id}" if order.kind == "subscribe" else None),
        note=order.note,
    )
