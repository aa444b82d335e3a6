"""The words in which payments are spoken of inside the house, whatever a provider calls them. Money is in US cents."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal

Interval = Literal["month", "year"]


class Mode(StrEnum):
    """Whether something is paid once or again and again."""

    PAYMENT = "payment"
    SUBSCRIPTION = "subscription"


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody sets out to pay.

    `key` names it on both sides: what concerns it and its number or UUID, as in `purchase:7`. Asking a provider
    twice with one key makes one checkout. The addresses are absolute.
    """

    key: str
    cents: int
    title: str
    return_url: str
    cancel_url: str
    mode: Mode = Mode.PAYMENT
    interval: Interval = "month"
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout that waits for its payer: the provider's name of it, where to pay, until when."""

    reference: str
    url: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """What is known of one payment so far.

    Every field only ever grows, so facts may be learned in any order and any number of times: `joined` is the same
    whichever comes first. `paid_cents` arrived for good; `seen_cents` includes what still waits for confirmation.
    `reference` is the provider's name of the payment where that differs from the checkout's.
    """

    paid_cents: int = 0
    seen_cents: int = 0
    refunded_cents: int = 0
    disputed_cents: int = 0
    lost_cents: int = 0
    dispute_won: bool = False
    expired: bool = False
    failed: bool = False
    reference: str | None = None
    # Of what was refunded, what never reached the payer: their bank sent it back.
    unreturned_cents: int = 0

    def joined(self, other: PaymentFacts) -> PaymentFacts:
        """Both together."""
        return PaymentFacts(
            paid_cents=max(self.paid_cents, other.paid_cents),
            seen_cents=max(self.seen_cents, other.seen_cents, self.paid_cents, other.paid_cents),
            refunded_cents=max(self.refunded_cents, other.refunded_cents),
            disputed_cents=max(self.disputed_cents, other.disputed_cents),
            lost_cents=max(self.lost_cents, other.lost_cents),
            dispute_won=self.dispute_won or other.dispute_won,
            unreturned_cents=max(self.unreturned_cents, other.unreturned_cents),
            expired=self.expired or other.expired,
            failed=self.failed or other.failed,
            reference=self.reference or other.reference,
        )


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """How a subscription stands: `active`, `past_due`, `cancelled` or `incomplete`, and the period paid for."""

    reference: str
    status: str
    period_start: datetime | None = None
    period_end: datetime | None = None
    cancels_at_period_end: bool = False


@dataclass(frozen=True, slots=True)
class RenewalFacts:
    """One bill of a subscription: paid, or tried in vain. `reference` is the bill's; each counts once."""

    subscription: str
    reference: str
    cents: int
    paid: bool
    period_start: datetime | None = None
    period_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """What a provider told, checked and in our words.

    `event_id` is the same when the provider repeats itself. `order` is the key of our order where the provider names
    it. With `look` the notice is only a knock: the provider has to be asked what is true.
    """

    event_id: str
    kind: str
    order: str | None = None
    reference: str | None = None
    payment: PaymentFacts | None = None
    subscription: SubscriptionFacts | None = None
    renewal: RenewalFacts | None = None
    look: bool = False
    # The bill of a subscription that `payment` is about, by the provider's name of it; else it is about the checkout.
    bill: str | None = None

    def told(self, **changes: object) -> Notice:
        """The same with more known of it."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Refunded:
    """A refund that the provider took on. With `url` the payer has to fetch it there (crypto)."""

    reference: str
    cents: int
    url: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """What people are told of a way to pay. `colour` is the colour of Buzz that it buys."""

    key: str
    label: str
    told: str
    colour: str
    fee_cents: int = 0
    modes: frozenset[Mode] = field(default_factory=lambda: frozenset({Mode.PAYMENT}))
