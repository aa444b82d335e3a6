"""What a person does not want to be shown: single pictures and tags. People and models are hidden in their rooms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog.tables import Tag
from civitas.domains.gallery import policy
from civitas.domains.gallery.feeds import looking
from civitas.domains.gallery.feeds.tables import HiddenThing
from civitas.domains.gallery.tables import Image, Post
from civitas.kit.errors import Conflict, NotFound

MOST: Final = 2000


@dataclass(frozen=True, slots=True)
class Hidden:
    """Something hidden, and since when; `name` is a tag's."""

    kind: str
    id: int
    name: str | None
    since: datetime


async def hide_image(session: AsyncSession, actor: Actor, *, image_id: int) -> None:
    """Never show this picture to the actor again. Raises NotFound, Conflict (`too_many_hidden`)."""
    person = actor.require(Scope.SOCIAL_WRITE)
    await looking.at(session, actor, image_id=image_id)
    await _hide(session, person, "image", image_id)


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
    await _require_room(session, person, "image", len(found))
    if found:
        await session.execute(
            insert(HiddenThing)
            .values([{"person_id": person, "kind": "image", "subject_id": one} for one in found])
            .on_conflict_do_nothing()
        )
    return found


async def show_images(session: AsyncSession, actor: Actor, *, image_ids: Sequence[int]) -> None:
    """Show hidden pictures again; nothing happens to those that were not hidden."""
    person = actor.require(Scope.SOCIAL_WRITE)
    await session.execute(
        delete(HiddenThing).where(
            HiddenThing.person_id == person,
            HiddenThing.kind == "image",
            HiddenThing.subject_id.in_(image_ids),
        )
    )


async def hide_tag(session: AsyncSession, actor: Actor, *, name: str) -> int:
    """Never show pictures with this tag to the actor again; the tag's id. Raises as `hide_image`."""
    person = actor.require(Scope.SOCIAL_WRITE)
    tag_id = await session.scalar(select(Tag.id).where(Tag.name == name))
    if tag_id is None:
        raise NotFound("There is no such tag.", code="tag_not_found")
    await _hide(session, person, "tag", tag_id)
    return tag_id


async def show_image(session: AsyncSession, actor: Actor, *, image_id: int) -> None:
    """Show a hidden picture again; nothing happens when it was not hidden."""
    await _show(session, actor.require(Scope.SOCIAL_WRITE), "image", image_id)


async def show_tag(session: AsyncSession, actor: Actor, *, name: str) -> None:
    """Show pictures with a hidden tag again."""
    tag_id = await session.scalar(select(Tag.id).where(Tag.name == name))
    person = actor.require(Scope.SOCIAL_WRITE)
    if tag_id is not None:
        await _show(session, person, "tag", tag_id)


async def all_of(session: AsyncSession, actor: Actor) -> Sequence[Hidden]:
    """Everything that the actor hides here, the latest first; at most two thousand of a kind."""
    person = actor.require(Scope.USER_READ)
    rows = await session.execute(
        select(HiddenThing.kind, HiddenThing.subject_id, Tag.name, HiddenThing.created_at)
        .outerjoin(Tag, (HiddenThing.kind == "tag") & (Tag.id == HiddenThing.subject_id))
        .where(HiddenThing.person_id == person)
        .order_by(HiddenThing.created_at.desc(), HiddenThing.subject_id.desc())
        .limit(2 * MOST)
    )
    return [Hidden(*row) for row in rows]


async def _hide(session: AsyncSession, person: int, kind: str, subject_id: int) -> None:
    await _require_room(session, person, kind, 1)
    await session.execute(
        insert(HiddenThing)
        .values(person_id=person, kind=kind, subject_id=subject_id)
        .on_conflict_do_nothing()
    )


async def _require_room(session: AsyncSession, person: int, kind: str, more: int) -> None:
    count = await session.scalar(
        select(func.count()).where(HiddenThing.person_id == person, HiddenThing.kind == kind)
    )
    if (count or 0) + more > MOST:
        raise Conflict(
            f"You can hide at most {MOST} of these; show some again first.", code="too_many_hidden"
        )


async def _show(session: AsyncSession, person: int, kind: str, subject_id: int) -> None:
    await session.execute(
        delete(HiddenThing).where(
            HiddenThing.person_id == person, HiddenThing.kind == kind, HiddenThing.subject_id == subject_id
        )
    )
