"""Deferred work of the feeds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FoldCounts:
    """Take what people did about things into the counts."""


@dataclass(frozen=True, slots=True)
class RebuildFeed:
    """Write the feed's rows of a `person`'s or `model`'s pictures anew, those with greater ids than `after`."""

    scope: str
    subject_id: int
    after: int = 0
