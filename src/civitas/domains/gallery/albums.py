"""Pictures that stand in an article: a post that is never listed or published, and goes with the article."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import PostRemoved
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.blobs import uploading
from civitas.domains.gallery import adding
from civitas.domains.gallery.post_pictures import PURPOSES
from civitas.domains.gallery.tables import Image, Post
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict


async def begin(session: AsyncSession, *, person_id: int) -> Post:
    """An empty album of a person. The caller has asked whether they may."""
    post = Post(person_id=person_id, album=True)
    session.add(post)
    await session.flush()
    return post


async def add(
    session: AsyncSession, actor: Actor, *, album_id: int, upload_id: uuid.UUID, nsfw_level: int
) -> Image:
    """Add a finished upload of a picture; it shows once it was decoded, and is at least as mature as its words ask.

    The caller holds what the album belongs to. Raises Invalid (`bad_level`), Conflict (`too_many_images`,
    `upload_purpose`), UploadNotFound, UploadState.
    """
    actor.require(Scope.MEDIA_WRITE)
    adding.check_level(nsfw_level)
    album = await session.scalar(select(Post).where(Post.id == album_id, Post.album).with_for_update())
    assert album is not None
    upload = await uploading.owned(session, actor, upload_id=upload_id)
    if upload.purpose not in PURPOSES:
        raise Conflict(
            f"This upload was announced as {upload.purpose}; announce it as image or media.",
            code="upload_purpose",
        )
    blob = await uploading.finished_blob(session, actor, upload_id=upload_id)
    return await adding.append(
        session,
        album,
        person_id=album.person_id,
        blob_id=blob.id,
        name=upload.filename,
        nsfw_level=nsfw_level,
        nsfw_level_locked=True,
    )


async def pictures(session: AsyncSession, album_id: int | None) -> Sequence[Image]:
    """Every picture of an album, the newest first, those being read or refused included; none of None."""
    if album_id is None:
        return []
    found = await session.scalars(
        select(Image)
        .where(Image.post_id == album_id, Image.deleted_at.is_(None))
        .order_by(Image.position.desc(), Image.id.desc())
    )
    return found.all()


async def remove(session: AsyncSession, *, album_id: int) -> None:
    """Take an album away with its pictures; the bytes go as those of removed posts do. Twice is once."""
    album = await session.scalar(select(Post).where(Post.id == album_id, Post.album).with_for_update())
    if album is None or album.deleted_at is not None:
        return
    album.deleted_at = clock.now()
    await session.flush()
    await publish(session, PostRemoved(album.id, album.person_id))
