"""Words and numbers of comments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

LONGEST: Final = 50_000
# How deep answers nest, by kind of subject (FEATURES F1); the first level counts as one.
DEEPEST: Final = 5
DEEPEST_BY_KIND: Final[Mapping[str, int]] = {"image": 3, "bounty_entry": 3}
# What has no thread of its own: answers belong to the thread of their comment, people are written to otherwise.
WITHOUT_THREAD: Final = frozenset({"comment", "user", "model_version"})
MOST_MENTIONS: Final = 20
MOST_PINNED: Final = 3
MOST_REVISIONS: Final = 100
# The same words from the same person in the same thread within this time are one comment, sent twice.
REPEATED_WITHIN: Final = timedelta(minutes=10)

# How many comments in an hour and a day, by the least score for it (FEATURES A17).
ALLOWANCES: Final = ((1000, 60, 480), (0, 10, 40))


class State(StrEnum):
    """What others see of a comment."""

    SHOWN = "shown"
    HIDDEN = "hidden"
    REMOVED = "removed"


class Order(StrEnum):
    """How the first level of a thread is sorted; answers are always told in the order in which they were given."""

    NEWEST = "newest"
    OLDEST = "oldest"
    REACTIONS = "reactions"


def deepest(kind: str) -> int:
    """How many levels a thread on this kind of subject has."""
    return DEEPEST_BY_KIND.get(kind, DEEPEST)
