"""Deferred work on media."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# What a workflow of the site's own that rates says of itself: which blob it looks at.
RATES: Final = "rates"


@dataclass(frozen=True, slots=True)
class ExamineBlob:
    """Decode a picture that an agent made, compare it with what is blocked, rate it."""

    blob_id: str


@dataclass(frozen=True, slots=True)
class FetchMedia:
    """Bring in foreign media that a workflow's steps refer to."""

    fetch_id: int


@dataclass(frozen=True, slots=True)
class RateBlob:
    """Let a connected agent say how mature a picture is that another one made."""

    blob_id: str


@dataclass(frozen=True, slots=True)
class HearRating:
    """Record what an agent saw that was asked how mature a picture is."""

    workflow_id: str
