"""Crypto through a BTCPay Server: Greenfield invoices, pull payments for refunds, signed webhooks."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

import orjson

from civitas.contracts.payments import (
    Checkout,
    Interval,
    Notice,
    Order,
    PaymentFacts,
    ProviderInfo,
    Refunded,
    SubscriptionFacts,
)
from civitas.infra.payments.calling import Caller
from civitas.infra.payments.settings import BtcPaySettings
from civitas.kit.errors import Forbidden, Invalid


@dataclass(frozen=True)
class BtcPayProvider:
    """See PaymentProvider. Buys yellow Buzz. A webhook is only a knock: the invoice is asked what is true."""

    settings: BtcPaySettings
    fee_cents: int = 0
    timeout_s: float = 15.0

    @property
    def info(self) -> ProviderInfo:
        """See PaymentProvider."""
        told = "Bitcoin and what else the site's own payment server takes. Confirmation can take an hour."
        return ProviderInfo("btcpay", "Crypto", told, "yellow", self.fee_cents)

    async def checkout(self, order: Order) -> Checkout:
        """See PaymentProvider. Greenfield has no idempotency keys, so an invoice of this order is looked for first."""
        known = await self._ask("GET", f"/invoices?orderId={quote(order.key, safe='')}&take=1")
        found = known.get("data") or []
        made = found[0] if found else await self._ask("POST", "/invoices", self._invoice(order))
        return Checkout(str(made["id"]), str(made["checkoutLink"]), _moment(made.get("expirationTime")))

    def _invoice(self, order: Order) -> dict[str, Any]:
        metadata: dict[str, Any] = {"orderId": order.key, "itemDesc": order.title}
        if order.email:
            metadata["buyerEmail"] = order.email
        return {
            "amount": f"{Decimal(order.cents) / 100:.2f}",
            "currency": "USD",
            "metadata": metadata,
            "checkout": {
                "redirectURL": order.return_url,
                "redirectAutomatically": True,
                "expirationMinutes": self.settings.expires_minutes,
            },
        }

    async def read(self, reference: str) -> PaymentFacts:
        """See PaymentProvider."""
        path = f"/invoices/{quote(reference, safe='')}"
        return invoice_facts(
            await self._ask("GET", path),
            (await self._ask("GET", f"{path}/payment-methods")).get("data") or [],
        )

    async def refund(self, reference: str, cents: int, *, key: str, reason: str = "") -> Refunded:
        """See PaymentProvider: a pull payment, which the payer fetches with an address of theirs."""
        path = f"/invoices/{quote(reference, safe='')}"
        methods = (await self._ask("GET", f"{path}/payment-methods")).get("data") or []
        paid = [method for method in methods if _decimal(method.get("totalPaid")) > 0]
        if not paid:
            raise Invalid("Nothing was paid in this checkout.", code="nothing_paid")
        name = str(paid[0].get("paymentMethodId") or paid[0].get("paymentMethod"))
        body = {
            "name": f"Refund {key}"[:50],
            "description": reason[:200],
            "payoutMethodId": name,
            "paymentMethod": name,
            "refundVariant": "Custom",
            "customAmount": f"{Decimal(cents) / 100:.2f}",
            "customCurrency": "USD",
        }
        made = await self._ask("POST", f"{path}/refund", body)
        link = made.get("viewLink")
        return Refunded(str(made["id"]), cents, str(link) if link else None)

    async def verify(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """See PaymentProvider; the scheme is `BTCPay-Sig: sha256=HMAC` of the raw body."""
        secret = self.settings.webhook_secret
        wanted = sign(secret.get_secret_value() if secret else "", body)
        given = headers.get("btcpay-sig", "")
        if secret is None or not hmac.compare_digest(wanted.encode(), given.encode()):
            raise Forbidden("The signature of this webhook does not hold.", code="bad_signature")
        try:
            told = orjson.loads(body)
            if not isinstance(told, dict):
                raise TypeError
            kind = str(told["type"])[:100]
            if told.get("storeId") != self.settings.store_id or not told.get("invoiceId"):
                return Notice(_event_id(told), kind)
            order = (told.get("metadata") or {}).get("orderId")
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise Invalid("This is not an event of BTCPay Server.", code="bad_event") from error
        return Notice(
            _event_id(told),
            kind,
            str(order)[:200] if order else None,
            str(told["invoiceId"])[:200],
            look=True,
        )

    async def complete(self, notice: Notice) -> Notice:
        """See PaymentProvider."""
        if notice.reference is None:
            return notice.told(look=False)
        facts = await self.read(notice.reference)
        order = notice.order
        if order is None:
            found = await self._ask("GET", f"/invoices/{quote(notice.reference, safe='')}")
            order = (found.get("metadata") or {}).get("orderId")
        return notice.told(order=order, payment=facts, look=False)

    async def subscription(self, reference: str) -> SubscriptionFacts:
        """There are none: crypto is paid once."""
        raise Invalid("Crypto pays once; there is no subscription.", code="no_subscription")

    async def cancel(self, reference: str, *, at_period_end: bool = True) -> SubscriptionFacts:
        """There are none: crypto is paid once."""
        raise Invalid("Crypto pays once; there is no subscription.", code="no_subscription")

    async def resume(self, reference: str) -> SubscriptionFacts:
        """There are none: crypto is paid once."""
        raise Invalid("Crypto pays once; there is no subscription.", code="no_subscription")

    async def change(
        self, reference: str, *, cents: int, title: str, interval: Interval, next_at: datetime
    ) -> SubscriptionFacts:
        """There are none: crypto is paid once."""
        raise Invalid("Crypto pays once; there is no subscription.", code="no_subscription")

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        settings = self.settings
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        base = f"{(settings.url or '').rstrip('/')}/api/v1/stores/{quote(settings.store_id or '', safe='')}"
        caller = Caller.at(base, {"Authorization": f"token {key}"}, self.timeout_s)
        content = orjson.dumps(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if content else None
        return await caller.ask(method, path, content=content, headers=headers)


def sign(secret: str, body: bytes) -> str:
    """What the header `BTCPay-Sig` holds."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def invoice_facts(invoice: Mapping[str, Any], methods: list[Mapping[str, Any]]) -> PaymentFacts:
    """What an invoice and its payments say. What was paid is counted at the rate that the payer was shown."""
    amount = _cents(_decimal(invoice.get("amount")))
    paid = seen = Decimal(0)
    for method in methods:
        rate = _decimal(method.get("rate"))
        for payment in method.get("payments") or []:
            worth = _decimal(payment.get("value")) * rate
            settled, waiting = payment.get("status") == "Settled", payment.get("status") == "Processing"
            paid += worth if settled else 0
            seen += worth if settled or waiting else 0
    status = str(invoice.get("status"))
    # What the server or the merchant calls settled is paid in full, rounding, tolerance and cash included.
    whole = amount if status in ("Settled", "Complete") else 0
    paid_cents = max(_cents(paid), whole)
    return PaymentFacts(
        paid_cents=paid_cents,
        seen_cents=max(_cents(seen), paid_cents),
        expired=status == "Expired",
        failed=status == "Invalid",
    )


def _event_id(told: Mapping[str, Any]) -> str:
    return str(told.get("originalDeliveryId") or told["deliveryId"])[:200]


def _decimal(given: Any) -> Decimal:
    try:
        found = Decimal(str(given)) if given is not None else Decimal(0)
    except InvalidOperation:
        return Decimal(0)
    return found if found.is_finite() and found >= 0 else Decimal(0)


def _cents(dollars: Decimal) -> int:
    return int((dollars * 100).quantize(Decimal(1), ROUND_HALF_UP))


def _moment(stamp: Any) -> datetime | None:
    return datetime.fromtimestamp(int(stamp), UTC) if stamp else None
