"""A provider that takes no money, for development: a page of our own says pay, fail, pay twice, dispute."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from civitas.contracts.payments import (
    Checkout,
    Interval,
    Mode,
    Notice,
    Order,
    PaymentFacts,
    ProviderInfo,
    Refunded,
    RenewalFacts,
    SubscriptionFacts,
)
from civitas.infra.db.database import Units
from civitas.infra.payments.tables import DevelopmentPayment
from civitas.kit import clock
from civitas.kit.errors import Forbidden, Invalid, NotFound
from civitas.kit.ids import new_uuid

KEY: Final = "development"
HEADER: Final = "x-development-signature"
DEEDS: Final = ("pay", "fail", "dispute", "lose", "renew")
_DAYS: Final = {"month": 30, "year": 365}


@dataclass(frozen=True)
class DevelopmentProvider:
    """See PaymentProvider. It is only ever opened where `site.development` is on."""

    units: Units
    secret: bytes
    info: ProviderInfo = field(
        default=ProviderInfo(
            KEY,
            "Pretend card",
            "Development only: nothing is paid, you say what happened.",
            "green",
            modes=frozenset({Mode.PAYMENT, Mode.SUBSCRIPTION}),
        )
    )

    async def checkout(self, order: Order) -> Checkout:
        """See PaymentProvider."""
        reference = f"dev_{hashlib.sha256(order.key.encode()).hexdigest()[:24]}"
        terms = {
            "title": order.title,
            "return_url": order.return_url,
            "cancel_url": order.cancel_url,
            "mode": order.mode.value,
            "interval": order.interval,
        }
        async with self.units.unit() as session:
            await session.execute(
                insert(DevelopmentPayment)
                .values(reference=reference, order_key=order.key, terms=terms, cents=order.cents)
                .on_conflict_do_nothing()
            )
        return Checkout(reference, f"/dev/checkout/{reference}", clock.now() + timedelta(days=1))

    async def look(self, reference: str) -> DevelopmentPayment:
        """A checkout for the page. Raises NotFound."""
        async with self.units.reading() as session:
            return await _found(session, reference)

    async def read(self, reference: str) -> PaymentFacts:
        """See PaymentProvider."""
        return _facts(await self.look(reference))

    async def refund(self, reference: str, cents: int, *, key: str, reason: str = "") -> Refunded:
        """See PaymentProvider."""
        async with self.units.unit() as session:
            row = await _found(session, reference, locked=True)
            done: dict[str, Any] = dict(row.terms.get("refunds", {}))
            if key not in done:
                if row.refunded_cents + cents > row.paid_cents:
                    raise Invalid("That is more than was paid.", code="provider_refused")
                row.terms = {**row.terms, "refunds": {**done, key: cents}}
                row.refunded_cents += cents
        return Refunded(f"refund_{key}", cents)

    async def act(self, reference: str, deed: str) -> tuple[dict[str, str], bytes]:
        """Do what the page was told to, and give the signed webhook that tells of it. Raises Invalid, NotFound."""
        if deed not in DEEDS:
            raise Invalid("There is nothing of this name to do.", code="unknown_deed")
        async with self.units.unit() as session:
            row = await _found(session, reference, locked=True)
            if deed == "pay":
                row.paid_cents = row.cents
            elif deed == "fail":
                row.failed = row.paid_cents == 0
            elif row.paid_cents == 0:
                raise Invalid("Nothing was paid yet.", code="nothing_paid")
            else:
                row.disputed = row.disputed or deed in ("dispute", "lose")
                row.lost = row.lost or deed == "lose"
            if row.terms["mode"] == Mode.SUBSCRIPTION and deed in ("pay", "renew") and not row.cancelled:
                first = row.period_end is None
                if deed == "renew" or first:
                    row.period_end = (row.period_end or clock.now()) + timedelta(
                        days=_DAYS[row.terms["interval"]]
                    )
            body = orjson.dumps({"id": f"evt_{new_uuid().hex}", "type": deed, "reference": reference})
        return {HEADER: self._sign(body)}, body

    def _sign(self, body: bytes) -> str:
        return hmac.new(self.secret, b"development payments:" + body, hashlib.sha256).hexdigest()

    async def verify(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """See PaymentProvider."""
        if not hmac.compare_digest(self._sign(body).encode(), headers.get(HEADER, "").encode()):
            raise Forbidden("The signature of this webhook does not hold.", code="bad_signature")
        told = orjson.loads(body)
        return Notice(told["id"], told["type"], None, told["reference"], look=True)

    async def complete(self, notice: Notice) -> Notice:
        """See PaymentProvider."""
        row = await self.look(notice.reference or "")
        told = notice.told(order=row.order_key, payment=_facts(row), look=False)
        if row.terms["mode"] != Mode.SUBSCRIPTION:
            return told
        standing = _standing(row)
        bill = None
        if notice.kind in ("pay", "renew") and row.period_end is not None:
            start = row.period_end - timedelta(days=_DAYS[row.terms["interval"]])
            cents = int(row.terms.get("next_cents", row.cents))
            bill = RenewalFacts(
                row.reference, f"{row.reference}:{start:%Y%m%d%H%M%S}", cents, True, start, row.period_end
            )
        return told.told(subscription=standing, renewal=bill)

    async def subscription(self, reference: str) -> SubscriptionFacts:
        """See PaymentProvider."""
        return _standing(await self.look(reference))

    async def cancel(self, reference: str, *, at_period_end: bool = True) -> SubscriptionFacts:
        """See PaymentProvider."""
        async with self.units.unit() as session:
            row = await _found(session, reference, locked=True)
            row.cancels_at_period_end = True
            row.cancelled = row.cancelled or not at_period_end
            return _standing(row)

    async def resume(self, reference: str) -> SubscriptionFacts:
        """See PaymentProvider."""
        async with self.units.unit() as session:
            row = await _found(session, reference, locked=True)
            if row.cancelled:
                raise Invalid("This subscription is over.", code="subscription_over")
            row.cancels_at_period_end = False
            return _standing(row)

    async def change(
        self, reference: str, *, cents: int, title: str, interval: Interval, next_at: datetime
    ) -> SubscriptionFacts:
        """See PaymentProvider."""
        async with self.units.unit() as session:
            row = await _found(session, reference, locked=True)
            # What was paid so far keeps its sum: `cents` of the row is the next bill's.
            row.terms = {**row.terms, "title": title, "interval": interval, "next_cents": cents}
            row.period_end = next_at
            return _standing(row)


async def _found(session: Any, reference: str, *, locked: bool = False) -> DevelopmentPayment:
    statement = select(DevelopmentPayment).where(DevelopmentPayment.reference == reference)
    found: DevelopmentPayment | None = await session.scalar(
        statement.with_for_update() if locked else statement
    )
    if found is None:
        raise NotFound("There is no such checkout.", code="payment_not_found")
    return found


def _facts(row: DevelopmentPayment) -> PaymentFacts:
    return PaymentFacts(
        paid_cents=row.paid_cents,
        seen_cents=row.paid_cents,
        refunded_cents=row.refunded_cents,
        disputed_cents=row.cents if row.disputed else 0,
        lost_cents=row.cents if row.lost else 0,
        failed=row.failed,
    )


def _standing(row: DevelopmentPayment) -> SubscriptionFacts:
    over = row.cancels_at_period_end and row.period_end is not None and row.period_end <= clock.now()
    status = "incomplete" if row.period_end is None else "cancelled" if row.cancelled or over else "active"
    start = row.period_end - timedelta(days=_DAYS[row.terms["interval"]]) if row.period_end else None
    return SubscriptionFacts(
        row.reference,
        status,
        start.astimezone(UTC) if start else None,
        _utc(row.period_end),
        row.cancels_at_period_end,
    )


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None
