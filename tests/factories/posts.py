"""Posts and pictures for tests, written as rows."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person
from tests.factories.catalog import make_blob

from civitas.domains.blobs import references
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import clock


async def make_post(
    session: AsyncSession, person_id: int | None = None, *, published: bool = True, **columns: Any
) -> int:
    """A post without pictures; any column of `posts` can be given. Returns the id."""
    owner = person_id if person_id is not None else await make_person(session)
    values: dict[str, Any] = {"person_id": owner, "published_at": clock.now() if published else None}
    made = await session.execute(insert(Post).values(**(values | columns)).returning(Post.id))
    return int(made.scalar_one())


async def make_image(session: AsyncSession, post_id: int, **columns: Any) -> int:
    """A ready PG picture, the last of its post; any column of `images` can be given. Returns the id."""
    place = await session.scalar(select(func.count()).where(Image.post_id == post_id))
    values: dict[str, Any] = {
        "post_id": post_id,
        "person_id": await session.scalar(select(Post.person_id).where(Post.id == post_id)),
        "blob_id": columns["blob_id"] if "blob_id" in columns else await make_blob(session),
        "key": str(uuid.uuid4()),
        "name": "picture.png",
        "position": place,
        "status": "ready",
        "nsfw_level": 1,
        "width": 64,
        "height": 48,
        "content_type": "image/png",
    }
    made = await session.execute(insert(Image).values(**(values | columns)).returning(Image.id))
    image_id = int(made.scalar_one())
    blob_id = (values | columns)["blob_id"]
    await references.add(session, blob_id=blob_id, kind="image", subject_id=image_id)
    return image_id
