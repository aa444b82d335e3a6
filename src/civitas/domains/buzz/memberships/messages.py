"""Work of memberships that runs in the background."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MirrorSubscription:
    """Tell the provider how a membership shall go on: its price, whether it renews."""

    membership_id: int


@dataclass(frozen=True, slots=True)
class StopSubscription:
    """End an agreement at the provider at once, because nothing is behind it here."""

    provider: str
    subscription: str
