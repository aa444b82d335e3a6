"""Reviews as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import following
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import policy as catalog
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.community.reviews.tables import Review
from civitas.kit import paging
from civitas.kit.errors import Invalid, NotFound
from civitas.kit.paging import Page

PAGE = 20
MOST = 100


@dataclass(frozen=True, slots=True)
class ReviewTold:
    """A review as everybody reads it."""

    id: int
    version_id: int
    version_name: str
    model_id: int
    model_name: str
    owner_id: int
    person_id: int
    username: str | None
    avatar_key: str | None
    badge: str | None
    recommended: bool
    content: str
    post_id: int | None
    excluded: bool
    reaction_count: int
    created_at: datetime
    edited_at: datetime | None


@dataclass(frozen=True, slots=True)
class Tally:
    """How a version is recommended; reviews that are left out are not counted."""

    version_id: int
    name: str
    up: int
    down: int

    @property
    def total(self) -> int:
        """How many reviews count."""
        return self.up + self.down


def _rows(actor: Actor) -> Any:
    return (
        select(
            Review.id, Review.version_id, ModelVersion.name.label("version_name"), Review.model_id,
            Model.name.label("model_name"), Model.person_id.label("owner_id"), Review.person_id, Person.username,
            Person.avatar_key, Person.badge, Review.recommended, Review.content, Review.post_id,
            Review.excluded_at.is_not(None).label("excluded"), Review.reaction_count, Review.created_at,
            Review.edited_at,
        )
        .join(ModelVersion, ModelVersion.id == Review.version_id)
        .join(Model, Model.id == Review.model_id)
        .join(Person, Person.id == Review.person_id)
        .where(catalog.versions_visible_to(actor), catalog.visible_to(actor))
    )  # fmt: skip


async def page(
    session: AsyncSession,
    actor: Actor,
    *,
    model_id: int | None = None,
    version_id: int | None = None,
    person_id: int | None = None,
    recommended: bool | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> Page[ReviewTold]:
    """Reviews of versions that the actor may see, the newest first; whom they do not want to see is left out.

    Raises Invalid (`bad_limit`, `bad_cursor`).
    """
    if not 1 <= limit <= MOST:
        raise Invalid(f"A page has 1 to {MOST} reviews.", code="bad_limit")
    query = _rows(actor)
    wanted = {
        Review.model_id: model_id,
        Review.version_id: version_id,
        Review.person_id: person_id,
        Review.recommended: recommended,
    }
    for column, value in wanted.items():
        if value is not None:
            query = query.where(column == value)
    if actor.id is not None and not actor.is_moderator:
        apart = await following.unseen_by(session, actor.id)
        if apart:
            query = query.where(Review.person_id.not_in(sorted(apart)))
    if cursor is not None:
        query = query.where(Review.id < paging.decode(cursor, int)[0])
    rows = (await session.execute(query.order_by(Review.id.desc()).limit(limit + 1))).all()
    items = [ReviewTold(*row) for row in rows[:limit]]
    return Page(items, paging.encode(items[-1].id) if len(rows) > limit else None)


async def one(session: AsyncSession, actor: Actor, *, review_id: int) -> ReviewTold:
    """One review. NotFound."""
    row = (await session.execute(_rows(actor).where(Review.id == review_id))).first()
    if row is None:
        raise NotFound("There is no such review.", code="review_not_found")
    return ReviewTold(*row)


async def mine(session: AsyncSession, actor: Actor, *, version_id: int) -> ReviewTold | None:
    """The actor's own review of a version, if there is one."""
    if actor.id is None:
        return None
    row = (
        await session.execute(
            _rows(actor).where(Review.version_id == version_id, Review.person_id == actor.id)
        )
    ).first()
    return ReviewTold(*row) if row is not None else None


async def tallies(session: AsyncSession, actor: Actor, *, model_id: int) -> Sequence[Tally]:
    """How each version of a model that the actor may see is recommended, in the model's order.

    NotFound for a model without such a version."""
    counted = Review.excluded_at.is_(None)
    rows = await session.execute(
        select(
            ModelVersion.id,
            ModelVersion.name,
            func.count(Review.id).filter(Review.recommended, counted),
            func.count(Review.id).filter(~Review.recommended, counted),
        )
        .join(Model, Model.id == ModelVersion.model_id)
        .outerjoin(Review, Review.version_id == ModelVersion.id)
        .where(Model.id == model_id, catalog.versions_visible_to(actor), catalog.visible_to(actor))
        .group_by(ModelVersion.id)
        .order_by(ModelVersion.position, ModelVersion.id.desc())
    )
    found = [Tally(*row) for row in rows]
    if not found:
        raise NotFound("This model was not found.", code="model_not_found")
    return found
