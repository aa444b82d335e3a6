"""Pictures made from pictures: whose remix one is, as long as their prompts are alike enough (FEATURES C20, G12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.gallery.tables import Image, Post
from civitas.domains.studio import similarity
from civitas.kit import clock

_MOST_ID: Final = 2**53


async def note(session: AsyncSession, image: Image) -> None:
    """Keep what the recipe says that the picture was remixed from, when that is public and was made of like words."""
    source_id = image.remix_of_id or said(image.meta or {})
    if source_id is None:
        return
    image.remix_of_id = None
    prompt = (image.meta or {}).get("prompt")
    meta = await session.scalar(
        select(Image.meta)
        .join(Post, Post.id == Image.post_id)
        .where(
            Image.id == source_id,
            Image.id != image.id,
            Image.deleted_at.is_(None),
            Post.deleted_at.is_(None),
            Post.published_at <= clock.now(),
        )
    )
    source = (meta or {}).get("prompt")
    if isinstance(prompt, str) and isinstance(source, str) and similarity.is_remix(prompt, source):
        image.remix_of_id = source_id


def said(meta: Mapping[str, Any]) -> int | None:
    """The picture that a recipe names as its source."""
    extra = meta.get("extra")
    for told in (extra, meta):
        number = told.get("remixOfId") if isinstance(told, Mapping) else None
        if isinstance(number, int) and not isinstance(number, bool) and 0 < number <= _MOST_ID:
            return number
    return None
