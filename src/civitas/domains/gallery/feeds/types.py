"""Orders, spans and filters of feeds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from civitas.domains.accounts.types import SAFE_MASK


class ImageSort(StrEnum):
    """Orders of a feed (FEATURES C10)."""

    MOST_REACTIONS = "Most Reactions"
    MOST_COMMENTS = "Most Comments"
    MOST_COLLECTED = "Most Collected"
    NEWEST = "Newest"
    OLDEST = "Oldest"
    RANDOM = "Random"


class ImagePeriod(StrEnum):
    """How far back a feed looks."""

    ALL_TIME = "AllTime"
    YEAR = "Year"
    MONTH = "Month"
    WEEK = "Week"
    DAY = "Day"


SPANS: Final = {
    ImagePeriod.YEAR: timedelta(days=365),
    ImagePeriod.MONTH: timedelta(days=30),
    ImagePeriod.WEEK: timedelta(days=7),
    ImagePeriod.DAY: timedelta(days=1),
}
# Spans whose pictures are all in the orders by week.
RECENT: Final = frozenset({ImagePeriod.MONTH, ImagePeriod.WEEK, ImagePeriod.DAY})


@dataclass(frozen=True, slots=True)
class FeedFilter:
    """What is asked of a feed. Empty fields do not filter; alternatives within a field, all fields together.

    `tags` and `tools` must all be there; `mask` narrows what the viewer may see anyway. `remixes` None is both.
    `followed` and `unseen` are of the viewer. `seed` makes a random order repeatable.
    """

    mask: int = SAFE_MASK
    kinds: tuple[str, ...] = ()
    base_models: tuple[str, ...] = ()
    version_ids: tuple[int, ...] = ()
    model_ids: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    tag_ids: tuple[int, ...] = ()
    without_tags: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    usernames: tuple[str, ...] = ()
    person_ids: tuple[int, ...] = ()
    post_id: int | None = None
    image_id: int | None = None
    with_meta: bool = False
    made_here: bool = False
    remixes: bool | None = None
    followed: bool = False
    unseen: bool = False
    period: ImagePeriod = ImagePeriod.ALL_TIME
    sort: ImageSort = ImageSort.NEWEST
    seed: int = 0
    # What was published after this moment.
    since: datetime | None = None
