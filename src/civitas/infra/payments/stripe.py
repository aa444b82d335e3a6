"""Cards through Stripe Checkout: sessions, refunds, subscriptions, signed webhooks."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson

from civitas.contracts.payments import (
    Checkout,
    Interval,
    Mode,
    Notice,
    Order,
    PaymentFacts,
    ProviderInfo,
    Refunded,
    SubscriptionFacts,
)
from civitas.infra.payments.calling import Caller
from civitas.infra.payments.settings import StripeSettings
from civitas.infra.payments.stripe_words import (
    charge_facts,
    notice_of,
    order_of,
    renewal_of,
    session_facts,
    subscription_facts,
)
from civitas.kit import clock
from civitas.kit.errors import Forbidden, Invalid

# The shapes of answers are those of this version, whatever the account's own is.
VERSION: Final = "2024-06-20"
_LARGEST_HEADER = 4096
# Months are counted a little differently on both sides; a period that ends this close is the same.
_SAME_PERIOD: Final = timedelta(days=1)


@dataclass(frozen=True)
class StripeProvider:
    """See PaymentProvider. Buys green Buzz."""

    settings: StripeSettings
    timeout_s: float = 15.0
    info: ProviderInfo = field(
        default=ProviderInfo(
            "stripe",
            "Card",
            "Credit and debit cards and wallets, through Stripe. We never see the card's number.",
            "green",
            modes=frozenset({Mode.PAYMENT, Mode.SUBSCRIPTION}),
        )
    )

    async def checkout(self, order: Order) -> Checkout:
        """See PaymentProvider."""
        price: dict[str, str] = {
            "[currency]": "usd",
            "[unit_amount]": str(order.cents),
            "[product_data][name]": order.title,
        }
        kept = "payment_intent_data"
        if order.mode is Mode.SUBSCRIPTION:
            price["[recurring][interval]"] = order.interval
            kept = "subscription_data"
        fields = {
            "mode": order.mode.value,
            "client_reference_id": order.key,
            "metadata[order]": order.key,
            f"{kept}[metadata][order]": order.key,
            "line_items[0][quantity]": "1",
            "success_url": order.return_url,
            "cancel_url": order.cancel_url,
            **{f"line_items[0][price_data]{name}": value for name, value in price.items()},
        }
        if order.email:
            fields["customer_email"] = order.email
        made = await self._post("/v1/checkout/sessions", fields, key=f"checkout-{order.key}")
        return Checkout(str(made["id"]), str(made["url"]), _moment(made.get("expires_at")))

    async def read(self, reference: str) -> PaymentFacts:
        """See PaymentProvider."""
        session = await self._session(reference)
        facts = session_facts(session)
        intent = session.get("payment_intent")
        if isinstance(intent, dict) and isinstance(charge := intent.get("latest_charge"), dict):
            facts = facts.joined(charge_facts(charge))
            if charge.get("disputed"):
                facts = facts.joined(await self._disputes(str(intent["id"])))
        return facts

    async def _disputes(self, intent: str) -> PaymentFacts:
        facts = PaymentFacts()
        found = await self._get(f"/v1/disputes?payment_intent={quote(intent)}&limit=10")
        for dispute in found.get("data", []):
            told = notice_of({"id": "", "type": "charge.dispute.updated", "data": {"object": dispute}})
            facts = facts.joined(told.payment or PaymentFacts())
        return facts

    async def refund(self, reference: str, cents: int, *, key: str, reason: str = "") -> Refunded:
        """See PaymentProvider."""
        session = await self._session(reference)
        intent = session.get("payment_intent")
        name = intent.get("id") if isinstance(intent, dict) else intent
        if not name:
            raise Invalid("Nothing was paid in this checkout.", code="nothing_paid")
        fields = {"payment_intent": str(name), "amount": str(cents), "metadata[key]": key}
        if reason:
            fields["metadata[reason]"] = reason[:450]
        made = await self._post("/v1/refunds", fields, key=f"refund-{key}")
        return Refunded(str(made["id"]), int(made.get("amount", cents)))

    async def verify(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """See PaymentProvider; the scheme is `t=TIME,v1=HMAC`, several v1 while a secret is replaced."""
        self._check_signature(headers.get("stripe-signature", ""), body)
        try:
            event = orjson.loads(body)
            if not isinstance(event, dict) or not isinstance(event["data"]["object"], dict):
                raise TypeError
            return notice_of(event)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise Invalid("This is not an event of Stripe.", code="bad_event") from error

    def _check_signature(self, header: str, body: bytes) -> None:
        refused = Forbidden("The signature of this webhook does not hold.", code="bad_signature")
        pairs = [part.strip().partition("=") for part in header[:_LARGEST_HEADER].split(",")]
        stamp = next((value for name, _, value in pairs if name == "t"), "")
        given = [value for name, _, value in pairs if name == "v1"]
        if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12 or not given:
            raise refused
        if abs(clock.now().timestamp() - int(stamp)) > self.settings.tolerance_s:
            raise Forbidden("The signature of this webhook is too old.", code="bad_signature")
        holds = False
        for secret in self.settings.webhook_secrets:
            wanted = sign(secret.get_secret_value(), int(stamp), body)
            for one in given:
                holds |= hmac.compare_digest(wanted.encode(), one.encode())
        if not holds:
            raise refused

    async def complete(self, notice: Notice) -> Notice:
        """See PaymentProvider: charges and disputes name a payment intent, which knows our order or the bill."""
        if notice.kind == "refund.failed" and notice.payment is not None:
            failed = await self._failed_refunds(notice.reference or "")
            notice = notice.told(payment=notice.payment.joined(PaymentFacts(unreturned_cents=failed)))
        order, bill = notice.order, notice.bill
        if order is None and bill is None and (notice.reference or "").startswith("pi_"):
            intent = await self._get(f"/v1/payment_intents/{quote(notice.reference or '')}")
            order, found = order_of(intent), intent.get("invoice")
            bill = str(found["id"] if isinstance(found, dict) else found) if found else None
        if bill is None:
            return notice.told(order=order, look=False)
        invoice = await self._get(f"/v1/invoices/{quote(bill)}")
        renewal, begun_by = renewal_of(invoice, paid=invoice.get("status") == "paid")
        return notice.told(
            order=begun_by or order,
            reference=renewal.subscription if renewal else notice.reference,
            bill=bill,
            renewal=renewal if renewal and renewal.paid else None,
            look=False,
        )

    async def _failed_refunds(self, intent: str) -> int:
        found = await self._get(f"/v1/refunds?payment_intent={quote(intent)}&limit=100")
        return sum(
            int(one.get("amount") or 0) for one in found.get("data", []) if one.get("status") == "failed"
        )

    async def subscription(self, reference: str) -> SubscriptionFacts:
        """See PaymentProvider."""
        return subscription_facts(await self._get(f"/v1/subscriptions/{quote(await self._named(reference))}"))

    async def cancel(self, reference: str, *, at_period_end: bool = True) -> SubscriptionFacts:
        """See PaymentProvider."""
        path = f"/v1/subscriptions/{quote(await self._named(reference))}"
        if at_period_end:
            return subscription_facts(await self._post(path, {"cancel_at_period_end": "true"}))
        standing = await self.subscription(reference)
        if standing.status == "cancelled":
            return standing
        return subscription_facts(await self._caller().ask("DELETE", path))

    async def resume(self, reference: str) -> SubscriptionFacts:
        """See PaymentProvider."""
        path = f"/v1/subscriptions/{quote(await self._named(reference))}"
        return subscription_facts(await self._post(path, {"cancel_at_period_end": "false"}))

    async def change(
        self, reference: str, *, cents: int, title: str, interval: Interval, next_at: datetime
    ) -> SubscriptionFacts:
        """See PaymentProvider. The time until `next_at` was paid for elsewhere, so Stripe is told it is a trial."""
        path = f"/v1/subscriptions/{quote(await self._named(reference))}"
        found = await self._get(path)
        standing, item = subscription_facts(found), found["items"]["data"][0]
        price = item["price"]
        same = price["unit_amount"] == cents and price["recurring"]["interval"] == interval
        if same and standing.period_end is not None and abs(standing.period_end - next_at) <= _SAME_PERIOD:
            return standing
        made = await self._post(
            "/v1/prices",
            {
                "currency": "usd",
                "unit_amount": str(cents),
                "recurring[interval]": interval,
                "product_data[name]": title,
            },
        )
        fields = {
            "items[0][id]": str(item["id"]),
            "items[0][price]": str(made["id"]),
            "proration_behavior": "none",
            "trial_end": str(int(next_at.timestamp())),
        }
        return subscription_facts(await self._post(path, fields))

    async def _named(self, reference: str) -> str:
        if reference.startswith("cs_"):
            session = await self._session(reference)
            found = session.get("subscription")
            name = found.get("id") if isinstance(found, dict) else found
            if not name:
                raise Invalid("This checkout began no subscription yet.", code="no_subscription")
            return str(name)
        return reference

    async def _session(self, reference: str) -> dict[str, Any]:
        query = urlencode({"expand[]": "payment_intent.latest_charge"})
        return await self._get(f"/v1/checkout/sessions/{quote(reference)}?{query}")

    def _caller(self) -> Caller:
        key = self.settings.secret_key.get_secret_value() if self.settings.secret_key else ""
        headers = {"Authorization": f"Bearer {key}", "Stripe-Version": VERSION}
        return Caller.at(self.settings.api_base, headers, self.timeout_s)

    async def _get(self, path: str) -> dict[str, Any]:
        return await self._caller().ask("GET", path)

    async def _post(self, path: str, fields: Mapping[str, str], *, key: str | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return await self._caller().ask("POST", path, content=urlencode(fields).encode(), headers=headers)


def sign(secret: str, stamp: int, body: bytes) -> str:
    """The v1 signature: HMAC-SHA256 of `TIME.BODY` in hex."""
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()


def _moment(stamp: Any) -> datetime | None:
    return datetime.fromtimestamp(int(stamp), UTC) if stamp else None
