"""Words and bounds of articles."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final

MAX_TITLE: Final = 100
MAX_CONTENT: Final = 200_000
MAX_TAGS: Final = 10
MAX_PICTURES: Final = 100
MAX_DRAFTS: Final = 200
# The last so many revisions of an article are kept, and the one that is public.
KEPT_REVISIONS: Final = 50
# Savings by the editor itself within this time are one revision.
SAME_SITTING: Final = timedelta(minutes=5)
SCHEDULE_AHEAD: Final = timedelta(days=365)
WORDS_A_MINUTE: Final = 220
SECONDS_A_PICTURE: Final = 10
# First publications in a day by the score of one's articles (FEATURES A17); none on the day one joined.
ALLOWANCES: Final = ((10_000, 20), (5_000, 10), (1_000, 5), (0, 3))


class Status(StrEnum):
    """Where an article stands. `violation` is staff's word; its writer cannot publish it again by themselves."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    UNPUBLISHED = "unpublished"
    VIOLATION = "violation"


class Category(StrEnum):
    """What an article is for."""

    GUIDE = "guide"
    TUTORIAL = "tutorial"
    WORKFLOW = "workflow"
    COMPARISON = "comparison"
    SHOWCASE = "showcase"
    RESEARCH = "research"
    NEWS = "news"
    STORY = "story"


class Saved(StrEnum):
    """How a revision came about."""

    AUTO = "auto"
    SAVED = "saved"
    PUBLISHED = "published"
    RESTORED = "restored"


class Sort(StrEnum):
    """Orders of a list of articles."""

    NEWEST = "Newest"
    MOST_REACTIONS = "Most Reactions"
    MOST_COMMENTS = "Most Comments"
    MOST_BOOKMARKS = "Most Bookmarks"
    MOST_COLLECTED = "Most Collected"
    RECENTLY_UPDATED = "Recently Updated"


class Period(StrEnum):
    """How far back a list looks."""

    ALL_TIME = "AllTime"
    YEAR = "Year"
    MONTH = "Month"
    WEEK = "Week"
    DAY = "Day"


SPANS: Final = {
    Period.YEAR: timedelta(days=365),
    Period.MONTH: timedelta(days=30),
    Period.WEEK: timedelta(days=7),
    Period.DAY: timedelta(days=1),
}
