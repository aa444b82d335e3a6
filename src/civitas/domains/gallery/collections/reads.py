"""Lists of collections, and one of them, as one viewer may see them: keyset pages, one statement each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal_column, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import following
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Relation, Scope
from civitas.domains.catalog import words
from civitas.domains.gallery.collections import policy
from civitas.domains.gallery.collections.tables import (
    Collection,
    CollectionContributor,
    CollectionFollow,
)
from civitas.domains.gallery.collections.types import Kind, Mode, Permission, ReadBy, Rights, Sort
from civitas.kit import paging
from civitas.kit.paging import Page

LARGEST_PAGE = 100


@dataclass(frozen=True, slots=True)
class Shown:
    """A collection as one viewer may see it; `count` is how many things of it they are shown."""

    id: int
    kind: Kind
    mode: Mode
    name: str
    description: str
    read_by: str
    write_by: str
    order_by: str
    level: int
    count: int
    waiting: int
    followers: int
    created_at: datetime
    filled_at: datetime | None
    person_id: int
    username: str | None
    avatar_key: str | None
    badge: str | None
    followed: bool
    rights: Rights

    @property
    def public(self) -> bool:
        """Whether it is in lists for everybody."""
        return self.read_by == ReadBy.PUBLIC


async def public(
    session: AsyncSession,
    actor: Actor,
    *,
    mask: int | None = None,
    kind: Kind | None = None,
    person_id: int | None = None,
    sort: Sort = Sort.NEWEST,
    cursor: str | None = None,
    limit: int = 24,
    offset: int = 0,
) -> Page[Shown]:
    """Public collections that hold something this viewer is shown; those of people they hide are left out.

    `mask` narrows the levels further. `offset` is for existing clients that count pages. Raises Invalid.
    """
    levels = actor.mask if mask is None else actor.mask & mask
    statement = _shown(actor).where(
        Collection.read_by == ReadBy.PUBLIC.value,
        Collection.deleted_at.is_(None),
        Collection.level.op("&")(levels) != 0,
        Person.status == "active",
    )
    if kind is not None:
        statement = statement.where(Collection.kind == kind.value)
    if person_id is not None:
        statement = statement.where(Collection.person_id == person_id)
    elif actor.id is not None:
        unseen = await following.unseen_by(session, actor.id)
        if unseen:
            statement = statement.where(Collection.person_id.not_in(unseen))
    return await _page(session, actor, statement, sort, cursor, limit, offset, levels)


async def mine(
    session: AsyncSession,
    actor: Actor,
    *,
    kind: Kind | None = None,
    cursor: str | None = None,
    limit: int = 24,
) -> Page[Shown]:
    """The actor's own collections, their bookmarks, and those to which they contribute; the newest first."""
    person_id = actor.require(Scope.COLLECTIONS_READ)
    statement = _shown(actor).where(policy.theirs(person_id), Collection.deleted_at.is_(None))
    if kind is not None:
        statement = statement.where(Collection.kind == kind.value)
    return await _page(session, actor, statement, Sort.NEWEST, cursor, limit, 0, actor.mask)


async def followed(
    session: AsyncSession, actor: Actor, *, cursor: str | None = None, limit: int = 24
) -> Page[Shown]:
    """Collections that the actor follows and may still see; the newest first."""
    person_id = actor.require(Scope.COLLECTIONS_READ)
    unseen = await following.unseen_by(session, person_id)
    statement = _shown(actor).where(
        CollectionFollow.person_id.is_not(None),
        Collection.deleted_at.is_(None),
        or_(
            Collection.read_by != ReadBy.PRIVATE.value,
            policy.theirs(person_id),
        ),
        or_(Collection.level == 0, Collection.level.op("&")(actor.mask) != 0),
    )
    if unseen:
        statement = statement.where(Collection.person_id.not_in(unseen))
    return await _page(session, actor, statement, Sort.NEWEST, cursor, limit, 0, actor.mask)


async def one(session: AsyncSession, actor: Actor, *, collection_id: int, mask: int | None = None) -> Shown:
    """One collection. Raises NotFound for what the actor may not know of, and across a block."""
    row = (
        await session.execute(
            _shown(actor).where(Collection.id == collection_id, Collection.deleted_at.is_(None))
        )
    ).first()
    if row is None:
        raise policy.missing()
    shown = _made(row, actor, actor.mask if mask is None else actor.mask & mask)
    if not shown.rights.see or (row.status != "active" and not actor.is_moderator):
        raise policy.missing()
    if (
        not shown.rights.manage
        and actor.id is not None
        and await following.relation(session, shown.person_id, actor.id) is Relation.BLOCK
    ):
        raise policy.missing()
    level = row[0].level
    if not shown.rights.manage and level and not level & actor.mask:
        raise policy.missing()
    return shown


