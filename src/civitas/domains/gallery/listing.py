"""Lists of pictures by version, model, post or person, as keyset pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, case, func, null, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import policy as catalog_policy
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.gallery import policy
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import clock, paging
from civitas.kit.paging import Page

MAX_PAGE = 200


class ImageSort(StrEnum):
    """Orders of pictures (FEATURES C10). Those by reactions follow the newest until somebody can react."""

    MOST_REACTIONS = "Most Reactions"
    MOST_COMMENTS = "Most Comments"
    MOST_COLLECTED = "Most Collected"
    NEWEST = "Newest"
    OLDEST = "Oldest"


class ImagePeriod(StrEnum):
    """How far back a list looks."""

    ALL_TIME = "AllTime"
    YEAR = "Year"
    MONTH = "Month"
    WEEK = "Week"
    DAY = "Day"


_SPANS = {
    ImagePeriod.YEAR: timedelta(days=365),
    ImagePeriod.MONTH: timedelta(days=30),
    ImagePeriod.WEEK: timedelta(days=7),
    ImagePeriod.DAY: timedelta(days=1),
}


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """What is asked for; empty fields do not filter. `mask` narrows what the viewer may see anyway."""

    mask: int
    image_id: int | None = None
    post_id: int | None = None
    model_id: int | None = None
    version_id: int | None = None
    username: str | None = None
    person_id: int | None = None
    period: ImagePeriod = ImagePeriod.ALL_TIME
    sort: ImageSort = ImageSort.NEWEST
    kinds: Sequence[str] = field(default_factory=tuple)
    base_models: Sequence[str] = field(default_factory=tuple)
    with_meta: bool = False


@dataclass(frozen=True, slots=True)
class ListedImage:
    """A picture in a list; `meta` is None when there is none or its owner hides it."""

    id: int
    key: str
    name: str
    kind: str
    width: int
    height: int
    blurhash: str | None
    nsfw_level: int
    created_at: datetime
    post_id: int
    username: str | None
    meta: dict[str, Any] | None
    version_id: int | None
    base_model: str | None


async def page(
    session: AsyncSession,
    actor: Actor,
    *,
    wanted: ImageFilter,
    cursor: str | None,
    limit: int,
    offset: int = 0,
) -> Page[ListedImage]:
    """One page in one statement; pictures of versions that the viewer may not see are never in it.

    `offset` is for existing clients that count pages; with a cursor it is not looked at. Raises Invalid
    (`bad_cursor`).
    """
    oldest = wanted.sort is ImageSort.OLDEST
    query = _filtered(actor, wanted)
    if cursor:
        last = paging.decode(cursor, int)[0]
        query = query.where(Image.id > last if oldest else Image.id < last)
    elif offset:
        query = query.offset(offset)
    query = query.order_by(Image.id if oldest else Image.id.desc()).limit(limit + 1)
    rows = (await session.execute(query)).all()
    items = [ListedImage(*row) for row in rows[:limit]]
    return Page(items, paging.encode(items[-1].id) if len(rows) > limit and items else None)


def _filtered(actor: Actor, wanted: ImageFilter) -> Any:
    shown = or_(Post.version_id.is_(None), catalog_policy.versions_visible_to(actor))
    query: Any = (
        select(
            Image.id, Image.key, Image.name, Image.kind, func.coalesce(Image.width, 1),
            func.coalesce(Image.height, 1), Image.blurhash, Image.nsfw_level, Image.created_at, Image.post_id,
            Person.username, _meta(), Post.version_id, ModelVersion.base_model,
        )
        .join(Post, Post.id == Image.post_id)
        .join(Person, Person.id == Image.person_id)
        .outerjoin(ModelVersion, ModelVersion.id == Post.version_id)
        .outerjoin(Model, Model.id == ModelVersion.model_id)
        .where(
            policy.visible_to(actor),
            Image.status == "ready",
            Image.nsfw_level.op("&")(wanted.mask) != 0,
            Post.deleted_at.is_(None),
            shown,
        )
    )  # fmt: skip
    conditions = {
        Image.id: wanted.image_id,
        Image.post_id: wanted.post_id,
        Model.id: wanted.model_id,
        Post.version_id: wanted.version_id,
        Image.person_id: wanted.person_id,
    }
    for column, value in conditions.items():
        if value is not None:
            query = query.where(column == value)
    if wanted.username is not None:
        query = query.where(Person.username_folded == wanted.username.lower())
    if (span := _SPANS.get(wanted.period)) is not None:
        query = query.where(Image.created_at >= clock.now() - span)
    if wanted.kinds:
        query = query.where(Image.kind.in_(wanted.kinds))
    if wanted.base_models:
        query = query.where(ModelVersion.base_model.in_(wanted.base_models))
    if wanted.with_meta:
        query = query.where(and_(Image.meta.is_not(None), ~Image.hide_meta))
    return query


def _meta() -> Any:
    return case((Image.hide_meta, null()), else_=Image.meta)
