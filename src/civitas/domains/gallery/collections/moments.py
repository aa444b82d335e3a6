"""When things became public, for contests that take only new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.catalog.tables import Model
from civitas.domains.gallery.collections.types import Kind
from civitas.domains.gallery.tables import Image, Post


async def born(session: AsyncSession, kind: str, ids: Sequence[int]) -> Mapping[int, datetime]:
    """When each of these became public; what tells no time, such as an article, is missing."""
    statements: dict[str, Any] = {
        Kind.MODEL: select(Model.id, Model.published_at).where(Model.id.in_(ids)),
        Kind.POST: select(Post.id, Post.published_at).where(Post.id.in_(ids)),
        Kind.IMAGE: select(Image.id, Post.published_at)
        .join(Post, Post.id == Image.post_id)
        .where(Image.id.in_(ids)),
    }
    if kind not in statements:
        return {}
    return {row[0]: row[1] for row in await session.execute(statements[kind]) if row[1] is not None}
