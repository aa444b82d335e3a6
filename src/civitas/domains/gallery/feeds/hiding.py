"""Single pictures that a person does not want to be shown. People, models and tags are hidden in their rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.gallery import policy
from civitas.domains.gallery.feeds import looking
from civitas.domains.gallery.feeds.tables import HiddenImage
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import paging
from civitas.kit.errors import Conflict
from civitas.kit.paging import Page

MOST: Final = 2000


@dataclass(frozen=True, slots=True)
class Hidden:
    """A picture that is hidden, and since when."""

    id: int
    since: datetime


async def hide_image(session: AsyncSession, actor: Actor, *, image_id: int) -> None:
    """Never show this picture to the actor again. Raises NotFound, Conflict (`too_many_hidden`)."""
    person = actor.require(Scope.SOCIAL_WRITE)
    await looking.at(session, actor, image_id=image_id)
    await _hide(session, person, [image_id])


async def hide_images(session: AsyncSession, actor: Actor, *, image_ids: Sequence[int]) -> list[int]:
    """Never show these pictures to the actor again, those of them that they may see; which those are.

    Raises Conflict (`too_many_hidden`).
    """
    person = actor.require(Scope.SOCIAL_WRITE)
    seen = await session.scalars(
        select(Image.id)
        .join(Post, Post.id == Image.post_id)
        .where(Image.id.in_(image_ids), policy.visible_to(actor), policy.posts_visible_to(actor))
        .order_by(Image.id)
    )
    found = list(seen)
    await _hide(session, person, found)
    return found


async def show_images(session: AsyncSession, actor: Actor, *, image_ids: Sequence[int]) -> None:
    """Show hidden pictures again; nothing happens to those that were not hidden."""
    person = actor.require(Scope.SOCIAL_WRITE)
    await session.execute(
        delete(HiddenImage).where(HiddenImage.person_id == person, HiddenImage.image_id.in_(image_ids))
    )


async def show_image(session: AsyncSession, actor: Actor, *, image_id: int) -> None:
    """Show a hidden picture again; nothing happens when it was not hidden."""
    await show_images(session, actor, image_ids=[image_id])


async def mine(session: AsyncSession, actor: Actor) -> Sequence[Hidden]:
    """Every picture that the actor hides, the latest first; at most `MOST`."""
    person = actor.require(Scope.USER_READ)
    rows = await session.execute(
        select(HiddenImage.image_id, HiddenImage.created_at)
        .where(HiddenImage.person_id == person)
        .order_by(HiddenImage.created_at.desc(), HiddenImage.image_id.desc())
        .limit(MOST)
    )
    return [Hidden(*row) for row in rows]


async def page(
    session: AsyncSession, actor: Actor, *, cursor: str | None = None, limit: int = 50
) -> Page[Hidden]:
    """The same page by page. Raises Invalid (`bad_cursor`)."""
    person = actor.require(Scope.USER_READ)
    key = tuple_(HiddenImage.created_at, HiddenImage.image_id)
    query = select(HiddenImage.image_id, HiddenImage.created_at).where(HiddenImage.person_id == person)
    if cursor:
        at, last = paging.decode(cursor, datetime, int)
        query = query.where(key < (datetime.fromisoformat(str(at)), last))
    query = query.order_by(HiddenImage.created_at.desc(), HiddenImage.image_id.desc()).limit(limit + 1)
    found = [Hidden(*row) for row in await session.execute(query)]
    shown = found[:limit]
    more = len(found) > limit
    return Page(shown, paging.encode(shown[-1].since, shown[-1].id) if more else None)


async def is_hidden(session: AsyncSession, actor: Actor, *, image_id: int) -> bool:
    """Whether the actor hides this picture."""
    found = await session.scalar(
        select(HiddenImage.image_id).where(
            HiddenImage.person_id == actor.require(Scope.USER_READ), HiddenImage.image_id == image_id
        )
    )
    return found is not None


async def _hide(session: AsyncSession, person: int, image_ids: Sequence[int]) -> None:
    count = await session.scalar(select(func.count()).where(HiddenImage.person_id == person))
    if (count or 0) + len(image_ids) > MOST:
        raise Conflict(
            f"You can hide at most {MOST} pictures; show some again first.", code="too_many_hidden"
        )
    if image_ids:
        await session.execute(
            insert(HiddenImage)
            .values([{"person_id": person, "image_id": one} for one in image_ids])
            .on_conflict_do_nothing()
        )
