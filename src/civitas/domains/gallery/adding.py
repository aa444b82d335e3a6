"""Taking a picture into a post: its row, its hold on the bytes, and the task that decodes it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import ImageAdded
from civitas.domains.accounts.types import PG, PG13, XXX, R, X
from civitas.domains.blobs import references
from civitas.domains.gallery.messages import ProcessImage
from civitas.domains.gallery.tables import Image, Post
from civitas.infra.queue.outbox import defer, publish
from civitas.kit.errors import Conflict, Invalid
from civitas.kit.text import clean_line

REFERENCE: Final = "image"
MAX_PER_POST: Final = 20
MAX_PER_ALBUM: Final = 100
LEVELS: Final = (PG, PG13, R, X, XXX)
MAX_META: Final = 64 * 1024


def check_level(nsfw_level: int | None) -> None:
    """Raise Invalid (`bad_level`) unless it is one of the levels that an owner may give, or None."""
    if nsfw_level is not None and nsfw_level not in LEVELS:
        raise Invalid("nsfwLevel must be 1, 2, 4, 8 or 16.", code="bad_level")


def check_meta(meta: Mapping[str, Any] | None) -> None:
    """Raise Invalid (`meta_too_long`) for a recipe that is too long to keep."""
    if meta is not None and len(str(meta)) > MAX_META:
        raise Invalid("This recipe is too long to keep.", code="meta_too_long")


async def append(
    session: AsyncSession, post: Post, *, person_id: int, blob_id: int, name: str, **columns: Any
) -> Image:
    """The picture becomes the last of the post; it shows once it was decoded.

    The caller holds the post's row locked. Raises Conflict (`too_many_images`) past twenty, of an album past a hundred.
    """
    count, last = (
        await session.execute(
            select(func.count(), func.coalesce(func.max(Image.position), -1)).where(
                Image.post_id == post.id, Image.deleted_at.is_(None)
            )
        )
    ).one()
    most = MAX_PER_ALBUM if post.album else MAX_PER_POST
    if count >= most:
        what = "A version shows" if post.showcase else "An article holds" if post.album else "A post holds"
        raise Conflict(f"{what} at most {most} pictures; remove one first.", code="too_many_images")
    image = Image(
        post_id=post.id,
        person_id=person_id,
        blob_id=blob_id,
        key=str(uuid.uuid4()),
        name=clean_line(name),
        position=last + 1,
        **columns,
    )
    session.add(image)
    await session.flush()
    await references.add(session, blob_id=blob_id, kind=REFERENCE, subject_id=image.id)
    await defer(session, ProcessImage(image.id), once=f"image:{image.id}", priority=3)
    await publish(session, ImageAdded(image.id, post.id, person_id, post.version_id))
    return image
