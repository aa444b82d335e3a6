"""What cards of pictures and posts show, read for a page of ids at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from civitas.domains.gallery.feeds.reactions import Counts
from civitas.infra.db.readpool import ReadPool
from civitas.kit.sql import statements

_SQL = statements(__package__, "pages.sql")


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """A picture of a feed; `prompt` is its beginning, None where its recipe is hidden.

    `moving` is the ending of the short copy that moves, `anim.webp` or `mp4`, where there is one.
    """

    id: int
    key: str
    name: str
    kind: str
    width: int
    height: int
    blurhash: str | None
    level: int
    created_at: datetime
    published_at: datetime
    post_id: int
    person_id: int
    username: str
    avatar_key: str | None
    prompt: str | None
    note: str | None
    has_meta: bool
    duration_ms: int | None
    post_title: str | None
    moving: str | None
    counts: Counts


@dataclass(frozen=True, slots=True)
class PostFacts:
    """A post of a feed with the ids of its first pictures that the viewer may see."""

    id: int
    title: str | None
    published_at: datetime
    person_id: int
    username: str
    avatar_key: str | None
    count: int
    image_ids: tuple[int, ...]


async def images(reads: ReadPool, ids: Sequence[int]) -> list[ImageFacts]:
    """The cards of these pictures, in their order."""
    if not ids:
        return []
    rows = await reads.fetch(_SQL["cards"], {"ids": list(ids)})
    made: list[tuple[Any, ...]] = [(*row[:20], Counts(*row[20:])) for row in rows]
    return [ImageFacts(*fields) for fields in made]


async def posts(reads: ReadPool, ids: Sequence[int], *, mask: int) -> list[PostFacts]:
    """The cards of these posts, in their order; those without a picture for this mask are left out."""
    if not ids:
        return []
    rows = await reads.fetch(_SQL["post_cards"], {"ids": list(ids), "mask": mask})
    made: list[tuple[Any, ...]] = [(*row[:7], tuple(row[7])) for row in rows]
    return [PostFacts(*fields) for fields in made]
