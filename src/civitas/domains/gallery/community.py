"""Pictures that people posted of what they made with a version: the newest first, in keyset pages (FEATURES C13)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.domains.gallery import policy
from civitas.domains.gallery.tables import Image, ImageResource, Post
from civitas.kit import clock, paging
from civitas.kit.paging import Page


@dataclass(frozen=True, slots=True)
class Posted:
    """A picture, and who posted it."""

    image: Image
    username: str | None


async def page(
    session: AsyncSession, actor: Actor, *, version_id: int, cursor: str | None = None, limit: int = 24
) -> Page[Posted]:
    """One page in one statement over the index of resources; the version's own previews are not in it.

    Raises Invalid (`bad_cursor`).
    """
    query = (
        select(Image, Person.username)
        .join(ImageResource, ImageResource.image_id == Image.id)
        .join(Post, Post.id == Image.post_id)
        .join(Person, Person.id == Image.person_id)
        .where(
            ImageResource.version_id == version_id,
            Image.status == "ready",
            policy.visible_to(actor),
            Image.nsfw_level.op("&")(actor.mask) != 0,
            policy.posts_visible_to(actor),
            Post.published_at <= clock.now(),
            ~Post.showcase,
        )
    )
    if cursor:
        query = query.where(ImageResource.image_id < paging.decode(cursor, int)[0])
    rows = (await session.execute(query.order_by(ImageResource.image_id.desc()).limit(limit + 1))).all()
    items = [Posted(row[0], row[1]) for row in rows[:limit]]
    return Page(items, paging.encode(items[-1].image.id) if len(rows) > limit else None)
