"""The port: what every provider can do, and the providers of a process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

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
from civitas.kit.errors import Unavailable

# Larger webhooks are refused before they are read; those of the providers have a few kilobytes.
LARGEST_NOTICE = 256 * 1024


class PaymentProvider(Protocol):
    """One way to pay. All but `verify` call out; Unavailable when the provider does not answer, Invalid for a refusal."""

    @property
    def info(self) -> ProviderInfo:
        """What people are told of it."""

    async def checkout(self, order: Order) -> Checkout:
        """Open a checkout; the same one when asked again with the same key."""

    async def read(self, reference: str) -> PaymentFacts:
        """What is true of the payment of a checkout."""

    async def refund(self, reference: str, cents: int, *, key: str, reason: str = "") -> Refunded:
        """Give `cents` of a checkout's payment back; once for each key."""

    async def verify(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """A webhook in our words. Forbidden (`bad_signature`) unless the provider signed exactly this, lately."""

    async def complete(self, notice: Notice) -> Notice:
        """What a notice leaves out, asked of the provider: whose order it is, how the payment stands."""

    async def subscription(self, reference: str) -> SubscriptionFacts:
        """How a subscription stands; `reference` is the subscription's, or that of the checkout that began it."""

    async def cancel(self, reference: str, *, at_period_end: bool = True) -> SubscriptionFacts:
        """End a subscription; doing it twice changes nothing."""

    async def resume(self, reference: str) -> SubscriptionFacts:
        """Take back that a subscription ends with its period. Invalid when it ended already."""

    async def change(
        self, reference: str, *, cents: int, title: str, interval: Interval, next_at: datetime
    ) -> SubscriptionFacts:
        """Charge `cents` for each `interval` from `next_at` (to come) on, and nothing before; twice changes nothing."""


@dataclass(frozen=True)
class Providers:
    """The ways to pay that this instance offers."""

    known: Mapping[str, PaymentProvider] = field(default_factory=dict)

    def __iter__(self) -> Iterator[PaymentProvider]:
        return iter(self.known.values())

    def get(self, key: str) -> PaymentProvider:
        """The provider of this name. Raises Unavailable (`provider_not_offered`)."""
        found = self.known.get(key)
        if found is None:
            raise Unavailable(
                "This way to pay is not offered here; choose another one.", code="provider_not_offered"
            )
        return found

    def offered(self, mode: Mode = Mode.PAYMENT) -> tuple[ProviderInfo, ...]:
        """What people can choose from."""
        return tuple(provider.info for provider in self if mode in provider.info.modes)
