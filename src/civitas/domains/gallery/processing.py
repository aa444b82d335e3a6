"""What is recorded once a picture was decoded, or could not be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import ImageFailed, ImageReady
from civitas.domains.accounts.types import BLOCKED
from civitas.domains.gallery import levels, previews, remixes, resources
from civitas.domains.gallery.tables import Image, Post
from civitas.infra.queue.outbox import publish

# Short looping copies of animated pictures among the variants, and how their names end.
MOVING = "anim.webp"


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
    original: str | None
    meta: dict[str, Any]
    raw_metadata: dict[str, Any]
    kind: str = "image"
    duration_ms: int | None = None
    has_sound: bool = False
    # What somebody who looked at it says, where the operator has such a service.
    level: int = 0
    meta_format: str | None = None
    meta_faults: list[str] = field(default_factory=list)


def media_key(key: str, width: int, extension: str) -> str:
    """Where a variant lies in storage."""
    return f"media/{key}/{width}.{extension}"


def original_key(key: str) -> str:
    """Where the copy without its origin lies in storage: not below `media/`, for its owner may withdraw it."""
    return f"originals/{key}"


async def decoded(session: AsyncSession, *, image_id: int, facts: Decoded) -> bool:
    """The variants exist: the picture can be shown. Recording twice changes nothing.

    False when it was removed or blocked meanwhile, and its variants have to go again.
    """
    image = await session.scalar(select(Image).where(Image.id == image_id).with_for_update())
    if image is None or image.deleted_at is not None or image.nsfw_level & BLOCKED:
        return False
    image.status, image.failure = "ready", None
    image.width, image.height, image.content_type = facts.width, facts.height, facts.content_type
    image.variants, image.blurhash, image.colour = facts.variants, facts.blurhash, facts.colour
    image.perceptual_hash, image.original = facts.perceptual_hash, facts.original
    image.raw_metadata = facts.raw_metadata or None
    image.kind, image.duration_ms, image.has_sound = facts.kind, facts.duration_ms, facts.has_sound
    if image.meta is None and facts.meta:
        image.meta = facts.meta
    image.meta_format, image.meta_faults = facts.meta_format, facts.meta_faults or None
    await session.flush()
    await resources.detect(session, image)
    await remixes.note(session, image)
    floor = levels.stricter(await levels.least(session, image), facts.level)
    if floor:
        image.nsfw_level = levels.stricter(image.nsfw_level, floor)
    await session.flush()
    await levels.settle(session, post_id=image.post_id)
    post = await session.get_one(Post, image.post_id)
    if post.showcase and post.version_id is not None:
        await previews.refresh(session, post.version_id)
    await publish(session, ImageReady(image.id, image.post_id, image.person_id, post.version_id))
    return floor != BLOCKED


async def refused(session: AsyncSession, *, image_id: int, reason: str) -> None:
    """The picture cannot be decoded; it stays with its owner, explained."""
    image = await session.scalar(select(Image).where(Image.id == image_id).with_for_update())
    if image is None or image.status != "pending":
        return
    image.status, image.failure = "failed", reason[:500]
    await publish(session, ImageFailed(image.id, image.person_id, reason[:500]))
