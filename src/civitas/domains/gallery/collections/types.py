"""Words of collections."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntFlag, StrEnum


class Kind(StrEnum):
    """What a collection holds."""

    MODEL = "model"
    IMAGE = "image"
    POST = "post"
    ARTICLE = "article"


class Mode(StrEnum):
    """What a collection is for."""

    STANDARD = "standard"
    # One for each kind and person, made when something is first kept.
    BOOKMARK = "bookmark"
    CONTEST = "contest"


class ReadBy(StrEnum):
    """Who may look: its people only, everybody, or whoever has the link."""

    PRIVATE = "private"
    PUBLIC = "public"
    UNLISTED = "unlisted"


class WriteBy(StrEnum):
    """Who may add: its people only, everybody, or everybody once somebody has looked at it."""

    PRIVATE = "private"
    PUBLIC = "public"
    REVIEW = "review"


class State(StrEnum):
    """What became of something that was added."""

    ACCEPTED = "accepted"
    REVIEW = "review"
    REJECTED = "rejected"


class Order(StrEnum):
    """The order of a collection's items; the random one changes every hour."""

    NEWEST = "newest"
    OLDEST = "oldest"
    RANDOM = "random"
    # Of contests: by judges' scores, then by votes.
    BEST = "best"


class Sort(StrEnum):
    """The order of lists of collections."""

    NEWEST = "newest"
    POPULAR = "popular"


class Permission(IntFlag):
    """What a contributor may do, as bits."""

    VIEW = 1
    ADD = 2
    ADD_REVIEW = 4
    MANAGE = 8
    JUDGE = 16


NOTHING = Permission(0)
EVERYTHING = Permission.VIEW | Permission.ADD | Permission.MANAGE

LONGEST_NAME, LONGEST_DESCRIPTION, LONGEST_NOTE = 30, 300, 300
MOST_ITEMS = 10_000
MOST_COLLECTIONS = 500
MOST_CONTRIBUTORS = 50
# How many items one call adds, removes, moves or judges.
BATCH = 200


@dataclass(frozen=True, slots=True)
class Rights:
    """What one viewer may do with one collection."""

    see: bool = False
    add: bool = False
    # What they add waits until somebody has looked at it.
    waits: bool = False
    manage: bool = False
    judge: bool = False
    owner: bool = False


@dataclass(frozen=True, slots=True)
class Contest:
    """The rules of a contest; a None leaves something open."""

    starts_at: datetime | None = None
    ends_at: datetime | None = None
    most_each: int | None = None
    # Whether what was published before the contest began may take part.
    existing: bool = True
    # Bits of the levels that entries may have; 0 for whatever its viewers see.
    level: int = 0
    rules_url: str = ""
    judging: bool = False
    voting: bool = False
    votes_from: datetime | None = None
    votes_until: datetime | None = None
    ended_at: datetime | None = None
