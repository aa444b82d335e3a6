"""Work of the creator programme that runs in the background."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PayWithdrawal:
    """Ask the provider to pay a withdrawal."""

    withdrawal_id: int
