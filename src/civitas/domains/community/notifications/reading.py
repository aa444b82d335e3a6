"""Lines as their person reads them, what is unread, and what is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import preferences
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.community.notifications.kinds import BY_NAME, KINDS, Category, names, sentence, switch
from civitas.domains.community.notifications.tables import Notification
from civitas.infra.db.readpool import ReadPool
from civitas.kit import clock, paging
from civitas.kit.errors import Invalid, NotFound
from civitas.kit.paging import Page

PAGE: Final = 30
MOST: Final = 100
# More than this is "99+" for everybody.
MOST_COUNTED: Final = 100
_UNREAD = """
SELECT p.id, (SELECT count(*) FROM (SELECT FROM notifications n
        WHERE n.person_id = p.id AND n.read_at IS NULL LIMIT 100) few)
  FROM unnest(%(people)s::bigint[]) AS p(id)
"""


@dataclass(frozen=True, slots=True)
class Doer:
    """One of those who did it."""

    id: int
    username: str
    avatar_key: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """A notification: its sentence, and where it leads."""

    id: int
    kind: str
    category: str
    text: str
    path: str
    subject_kind: str | None
    subject_id: int | None
    actors: Sequence[Doer]
    actor_count: int
    count: int
    changed_at: datetime
    read: bool


async def page(
    session: AsyncSession,
    actor: Actor,
    *,
    category: Category | None = None,
    unread: bool = False,
    cursor: str | None = None,
    limit: int = PAGE,
) -> Page[Line]:
    """One's own lines, the newest first. Raises Invalid (`bad_limit`, `bad_cursor`)."""
    person = actor.require(Scope.NOTIFICATIONS_READ)
    if not 1 <= limit <= MOST:
        raise Invalid(f"A page has 1 to {MOST} notifications.", code="bad_limit")
    query = select(Notification).where(Notification.person_id == person)
    if category is not None:
        query = query.where(Notification.category == category)
    if unread:
        query = query.where(Notification.read_at.is_(None))
    if cursor is not None:
        moment, last = paging.decode(cursor, datetime, int)
        query = query.where(
            tuple_(Notification.changed_at, Notification.id)
            < tuple_(datetime.fromisoformat(str(moment)), last)
        )
    query = query.order_by(Notification.changed_at.desc(), Notification.id.desc()).limit(limit + 1)
    rows = (await session.scalars(query.execution_options(populate_existing=True))).all()
    known = await doers(session, [person for row in rows[:limit] for person in row.actors[:3]])
    lines = [line_of(row, known) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(lines, paging.encode(rows[limit - 1].changed_at, rows[limit - 1].id) if more else None)


async def unread_by_category(session: AsyncSession, actor: Actor) -> dict[str, int]:
    """How much is unread in each category that has something."""
    person = actor.require(Scope.NOTIFICATIONS_READ)
    rows = await session.execute(
        select(Notification.category, func.count())
        .where(Notification.person_id == person, Notification.read_at.is_(None))
        .group_by(Notification.category)
    )
    return {str(category): int(count) for category, count in rows}


async def unread(reads: ReadPool, people: Sequence[int]) -> Mapping[int, int]:
    """How much each of these people has not read, at most `MOST_COUNTED`: one statement for all."""
    rows = await reads.fetch(_UNREAD, {"people": list(people)})
    return {int(person): int(count) for person, count in rows}


async def mark_read(
    session: AsyncSession,
    actor: Actor,
    *,
    ids: Sequence[int] | None = None,
    category: Category | None = None,
) -> None:
    """Mark lines as read: these, those of a category, or all."""
    person = actor.require(Scope.NOTIFICATIONS_WRITE)
    change = update(Notification).where(Notification.person_id == person, Notification.read_at.is_(None))
    if ids is not None:
        change = change.where(Notification.id.in_(list(ids)[:1000]))
    if category is not None:
        change = change.where(Notification.category == category)
    await session.execute(change.values(read_at=clock.now()).execution_options(synchronize_session=False))


async def open_line(session: AsyncSession, actor: Actor, *, notification_id: int) -> str:
    """Mark one's own line as read; where it leads. NotFound."""
    person = actor.require(Scope.NOTIFICATIONS_WRITE)
    row = await session.scalar(
        select(Notification).where(Notification.id == notification_id, Notification.person_id == person)
    )
    if row is None:
        raise NotFound("There is no such notification.", code="notification_not_found")
    await mark_read(session, actor, ids=[notification_id])
    return str(row.data.get("path") or "/notifications")


async def wanted(session: AsyncSession, actor: Actor) -> dict[str, bool]:
    """Which kinds the actor gets."""
    muted = set((await preferences.of(session, actor.require(Scope.NOTIFICATIONS_READ))).muted_notifications)
    return {kind.name: (switch(kind.name) in muted) != kind.on for kind in KINDS}


async def want(session: AsyncSession, actor: Actor, *, kinds: Mapping[str, bool]) -> dict[str, bool]:
    """Turn kinds on or off; those that are not named stay. Raises Invalid (`no_such_kind`)."""
    actor.require(Scope.NOTIFICATIONS_WRITE)
    unknown = sorted(kinds.keys() - BY_NAME.keys())
    if unknown:
        raise Invalid(f"There is no notification called {unknown[0][:60]}.", code="no_such_kind")
    chosen = set((await preferences.of(session, actor.require())).muted_notifications)
    for name, on in kinds.items():
        if on == BY_NAME[name].on:
            chosen.discard(switch(name))
        else:
            chosen.add(switch(name))
    await preferences.change(session, actor, changes={"muted_notifications": sorted(chosen)})
    return await wanted(session, actor)


async def doers(session: AsyncSession, ids: Sequence[int]) -> dict[int, Doer]:
    """Those of these people who have a name."""
    if not ids:
        return {}
    rows = await session.execute(
        select(Person.id, func.coalesce(Person.username, literal("")), Person.avatar_key).where(
            Person.id.in_(sorted(set(ids))), Person.username.is_not(None)
        )
    )
    return {row[0]: Doer(*row) for row in rows}


def line_of(row: Notification, known: Mapping[int, Doer]) -> Line:
    """A row as it reads, with those who did it."""
    actors = [known[person] for person in row.actors[:3] if person in known]
    who = names([one.username for one in actors], row.actor_count)
    return Line(
        id=row.id,
        kind=row.kind,
        category=row.category,
        text=sentence(row.kind, who=who, count=row.count, data=row.data),
        path=str(row.data.get("path") or "/notifications"),
        subject_kind=row.subject_kind,
        subject_id=row.subject_id,
        actors=actors,
        actor_count=row.actor_count,
        count=row.count,
        changed_at=row.changed_at,
        read=row.read_at is not None,
    )