async def fillable(session: AsyncSession, actor: Actor, *, kind: Kind, besides: int) -> list[tuple[int, str]]:
    """(id, name) of the collections of this kind that the actor may fill, without one; for moving things."""
    person_id = actor.require(Scope.COLLECTIONS_READ)
    rows = await session.execute(
        select(Collection.id, Collection.name)
        .where(
            policy.theirs(person_id, fills=True),
            Collection.kind == kind.value,
            Collection.id != besides,
            Collection.deleted_at.is_(None),
        )
        .order_by(func.lower(Collection.name), Collection.id)
        .limit(200)
    )
    return [(row[0], row[1]) for row in rows]


async def named_like(
    session: AsyncSession,
    actor: Actor,
    text: str,
    *,
    limit: int,
    unseen: Iterable[int] = (),
    mask: int | None = None,
) -> list[tuple[int, str, str, int]]:
    """(id, name, curator, how many things) of public collections whose names have these words, for a palette.

    Those of `unseen` people are left out; `mask` narrows the levels further. One statement.
    """
    wanted = words.prefix_query(text)
    levels = actor.mask if mask is None else actor.mask & mask
    if not wanted:
        return []
    simple: Any = literal_column("'simple'::regconfig")
    query = (
        select(Collection.id, Collection.name, Person.username, Collection.counts)
        .join(Person, Person.id == Collection.person_id)
        .where(
            Collection.read_by == ReadBy.PUBLIC.value,
            Collection.deleted_at.is_(None),
            Collection.level.op("&")(levels) != 0,
            Person.status == "active",
            func.to_tsvector(simple, Collection.name).op("@@")(func.to_tsquery(simple, wanted)),
        )
        .order_by(Collection.follower_count.desc(), Collection.id.desc())
        .limit(limit)
    )
    if unseen:
        query = query.where(Collection.person_id.not_in(sorted(unseen)))
    rows = await session.execute(query)
    return [(row[0], row[1], row[2] or "", counted(row[3], levels)) for row in rows]


def _shown(actor: Actor) -> Any:
    viewer = actor.id or 0
    return (
        select(
            Collection,
            Person.username,
            Person.avatar_key,
            Person.badge,
            Person.status,
            CollectionContributor.permissions,
            CollectionFollow.person_id.label("follower"),
        )
        .join(Person, Person.id == Collection.person_id)
        .outerjoin(
            CollectionContributor,
            and_(
                CollectionContributor.collection_id == Collection.id,
                CollectionContributor.person_id == viewer,
            ),
        )
        .outerjoin(
            CollectionFollow,
            and_(CollectionFollow.collection_id == Collection.id, CollectionFollow.person_id == viewer),
        )
        .execution_options(populate_existing=True)
    )


async def _page(
    session: AsyncSession,
    actor: Actor,
    statement: Any,
    sort: Sort,
    cursor: str | None,
    limit: int,
    offset: int,
    levels: int,
) -> Page[Shown]:
    size = max(1, min(limit, LARGEST_PAGE))
    order: list[ColumnElement[Any]] = [Collection.id.desc()]
    if sort is Sort.POPULAR:
        order.insert(0, Collection.follower_count.desc())
    if cursor and sort is Sort.POPULAR:
        followers, last = paging.decode(cursor, int, int)
        statement = statement.where(
            tuple_(Collection.follower_count, Collection.id) < tuple_(followers, last)
        )
    elif cursor:
        statement = statement.where(Collection.id < paging.decode(cursor, int)[0])
    elif offset:
        statement = statement.offset(offset)
    rows = (await session.execute(statement.order_by(*order).limit(size + 1))).all()
    items = [_made(row, actor, levels) for row in rows[:size]]
    if len(rows) <= size:
        return Page(items, None)
    end = items[-1]
    parts = (end.followers, end.id) if sort is Sort.POPULAR else (end.id,)
    return Page(items, paging.encode(*parts))


def counted(counts: Mapping[str, int], mask: int) -> int:
    """How many of the things counted by level a viewer with this mask is shown."""
    return sum(int(number) for level, number in counts.items() if int(level) & mask)


def _made(row: Any, actor: Actor, mask: int) -> Shown:
    found: Collection = row[0]
    rights = policy.rights_of(actor, found, Permission(row.permissions or 0))
    return Shown(
        id=found.id,
        kind=Kind(found.kind),
        mode=Mode(found.mode),
        name=found.name,
        description=found.description,
        read_by=found.read_by,
        write_by=found.write_by,
        order_by=found.order_by,
        level=found.level & mask if not rights.manage else found.level,
        count=counted(found.counts, mask),
        waiting=found.waiting if rights.manage else 0,
        followers=found.follower_count,
        created_at=found.created_at,
        filled_at=found.filled_at,
        person_id=found.person_id,
        username=row.username,
        avatar_key=row.avatar_key,
        badge=row.badge,
        followed=row.follower is not None,
        rights=rights,
    )


def ids_of(found: Sequence[Shown]) -> list[int]:
    """The ids of collections, in their order."""
    return [one.id for one in found]
