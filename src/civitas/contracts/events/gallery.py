"""Facts about pictures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageAdded:
    """A picture was taken in; it is not decoded yet."""

    image_id: int
    post_id: int
    person_id: int
    version_id: int | None


@dataclass(frozen=True, slots=True)
class ImageReady:
    """A picture was decoded, its variants exist."""

    image_id: int
    post_id: int
    person_id: int
    version_id: int | None


@dataclass(frozen=True, slots=True)
class ImageFailed:
    """A picture could not be decoded; its owner is told why."""

    image_id: int
    person_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImageRemoved:
    """A picture was taken away by its owner or staff."""

    image_id: int
    person_id: int
    version_id: int | None
