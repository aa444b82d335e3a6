"""What is recorded once a picture was decoded, or could not be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import ImageFailed, ImageReady
from civitas.domains.gallery import previews
from civitas.domains.gallery.tables import Image, Post
from civitas.infra.queue.outbox import publish


@dataclass(frozen=True, slots=True)
class Decoded:
    """The facts of a picture, in the gallery's words."""

    width: int
    height: int
    content_type: str
    animated: bool
    variants: list[dict[str, Any]]
    blurhash: str
    colour: str
    perceptual_hash: int
    meta: dict[str, Any]
    raw_metadata: dict[str, Any]


def media_key(key: str, width: int, extension: str) -> str:
    """Where a variant lies in storage."""
    return f"media/{key}/{width}.{extension}"


async def decoded(session: AsyncSession, *, image_id: int, facts: Decoded) -> None:
    """The variants exist: the picture can be shown. Recording twice changes nothing."""
    image = await session.scalar(select(Image).where(Image.id == image_id).with_for_update())
    if image is None or image.deleted_at is not None:
        return
    image.status, image.failure = "ready", None
    image.width, image.height, image.content_type = facts.width, facts.height, facts.content_type
    image.variants, image.blurhash, image.colour = facts.variants, facts.blurhash, facts.colour
    image.perceptual_hash = facts.perceptual_hash
    image.raw_metadata = facts.raw_metadata or None
    if image.meta is None and facts.meta:
        image.meta = facts.meta
    await session.flush()
    version_id = await session.scalar(select(Post.version_id).where(Post.id == image.post_id))
    if version_id is not None:
        await previews.refresh(session, version_id)
    await publish(session, ImageReady(image.id, image.post_id, image.person_id, version_id))


async def refused(session: AsyncSession, *, image_id: int, reason: str) -> None:
    """The picture cannot be decoded; it stays with its owner, explained."""
    image = await session.scalar(select(Image).where(Image.id == image_id).with_for_update())
    if image is None or image.status != "pending":
        return
    image.status, image.failure = "failed", reason[:500]
    await publish(session, ImageFailed(image.id, image.person_id, reason[:500]))
