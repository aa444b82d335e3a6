"""Pictures of a writer for an article: those sent in its editor, and their newest ones, to put in with one press."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import BLOCKED, Actor
from civitas.domains.community.articles import reads, writing
from civitas.domains.gallery import albums
from civitas.domains.gallery.tables import Image

MOST = 24


@dataclass(frozen=True, slots=True)
class OwnPicture:
    """One's picture with what stands for it in a text."""

    id: int
    key: str
    name: str
    level: int

    @property
    def markdown(self) -> str:
        """What shows it in an article."""
        return markdown_of(self.id, self.name)


async def add(
    session: AsyncSession,
    actor: Actor,
    *,
    article_id: int,
    upload_id: uuid.UUID,
    nsfw_level: int | None = None,
) -> Image:
    """Add a finished upload to the pictures of one's article: as mature as the article is meant to be, or as told.

    Naming it in the text, or as the cover, shows it. Raises NotFound, Forbidden, Invalid (`bad_level`), Conflict
    (`too_many_images`, `upload_purpose`).
    """
    article = await writing.editable(session, actor, article_id=article_id)
    if article.album_id is None:
        article.album_id = (await albums.begin(session, person_id=article.person_id)).id
        await session.flush()
    level = article.floor_level if nsfw_level is None else nsfw_level
    return await albums.add(session, actor, album_id=article.album_id, upload_id=upload_id, nsfw_level=level)


async def of_article(session: AsyncSession, actor: Actor, *, article_id: int) -> Sequence[Image]:
    """What was sent in the editor of one's article, the newest first. Raises NotFound."""
    desk = await reads.desk(session, actor, article_id=article_id)
    return await albums.pictures(session, desk.article.album_id)


def markdown_of(image_id: int, name: str) -> str:
    """What shows a picture in a text."""
    words = name.rpartition(".")[0] or name
    plain = "".join(ch for ch in words if ch not in "[]()\\`*_<>")
    return f"![{plain}](/images/{image_id})"


async def newest(session: AsyncSession, actor: Actor) -> Sequence[OwnPicture]:
    """One's newest pictures that can be shown."""
    rows = await session.execute(
        select(Image.id, Image.key, Image.name, Image.nsfw_level)
        .where(
            Image.person_id == actor.require(),
            Image.deleted_at.is_(None),
            Image.status == "ready",
            Image.kind == "image",
            Image.nsfw_level.op("&")(BLOCKED) == 0,
        )
        .order_by(Image.id.desc())
        .limit(MOST)
    )
    return [OwnPicture(*row) for row in rows]
