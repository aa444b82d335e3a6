"""States, priorities and levels, by their names on the wire."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a workflow, a step or a job stands (FEATURES O4)."""

    UNASSIGNED = "unassigned"
    PREPARING = "preparing"
    SCHEDULED = "scheduled"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        """Whether it never changes again."""
        return self in FINAL


FINAL: Final = frozenset({Status.SUCCEEDED, Status.FAILED, Status.EXPIRED, Status.CANCELED})
OPEN: Final = tuple(status for status in Status if status not in FINAL)


class Priority(StrEnum):
    """How soon a step wants to be run."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class ClaimState(StrEnum):
    """What became of an agent's claim on a job."""

    OPEN = "open"
    WON = "won"
    # Another agent was first, or the job was cancelled.
    LOST = "lost"
    FAILED = "failed"
    REJECTED = "rejected"
    # Nothing was heard of the agent in time.
    EXPIRED = "expired"


class Level(StrEnum):
    """Maturity of content, from general audiences to what nobody has rated (FEATURES O11)."""

    PG = "pg"
    PG13 = "pg13"
    R = "r"
    X = "x"
    XXX = "xxx"
    UNRATED = "na"

    @property
    def mature(self) -> bool:
        """Whether a safe site, or a workflow that does not allow mature content, may not show it."""
        return self in (Level.R, Level.X, Level.XXX)


class UpgradeMode(StrEnum):
    """What happens when output turns out mature that was paid with Buzz for safe content only."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"


class Reason(StrEnum):
    """Why a job or a step did not succeed, where it was not the work itself."""

    NO_PROVIDER = "no_provider_available"
    BLOCKED = "blocked"
    TIMEOUT = "timeout"
    CANCELED = "canceled"
    DEPENDENCY = "dependency_failed"
    BAD_REFERENCE = "reference_unresolved"
    BAD_INPUT = "invalid_input"
    BAD_OUTPUT = "invalid_output"
    FUNDS = "insufficient_funds"
