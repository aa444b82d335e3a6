"""Pictures, posts and collections for tests, written as rows."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.catalog import make_blob

from civitas.domains.accounts.types import Actor
from civitas.domains.gallery.collections import making
from civitas.domains.gallery.collections.making import CollectionEdit
from civitas.domains.gallery.collections.tables import Collection
from civitas.domains.gallery.collections.types import Kind, ReadBy, WriteBy
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import clock


async def make_posted(
    session: AsyncSession, person_id: int, *, levels: tuple[int, ...] = (1,), **columns: Any
) -> tuple[int, list[int]]:
    """A public post with a ready picture for each level: (the post's id, its pictures' ids)."""
    values: dict[str, Any] = {"person_id": person_id, "published_at": clock.now()} | columns
    post_id = int((await session.execute(insert(Post).values(**values).returning(Post.id))).scalar_one())
    made = []
    for place, level in enumerate(levels):
        row = await session.execute(
            insert(Image)
            .values(
                post_id=post_id, person_id=person_id, blob_id=await make_blob(session), key=str(uuid.uuid4()),
                name=f"picture {place}.png", position=place, status="ready", width=800, height=600,
                nsfw_level=level, blurhash="LEHV6nWB2yk8pyo0adR*.7kCMdnj",
            )
            .returning(Image.id)
        )  # fmt: skip
        made.append(int(row.scalar_one()))
    return post_id, made


async def make_collection(
    session: AsyncSession,
    actor: Actor,
    *,
    kind: Kind = Kind.IMAGE,
    name: str = "Harbours",
    read_by: ReadBy = ReadBy.PUBLIC,
    write_by: WriteBy = WriteBy.PRIVATE,
    contest: bool = False,
) -> Collection:
    """A collection of somebody, public unless said otherwise."""
    return await making.create(
        session,
        actor,
        kind=kind,
        changes=CollectionEdit(name=name, read_by=read_by, write_by=write_by, contest=contest),
    )
