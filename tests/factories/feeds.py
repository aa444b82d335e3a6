"""Posts and pictures for tests of feeds, written as rows."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.catalog import make_blob

from civitas.domains.catalog.tables import Tag
from civitas.domains.gallery.feeds import rows
from civitas.domains.gallery.tables import Image, ImageResource, ImageTag, ImageTool, Post, Tool
from civitas.kit import clock


async def make_post(
    session: AsyncSession, person_id: int, *, published_at: datetime | None = None, **columns: Any
) -> int:
    """A post that is public since a moment, now when none is given. Returns the id."""
    values = {"person_id": person_id, "published_at": published_at or clock.now(), **columns}
    return int((await session.execute(insert(Post).values(**values).returning(Post.id))).scalar_one())


async def make_image(
    session: AsyncSession,
    person_id: int,
    *,
    post_id: int | None = None,
    published_at: datetime | None = None,
    tags: tuple[str, ...] = (),
    tools: tuple[str, ...] = (),
    versions: tuple[int, ...] = (),
    listed: bool = True,
    **columns: Any,
) -> int:
    """A picture that can be shown, of level PG; any column of `images` can be given. Returns the id."""
    post = post_id or await make_post(session, person_id, published_at=published_at)
    values: dict[str, Any] = {
        "post_id": post, "person_id": person_id, "blob_id": await make_blob(session), "key": str(uuid.uuid4()),
        "name": "picture.png", "status": "ready", "width": 64, "height": 48, "nsfw_level": 1,
        "variants": [{"width": 64, "height": 48, "format": "webp"}],
    }  # fmt: skip
    made = await session.execute(insert(Image).values(**(values | columns)).returning(Image.id))
    image_id = int(made.scalar_one())
    for name in tags:
        await session.execute(
            insert(ImageTag).values(image_id=image_id, tag_id=await tag(session, name), source="person")
        )
    for name in tools:
        await session.execute(insert(ImageTool).values(image_id=image_id, tool_id=await tool(session, name)))
    for version_id in versions:
        await session.execute(
            insert(ImageResource).values(image_id=image_id, version_id=version_id, source="hash")
        )
    if listed:
        await rows.rebuild(session, [image_id])
    return image_id


async def tag(session: AsyncSession, name: str) -> int:
    """The id of a tag, made when there is none."""
    await session.execute(upsert(Tag).values(name=name).on_conflict_do_nothing())
    return int((await session.execute(select(Tag.id).where(Tag.name == name))).scalar_one())


async def tool(session: AsyncSession, name: str) -> int:
    """The id of a tool, made when there is none."""
    found = await session.scalar(select(Tool.id).where(Tool.name == name))
    if found is not None:
        return found
    made = await session.execute(insert(Tool).values(kind="tool", name=name, type="Image").returning(Tool.id))
    return int(made.scalar_one())
