"""Which boards there are, and their bounds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

WINDOW: Final = timedelta(days=30)
RANKS: Final = 1_000
# Places beyond the hundredth are kept for so long; the others are what legends are made of.
KEPT: Final = timedelta(days=60)
LEGENDARY: Final = 100


class Span(StrEnum):
    """The last thirty days, or a quarter of a year."""

    WINDOW = "window"
    SEASON = "season"


@dataclass(frozen=True, slots=True)
class Board:
    """A board; `statement` names the SQL that gives points to people."""

    key: str
    title: str
    told: str
    statement: str
    unit: str


BOARDS: Final = (
    Board("overall", "Overall", "Everything that others made of your work.", "overall", "points"),
    Board("models", "Models", "Downloads of your models, and reviews of them.", "models", "points"),
    Board("checkpoints", "Checkpoints", "The same, for checkpoints alone.", "checkpoints", "points"),
    Board("loras", "LoRAs", "The same, for LoRAs and their kin.", "loras", "points"),
    Board("images", "Images", "Reactions to your pictures.", "images", "reactions"),
    Board("videos", "Videos", "Reactions to your videos.", "videos", "reactions"),
    Board("articles", "Articles", "Readers of your articles, reactions and comments.", "articles", "points"),
    Board("generators", "Generators", "What you made here, and the reactions to it.", "generators", "points"),
    Board("reviewers", "Reviewers", "Models that you reviewed in words.", "reviewers", "reviews"),
    Board("appreciated", "Appreciated", "Buzz that others tipped you.", "appreciated", "Buzz"),
    Board("donors", "Donors", "Buzz that you tipped others.", "donors", "Buzz"),
)
BY_KEY: Final = {board.key: board for board in BOARDS}


@dataclass(frozen=True, slots=True)
class Season:
    """A quarter of a year."""

    year: int
    quarter: int

    @property
    def name(self) -> str:
        """`2026-Q4`."""
        return f"{self.year}-Q{self.quarter}"

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.quarter * 3 - 2, 1)

    @property
    def begins(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.quarter * 3 - 2, 1, tzinfo=UTC)

    @property
    def ends(self) -> datetime:
        """The first moment of the next one."""
        return self.after.begins

    @property
    def after(self) -> Season:
        """The next one."""
        return Season(self.year + self.quarter // 4, self.quarter % 4 + 1)

    @property
    def before(self) -> Season:
        """The one before."""
        return Season(self.year - (self.quarter == 1), (self.quarter + 2) % 4 + 1)

    @classmethod
    def of(cls, moment: date) -> Season:
        """The season of a day or moment."""
        return cls(moment.year, (moment.month + 2) // 3)
