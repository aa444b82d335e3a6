"""Words of placements, and the stickers that come along."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Surface(StrEnum):
    """What is placed: a sticker over a picture, or a picture below the one that it was made from."""

    STICKER = "sticker"
    REMIX = "remix"


class SpaceKind(StrEnum):
    """Where a space is set; what is set on a picture goes before its post's, and that before its owner's."""

    USER = "user"
    POST = "post"
    IMAGE = "image"


class Openness(StrEnum):
    """Whether something may be placed: not at all, once the owner has agreed, or at once."""

    OFF = "off"
    REVIEW = "review"
    AUTO = "auto"


class Status(StrEnum):
    """What became of a placement."""

    PENDING = "pending"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"
    REMOVED = "removed"


class RemovedBy(StrEnum):
    """Who ended a placement. The site does when what it is about is gone, or no longer public."""

    OWNER = "owner"
    PLACER = "placer"
    STAFF = "staff"
    SITE = "site"


SURFACE_LABELS: Final = {Surface.STICKER: "Stickers", Surface.REMIX: "Remixes"}
STATUS_LABELS: Final = {
    Status.PENDING: "Waiting",
    Status.APPROVED: "Shown",
    Status.DECLINED: "Declined",
    Status.EXPIRED: "Not answered in time",
    Status.REMOVED: "Taken away",
}
# Drawn for this project: `static/stickers/{key}.svg`.
STICKERS: Final = {
    "heart": "Heart",
    "star": "Star",
    "sparkles": "Sparkles",
    "flame": "Flame",
    "crown": "Crown",
    "rosette": "Rosette",
    "bolt": "Lightning",
    "moon": "Moon",
    "leaf": "Leaf",
    "blossom": "Blossom",
    "wave": "Wave",
    "speech": "Wow",
}
LONGEST_REASON: Final = 300
# Ten-thousandths of a picture's width and height; hundredths of a fifth of its shorter edge; whole degrees.
WHOLE: Final = 10_000
LEAST_SCALE, MOST_SCALE = 40, 250
MOST_TURN: Final = 180


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the middle of a sticker is, how large it is and how it is turned."""

    x: int = WHOLE // 2
    y: int = WHOLE // 2
    scale: int = 100
    rotation: int = 0


@dataclass(frozen=True, slots=True)
class Sticker:
    """Which sticker: one that comes along (`key`), or a cosmetic that its placer has."""

    key: str | None = None
    cosmetic_id: int | None = None
