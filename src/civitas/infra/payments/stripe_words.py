"""Stripe's objects in our words; the shapes of versions before and after the spring of 2025 are both read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from civitas.contracts.payments import Notice, PaymentFacts, RenewalFacts, SubscriptionFacts

_STATUS: Final = {
    "active": "active",
    "trialing": "active",
    "past_due": "past_due",
    "unpaid": "past_due",
    "canceled": "cancelled",
    "incomplete_expired": "cancelled",
    "incomplete": "incomplete",
    "paused": "incomplete",
}


def notice_of(event: dict[str, Any]) -> Notice:
    """An event whose signature holds; kinds that mean nothing to us come back without facts."""
    kind, thing = str(event["type"])[:100], event["data"]["object"]
    notice = Notice(str(event["id"])[:200], kind)
    if kind.startswith("checkout.session."):
        return _session_notice(notice, thing)
    if kind == "charge.refunded":
        facts = charge_facts(thing)
        order, bill = order_of(thing), _id(thing.get("invoice"))
        look = order is None or bill is not None
        return notice.told(order=order, reference=facts.reference, payment=facts, bill=bill, look=look)
    if kind.startswith("charge.dispute."):
        facts = dispute_facts(thing)
        return notice.told(reference=facts.reference, payment=facts, look=True)
    if kind == "refund.failed":
        # How much failed in all is asked for: several refunds of one payment may have.
        reference = _id(thing.get("payment_intent"))
        return notice.told(reference=reference, payment=PaymentFacts(reference=reference), look=True)
    if kind == "transfer.reversed":
        token = (thing.get("metadata") or {}).get("withdrawal")
        back = PaymentFacts(
            int(thing.get("amount") or 0), refunded_cents=int(thing.get("amount_reversed") or 0)
        )
        order = f"withdrawal:{token}"[:200] if token else None
        return notice.told(order=order, reference=_id(thing), payment=back)
    if kind in ("invoice.paid", "invoice.payment_failed"):
        renewal, order = renewal_of(thing, paid=kind == "invoice.paid")
        return notice.told(order=order, reference=renewal.subscription if renewal else None, renewal=renewal)
    if kind in ("customer.subscription.updated", "customer.subscription.deleted"):
        standing = subscription_facts(thing)
        return notice.told(order=order_of(thing), reference=standing.reference, subscription=standing)
    return notice


def order_of(thing: dict[str, Any]) -> str | None:
    """The key of our order that we had Stripe keep."""
    kept = (thing.get("metadata") or {}).get("order") or thing.get("client_reference_id")
    return str(kept)[:200] if kept else None


def _session_notice(notice: Notice, session: dict[str, Any]) -> Notice:
    facts = session_facts(session)
    if notice.kind == "checkout.session.async_payment_failed":
        facts = facts.joined(PaymentFacts(failed=True))
    told = notice.told(order=order_of(session), reference=str(session["id"]), payment=facts)
    if session.get("mode") == "subscription" and session.get("subscription"):
        status = "active" if session.get("payment_status") == "paid" else "incomplete"
        return told.told(subscription=SubscriptionFacts(_id(session["subscription"]) or "", status))
    return told


def session_facts(session: dict[str, Any]) -> PaymentFacts:
    """What a checkout session says of its payment."""
    total = int(session.get("amount_total") or 0)
    paid = session.get("payment_status") in ("paid", "no_payment_required")
    complete = session.get("status") == "complete"
    return PaymentFacts(
        paid_cents=total if paid else 0,
        seen_cents=total if paid or complete else 0,
        expired=session.get("status") == "expired",
        reference=_id(session.get("payment_intent")),
    )


def charge_facts(charge: dict[str, Any]) -> PaymentFacts:
    """What a charge says: taken, and given back."""
    taken = int(charge.get("amount") or 0) if charge.get("paid") and charge.get("captured", True) else 0
    return PaymentFacts(
        paid_cents=taken,
        seen_cents=taken,
        refunded_cents=int(charge.get("amount_refunded") or 0),
        reference=_id(charge.get("payment_intent")),
    )


def dispute_facts(dispute: dict[str, Any]) -> PaymentFacts:
    """How a dispute stands. An inquiry (`warning_...`) takes no money and is none yet."""
    status, cents = str(dispute.get("status")), int(dispute.get("amount") or 0)
    reference = _id(dispute.get("payment_intent"))
    if status.startswith("warning_") or status == "prevented":
        return PaymentFacts(reference=reference)
    return PaymentFacts(
        disputed_cents=cents,
        lost_cents=cents if status == "lost" else 0,
        dispute_won=status == "won",
        reference=reference,
    )


def subscription_facts(thing: dict[str, Any]) -> SubscriptionFacts:
    """How a subscription stands."""
    items = (thing.get("items") or {}).get("data") or [{}]
    return SubscriptionFacts(
        reference=str(thing["id"]),
        status=_STATUS.get(str(thing.get("status")), "incomplete"),
        period_start=_moment(thing.get("current_period_start") or items[0].get("current_period_start")),
        period_end=_moment(thing.get("current_period_end") or items[0].get("current_period_end")),
        cancels_at_period_end=bool(thing.get("cancel_at_period_end")),
    )


def renewal_of(invoice: dict[str, Any], *, paid: bool) -> tuple[RenewalFacts | None, str | None]:
    """A bill of a subscription, and the order that began it; None for a bill of anything else."""
    parent = (invoice.get("parent") or {}).get("subscription_details") or {}
    details = invoice.get("subscription_details") or parent
    subscription = _id(invoice.get("subscription") or parent.get("subscription"))
    if subscription is None:
        return None, None
    lines = (invoice.get("lines") or {}).get("data") or [{}]
    period = lines[-1].get("period") or {}
    renewal = RenewalFacts(
        subscription=subscription,
        reference=str(invoice["id"]),
        cents=int((invoice.get("amount_paid") if paid else invoice.get("amount_due")) or 0),
        paid=paid,
        period_start=_moment(period.get("start")),
        period_end=_moment(period.get("end")),
    )
    return renewal, order_of(details)


def _id(thing: Any) -> str | None:
    found = thing.get("id") if isinstance(thing, dict) else thing
    return str(found)[:200] if found else None


def _moment(stamp: Any) -> datetime | None:
    return datetime.fromtimestamp(int(stamp), UTC) if stamp else None
