"""Work of buying that runs in the background."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RefundPurchase:
    """Ask the provider for the refund that staff decided on."""

    purchase_id: int


@dataclass(frozen=True, slots=True)
class MailGiftCard:
    """Make the code of a gift card that was paid, and mail it."""

    purchase_id: int
