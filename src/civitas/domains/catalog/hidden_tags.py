"""Tags that a person does not want to meet: their own choice one by one, and the tags of themes (FEATURES N6).

Whatever carries one of them is left out of that person's lists: models, pictures, posts and articles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog.indexing import tag_facet
from civitas.domains.catalog.licences import read_data
from civitas.domains.catalog.tables import Tag
from civitas.domains.catalog.wish_tables import HiddenTag
from civitas.kit.errors import Conflict, NotFound

MOST: Final = 2000
# The facets of the tags that a person chose one by one, for a statement over the listings.
FACETS: Final = (
    "ARRAY(SELECT '#' || t.name FROM hidden_tags h JOIN tags t ON t.id = h.tag_id WHERE h.person_id = {})"
)


@dataclass(frozen=True, slots=True)
class Hidden:
    """A tag that is hidden, and since when."""

    id: int
    name: str
    since: datetime


@cache
def themes() -> dict[str, tuple[str, ...]]:
    """The tags of each theme, by the theme's key."""
    return {
        entry["key"]: tuple(entry["tags"])
        for tree in read_data("themes.toml", None)
        for entry in tree["theme"]
    }


def tags_of(keys: Iterable[str]) -> tuple[str, ...]:
    """The tags of some themes; a theme that is not known has none."""
    known = themes()
    return tuple(tag for key in keys for tag in known.get(key, ()))


def theme_facets(actor: Actor) -> list[str]:
    """The facets of the tags of the themes that the actor does not want to meet."""
    return [tag_facet(tag) for tag in tags_of(actor.themes)]


async def hide(session: AsyncSession, actor: Actor, *, name: str) -> int:
    """Never show things with this tag to the actor again; the tag's id.

    Raises NotFound, Conflict (`too_many_hidden`).
    """
    person = actor.require(Scope.SOCIAL_WRITE)
    tag_id = await session.scalar(select(Tag.id).where(Tag.name == name))
    if tag_id is None:
        raise NotFound("There is no such tag.", code="tag_not_found")
    count = await session.scalar(select(func.count()).where(HiddenTag.person_id == person))
    if (count or 0) >= MOST:
        raise Conflict(f"You can hide at most {MOST} tags; show some again first.", code="too_many_hidden")
    await session.execute(insert(HiddenTag).values(person_id=person, tag_id=tag_id).on_conflict_do_nothing())
    return tag_id


async def show(session: AsyncSession, actor: Actor, *, name: str) -> None:
    """Show things with a hidden tag again; nothing happens when it was not hidden."""
    person = actor.require(Scope.SOCIAL_WRITE)
    await session.execute(
        delete(HiddenTag).where(
            HiddenTag.person_id == person,
            HiddenTag.tag_id == select(Tag.id).where(Tag.name == name).scalar_subquery(),
        )
    )


async def mine(session: AsyncSession, actor: Actor) -> Sequence[Hidden]:
    """Every tag that the actor hides, the latest first; at most `MOST`."""
    person = actor.require(Scope.USER_READ)
    rows = await session.execute(
        select(HiddenTag.tag_id, Tag.name, HiddenTag.created_at)
        .join(Tag, Tag.id == HiddenTag.tag_id)
        .where(HiddenTag.person_id == person)
        .order_by(HiddenTag.created_at.desc(), HiddenTag.tag_id.desc())
        .limit(MOST)
    )
    return [Hidden(*row) for row in rows]
