"""Reads of the gallery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.gallery import policy
from civitas.domains.gallery.tables import Image, ImageResource, Post
from civitas.infra.db.readpool import ReadPool
from civitas.kit.sql import statements

_SQL = statements(__package__, "images.sql")


@dataclass(frozen=True, slots=True)
class Deliverable:
    """What is needed to send a picture; `original_key` is None when the file as it came is not given on."""

    key: str
    original_key: str | None
    content_type: str
    width: int
    variants: list[dict[str, Any]]
    hide_meta: bool


async def by_key(reads: ReadPool, key: str) -> Deliverable | None:
    """A ready picture by its key; None when there is none to show."""
    if len(key) > 64:
        return None
    rows = await reads.fetch(_SQL["deliverable"], (key,))
    return Deliverable(*rows[0]) if rows else None


async def meta_of(session: AsyncSession, actor: Actor, *, image_id: int) -> dict[str, Any] | None:
    """How a picture was made, for those who may see it; None when it is not theirs to see or its recipe is hidden."""
    image = await session.scalar(
        select(Image)
        .join(Post, Post.id == Image.post_id)
        .where(Image.id == image_id, policy.visible_to(actor), policy.posts_visible_to(actor))
    )
    if image is None or (image.hide_meta and not policy.can_edit(actor, image)):
        return None
    return image.meta or {}


async def versions_of(session: AsyncSession, *, image_id: int) -> list[tuple[int, float | None]]:
    """The versions that a picture was made with, as its page shows them, each with its strength where it has one."""
    rows = await session.execute(
        select(ImageResource.version_id, ImageResource.strength)
        .where(ImageResource.image_id == image_id)
        .order_by(ImageResource.version_id)
    )
    return [(row.version_id, None if row.strength is None else row.strength / 100) for row in rows]
