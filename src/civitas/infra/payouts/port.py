"""The port through which cash leaves, and the way without a provider: staff pay, and say so."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from civitas.kit.errors import Unavailable


class PayoutState(StrEnum):
    """What became of an order."""

    PAID = "paid"
    REFUSED = "refused"
    REVERSED = "reversed"


@dataclass(frozen=True, slots=True)
class PayoutOrder:
    """One payment to one person, in cents of a US dollar. The same `token` is never paid twice."""

    token: uuid.UUID
    account: str
    cents: int
    description: str


@dataclass(frozen=True, slots=True)
class PayoutAnswer:
    """What the provider says; `reference` names the payment there, `told` says why it was refused."""

    state: PayoutState
    reference: str | None = None
    told: str = ""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The provider's account of a person, and where they tell the provider about themselves."""

    account: str
    url: str


class Payouts(Protocol):
    """Pays people. Every method raises Unavailable when the provider does not answer; trying again is safe."""

    def serves(self, method: str) -> bool:
        """Whether this way of paying goes through the provider."""

    async def enrol(
        self, *, person_id: int, email: str | None, account: str | None, back_url: str
    ) -> Enrolment:
        """Begin, or go on with, telling the provider who is paid. `account` is the known one."""

    async def ready(self, account: str) -> bool:
        """Whether the provider can pay this account."""

    async def pay(self, order: PayoutOrder) -> PayoutAnswer:
        """Pay, once however often it is asked."""

    async def look(self, reference: str) -> PayoutAnswer:
        """How an earlier payment stands now."""


class ManualPayouts:
    """No provider: everything is paid by hand."""

    def serves(self, method: str) -> bool:
        """Nothing."""
        return False

    async def enrol(
        self, *, person_id: int, email: str | None, account: str | None, back_url: str
    ) -> Enrolment:
        """Never."""
        raise _none()

    async def ready(self, account: str) -> bool:
        """Never."""
        raise _none()

    async def pay(self, order: PayoutOrder) -> PayoutAnswer:
        """Never."""
        raise _none()

    async def look(self, reference: str) -> PayoutAnswer:
        """Never."""
        raise _none()


@dataclass
class MemoryPayouts:
    """The fake: pays from a list of answers, remembers the orders, and each token counts once."""

    accounts: dict[str, bool] = field(default_factory=dict)
    paid: dict[uuid.UUID, tuple[PayoutOrder, PayoutAnswer]] = field(default_factory=dict)
    refuse: str = ""
    silent: bool = False
    reversed: set[str] = field(default_factory=set)

    def serves(self, method: str) -> bool:
        """Stripe's way."""
        return method == "stripe"

    async def enrol(
        self, *, person_id: int, email: str | None, account: str | None, back_url: str
    ) -> Enrolment:
        """An account named after the person."""
        made = account or f"acct_{person_id}"
        self.accounts.setdefault(made, False)
        return Enrolment(made, f"https://provider.example/{made}")

    async def ready(self, account: str) -> bool:
        """What the test says."""
        return self.accounts.get(account, False)

    async def pay(self, order: PayoutOrder) -> PayoutAnswer:
        """Paid, unless the test says otherwise."""
        if order.token not in self.paid:
            if self.refuse:
                return PayoutAnswer(PayoutState.REFUSED, told=self.refuse)
            answer = PayoutAnswer(PayoutState.PAID, f"tr_{len(self.paid) + 1}")
            self.paid[order.token] = (order, answer)
        if self.silent:
            raise Unavailable("The provider does not answer.", code="payouts_unavailable")
        return self.paid[order.token][1]

    async def look(self, reference: str) -> PayoutAnswer:
        """Paid, or reversed when the test says so."""
        state = PayoutState.REVERSED if reference in self.reversed else PayoutState.PAID
        return PayoutAnswer(state, reference)


def _none() -> Unavailable:
    return Unavailable(
        "This site has no provider for payouts; choose another way.", code="payouts_unavailable"
    )
