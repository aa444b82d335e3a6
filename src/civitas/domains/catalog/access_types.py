"""The words of early and paid access."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntFlag, StrEnum


class Gate(StrEnum):
    """What keeps a version from everybody: nothing, a window of days, or a price that stays."""

    NONE = "none"
    TIMED = "timed"
    PERMANENT = "permanent"


class AccessState(StrEnum):
    """Where a gate stands: set up but never published, in force, over."""

    DRAFT = "draft"
    OPEN = "open"
    ENDED = "ended"


class EndReason(StrEnum):
    """Why a gate is over."""

    TIME = "time"
    GOAL = "goal"
    CREATOR = "creator"
    WITHDRAWN = "withdrawn"


class Permission(IntFlag):
    """What somebody may do with a gated version; the bits are those of existing clients (FEATURES I51)."""

    NONE = 0
    GENERATE = 1
    DOWNLOAD = 2
    ALL = 3


class PaymentKind(StrEnum):
    """What somebody paid for."""

    PURCHASE = "purchase"
    DONATION = "donation"


class PaymentStatus(StrEnum):
    """Where the money is: kept in escrow, with the creator, on its way back, back."""

    KEPT = "kept"
    PAID = "paid"
    RETURNING = "returning"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Bought:
    """A payment as it stands; amounts in quarters, `parts` by colour in the order in which they were taken."""

    id: int
    version_id: int
    kind: str
    permissions: Permission
    amount: int
    parts: tuple[tuple[str, int], ...]
    replayed: bool
    created_at: datetime
