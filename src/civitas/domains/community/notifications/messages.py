"""Deferred work of notifications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FanOut:
    """Tell everybody of an audience: `followers` of a person, who is `waiting` for a model, or `everybody`."""

    audience: str
    of_id: int
    kind: str
    key: str
    actor_id: int | None
    subject_kind: str | None
    subject_id: int | None
    data: dict[str, Any]
    mature: bool = False


@dataclass(frozen=True, slots=True)
class MailDigest:
    """Mail a person what they have not read of what changed between two moments (RFC 3339)."""

    person_id: int
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class SendPushes:
    """Send what waits to be pushed, to whichever device it is."""
