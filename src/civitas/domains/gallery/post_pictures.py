"""The pictures of a post: adding, ordering, notes, how mature they all are."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import case, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import ImageChanged, PostChanged
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.types import BLOCKED, Actor
from civitas.domains.blobs import uploading
from civitas.domains.blobs.types import Purpose
from civitas.domains.gallery import adding, levels, posting, previews
from civitas.domains.gallery.tables import Image, Post
from civitas.infra.queue.outbox import publish
from civitas.kit.errors import Conflict, Invalid
from civitas.kit.text import clean_block

MAX_NOTE: Final = 2_000
PURPOSES: Final = (Purpose.IMAGE, Purpose.MEDIA)


async def add(
    session: AsyncSession,
    actor: Actor,
    *,
    post_id: int,
    upload_id: uuid.UUID,
    nsfw_level: int | None = None,
    note: str | None = None,
    hide_meta: bool = False,
    meta: Mapping[str, Any] | None = None,
) -> Image:
    """Add a finished upload to a post; it shows once it was decoded and rated.

    `nsfw_level` is the owner's rating, none when it is not known; `meta` a recipe that replaces what the file says.
    Raises NotFound, Forbidden, Invalid (`bad_level`, `note_too_long`, `meta_too_long`), Conflict (`too_many_images`,
    `upload_purpose`).
    """
    adding.check_level(nsfw_level)
    adding.check_meta(meta)
    post = await posting.editable(session, actor, post_id=post_id)
    require_voice(actor)
    upload = await uploading.owned(session, actor, upload_id=upload_id)
    if upload.purpose not in PURPOSES:
        raise Conflict(
            f"This upload was announced as {upload.purpose}; announce it as image or media.",
            code="upload_purpose",
        )
    blob = await uploading.finished_blob(session, actor, upload_id=upload_id)
    return await adding.append(
        session,
        post,
        person_id=post.person_id,
        blob_id=blob.id,
        name=upload.filename,
        nsfw_level=nsfw_level or 0,
        nsfw_level_locked=nsfw_level is not None,
        note=_note(note),
        hide_meta=hide_meta,
        meta=dict(meta) if meta is not None else None,
    )


async def reorder(session: AsyncSession, actor: Actor, *, post_id: int, image_ids: Sequence[int]) -> None:
    """Put a post's pictures into this order; every one of them must be named once. Raises Invalid (`bad_order`)."""
    post = await posting.editable(session, actor, post_id=post_id)
    ids = await session.scalars(select(Image.id).where(Image.post_id == post.id, Image.deleted_at.is_(None)))
    if sorted(ids) != sorted(image_ids):
        raise Invalid("Name every picture of this post exactly once.", code="bad_order")
    if image_ids:
        places = {image_id: place for place, image_id in enumerate(image_ids)}
        await session.execute(
            update(Image)
            .where(Image.post_id == post.id, Image.id.in_(image_ids))
            .values(position=case(places, value=Image.id))
        )
    await publish(session, PostChanged(post.id, post.person_id))


async def annotate(session: AsyncSession, actor: Actor, *, image_id: int, note: str) -> Image:
    """Words about one's picture, which stand in for it where it cannot be seen; empty takes them away."""
    image, version_id = await previews.editable(session, actor, image_id)
    image.note = _note(note)
    await previews.changed(session, image, version_id)
    return image


async def rate_all(session: AsyncSession, actor: Actor, *, post_id: int, nsfw_level: int) -> Post:
    """Say how mature the pictures of a post are that nobody rated yet. Raises Invalid (`bad_level`)."""
    adding.check_level(nsfw_level)
    post = await posting.editable(session, actor, post_id=post_id)
    images = (
        await session.scalars(
            select(Image)
            .where(Image.post_id == post.id, Image.deleted_at.is_(None), Image.nsfw_level == 0)
            .with_for_update()
        )
    ).all()
    for image in images:
        floor = await levels.least(session, image)
        if floor != BLOCKED:
            image.nsfw_level, image.nsfw_level_locked = levels.stricter(nsfw_level, floor), True
    await session.flush()
    await levels.settle(session, post_id=post.id)
    await publish(session, *(ImageChanged(image.id, post.id) for image in images))
    return post


async def of_post(session: AsyncSession, post_id: int) -> Sequence[Image]:
    """Every picture of a post in order, those being read or refused included. The caller has asked who may see it."""
    found = await session.scalars(
        select(Image)
        .where(Image.post_id == post_id, Image.deleted_at.is_(None))
        .order_by(Image.position, Image.id)
    )
    return found.all()


def _note(text: str | None) -> str | None:
    cleaned = clean_block(text or "")
    if len(cleaned) > MAX_NOTE:
        told = f"At most {MAX_NOTE:,} characters."
        raise Invalid(f"The note is too long. {told}", code="note_too_long", fields={"note": told})
    return cleaned or None
