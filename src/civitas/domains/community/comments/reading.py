"""Threads as people read them: pages of the first level, each with the answers below it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, and_, func, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from civitas.contracts.subjects import Subject
from civitas.domains.accounts import following
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.domains.community.comments import policy
from civitas.domains.community.comments.policy import Place
from civitas.domains.community.comments.tables import Comment, CommentMention, CommentThread
from civitas.domains.community.comments.types import Order, State, deepest
from civitas.domains.community.comments.writing import found
from civitas.kit import paging
from civitas.kit.errors import Invalid, NotFound
from civitas.kit.paging import Page

PAGE = 20
MOST = 100
# Answers that come with a comment of the first level; the others are asked for.
ANSWERS = 40
_IDS = ARRAY(BigInteger)


@dataclass(frozen=True, slots=True)
class Told:
    """A comment as this viewer sees it; `content` is empty where it is not shown to them."""

    id: int
    parent_id: int | None
    root_id: int | None
    depth: int
    person_id: int
    # None for somebody who left.
    username: str | None
    avatar_key: str | None
    badge: str | None
    content: str
    state: State
    pinned: bool
    created_at: datetime
    edited_at: datetime | None
    reply_count: int
    reaction_count: int
    # Written by somebody whom the viewer does not want to see, or who blocked them.
    unseen: bool = False
    # Who is mentioned: names that lead to people.
    mentions: frozenset[str] = frozenset()

    @property
    def shown(self) -> bool:
        """Whether there is something to read, rather than a place that says what is gone."""
        return self.state is State.SHOWN and not self.unseen


@dataclass(frozen=True, slots=True)
class Branch:
    """A comment of the first level and what was answered, in the order in which it was said."""

    top: Told
    answers: Sequence[Told] = ()
    # Where the answers go on; None when these are all.
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ThreadView:
    """A page of a thread."""

    place: Place
    count: int
    locked: bool
    order: Order
    deepest: int
    branches: Sequence[Branch] = ()
    pinned: Sequence[Branch] = ()
    next_cursor: str | None = None
    # The newest comment there is, to ask later what came after it.
    newest_id: int = field(default=0)


_COLUMNS = (
    Comment.id,
    Comment.parent_id,
    Comment.root_id,
    Comment.depth,
    Comment.person_id,
    Person.username,
    Person.avatar_key,
    Person.badge,
    Comment.content,
    Comment.state,
    Comment.pinned_at,
    Comment.created_at,
    Comment.edited_at,
    Comment.reply_count,
    Comment.reaction_count,
)


async def thread(
    session: AsyncSession,
    actor: Actor,
    *,
    subject: Subject,
    order: Order = Order.NEWEST,
    cursor: str | None = None,
    limit: int = PAGE,
) -> ThreadView:
    """One page of a thread; pinned comments come with the first page, apart. Raises NotFound, Invalid."""
    if not 1 <= limit <= MOST:
        raise Invalid(f"A page has 1 to {MOST} comments.", code="bad_limit")
    place = await policy.place(session, actor, subject)
    row = (
        await session.execute(
            select(
                CommentThread.id,
                CommentThread.comment_count,
                CommentThread.locked_at,
                select(func.max(Comment.id))
                .where(Comment.thread_id == CommentThread.id)
                .scalar_subquery()
                .label("newest"),
            ).where(CommentThread.kind == subject.kind, CommentThread.subject_id == subject.id)
        )
    ).first()
    if row is None:
        return ThreadView(place, 0, False, order, deepest(subject.kind))
    unseen = await _unseen(session, actor)
    pinned: list[Told] = []
    if cursor is None:
        pinned = await _told(
            session,
            _first_level(row.id, unseen).where(Comment.pinned_at.is_not(None)).order_by(Comment.pinned_at),
        )
    rows, following_cursor = await _level(session, row.id, unseen, order, cursor, limit)
    branches = await _branches(session, actor, place, [*pinned, *rows], unseen)
    return ThreadView(
        place,
        row.comment_count,
        row.locked_at is not None,
        order,
        deepest(subject.kind),
        branches=_worth(branches[len(pinned) :]),
        pinned=branches[: len(pinned)],
        next_cursor=following_cursor,
        newest_id=row.newest or 0,
    )


async def branch(session: AsyncSession, actor: Actor, *, comment_id: int) -> tuple[Place, Branch]:
    """The branch of the first level that a comment belongs to, and where it is. NotFound."""
    comment, thread_row, facts = await found(session, actor, comment_id)
    place = Place(facts, policy.keeps(actor, facts))
    unseen = await _unseen(session, actor)
    rows = await _told(session, _rows(thread_row.id).where(Comment.id == (comment.root_id or comment.id)))
    return place, (await _branches(session, actor, place, rows, unseen))[0]


async def answers(
    session: AsyncSession, actor: Actor, *, comment_id: int, cursor: str | None = None, limit: int = ANSWERS
) -> tuple[Place, Page[Told]]:
    """The answers below a comment of the first level, in the order in which they were given. NotFound, Invalid."""
    if not 1 <= limit <= MOST:
        raise Invalid(f"A page has 1 to {MOST} comments.", code="bad_limit")
    top, thread_row, facts = await found(session, actor, comment_id)
    if top.root_id is not None:
        raise NotFound("Answers are listed below comments of the first level.", code="comment_not_found")
    place = Place(facts, policy.keeps(actor, facts))
    unseen = await _unseen(session, actor)
    query = _rows(thread_row.id).where(Comment.root_id == top.id)
    if cursor is not None:
        query = query.where(Comment.id > paging.decode(cursor, int)[0])
    rows = await _told(session, query.order_by(Comment.id).limit(limit + 1))
    more = len(rows) > limit
    seen = await _seen(session, actor, place, rows[:limit], unseen)
    return place, Page(seen, paging.encode(rows[limit - 1].id) if more else None)


async def one(session: AsyncSession, actor: Actor, *, comment_id: int) -> tuple[Place, Told]:
    """One comment, alone. NotFound."""
    comment, thread_row, facts = await found(session, actor, comment_id)
    place = Place(facts, policy.keeps(actor, facts))
    rows = await _told(session, _rows(thread_row.id).where(Comment.id == comment.id))
    return place, (await _seen(session, actor, place, rows, await _unseen(session, actor)))[0]


async def of_person(
    session: AsyncSession, *, person_id: int, cursor: str | None = None, limit: int = PAGE
) -> Page[Told]:
    """What a person says in public, the newest first: for staff and for the person's own export."""
    query = (
        select(*_COLUMNS).join(Person, Person.id == Comment.person_id).where(Comment.person_id == person_id)
    )
    if cursor is not None:
        moment, last = paging.decode(cursor, datetime, int)
        query = query.where(
            tuple_(Comment.created_at, Comment.id) < tuple_(datetime.fromisoformat(str(moment)), last)
        )
    rows = await _told(session, query.order_by(Comment.created_at.desc(), Comment.id.desc()).limit(limit + 1))
    more = len(rows) > limit
    return Page(rows[:limit], paging.encode(rows[limit - 1].created_at, rows[limit - 1].id) if more else None)


async def _unseen(session: AsyncSession, actor: Actor) -> frozenset[int]:
    # Staff must be able to read what others report.
    if actor.id is None or actor.is_moderator:
        return frozenset()
    return await following.unseen_by(session, actor.id)


def _rows(thread_id: int) -> Any:
    return (
        select(*_COLUMNS).join(Person, Person.id == Comment.person_id).where(Comment.thread_id == thread_id)
    )


def _first_level(thread_id: int, unseen: Iterable[int]) -> Any:
    query = _rows(thread_id).where(
        Comment.parent_id.is_(None),
        or_(Comment.state == State.SHOWN, Comment.reply_count > 0, Comment.state == State.HIDDEN),
    )
    apart = sorted(unseen)
    if apart:
        query = query.where(or_(Comment.person_id.not_in(apart), Comment.reply_count > 0))
    return query


async def _level(
    session: AsyncSession,
    thread_id: int,
    unseen: Iterable[int],
    order: Order,
    cursor: str | None,
    limit: int,
) -> tuple[list[Told], str | None]:
    query = _first_level(thread_id, unseen).where(Comment.pinned_at.is_(None))
    if order is Order.REACTIONS:
        if cursor is not None:
            query = query.where(
                tuple_(Comment.reaction_count, Comment.id) < tuple_(*paging.decode(cursor, int, int))
            )
        query = query.order_by(Comment.reaction_count.desc(), Comment.id.desc())
    else:
        oldest = order is Order.OLDEST
        if cursor is not None:
            last = paging.decode(cursor, int)[0]
            query = query.where(Comment.id > last if oldest else Comment.id < last)
        query = query.order_by(Comment.id if oldest else Comment.id.desc())
    rows = await _told(session, query.limit(limit + 1))
    if len(rows) <= limit:
        return rows, None
    last_row = rows[limit - 1]
    key = (last_row.reaction_count, last_row.id) if order is Order.REACTIONS else (last_row.id,)
    return rows[:limit], paging.encode(*key)


async def _branches(
    session: AsyncSession, actor: Actor, place: Place, tops: Sequence[Told], unseen: frozenset[int]
) -> list[Branch]:
    """The first answers of every one of these in one statement, and whom they mention in another."""
    ids = [top.id for top in tops]
    below: dict[int, list[Told]] = {top: [] for top in ids}
    if ids:
        roots = func.unnest(literal(ids, type_=_IDS)).table_valued("id").render_derived("r")
        inner = aliased(Comment, name="answer")
        few = (
            select(inner.id)
            .where(inner.root_id == roots.c.id)
            .order_by(inner.id)
            .limit(ANSWERS + 1)
            .lateral("few")
        )
        query = (
            select(*_COLUMNS)
            .select_from(roots)
            .join(few, literal(True))
            .join(Comment, Comment.id == few.c.id)
            .join(Person, Person.id == Comment.person_id)
            .order_by(Comment.id)
        )
        for told in await _told(session, query):
            below[told.root_id or 0].append(told)
    everything = [*tops, *(answer for found_ in below.values() for answer in found_[:ANSWERS])]
    seen = {one.id: one for one in await _seen(session, actor, place, everything, unseen)}
    made = []
    for top in tops:
        whole = below[top.id]
        following_cursor = paging.encode(whole[ANSWERS - 1].id) if len(whole) > ANSWERS else None
        made.append(
            Branch(
                seen[top.id],
                _alive(
                    [seen[answer.id] for answer in whole[:ANSWERS]], place, whole=following_cursor is None
                ),
                following_cursor,
            )
        )
    return made


def _alive(answers: Sequence[Told], place: Place, *, whole: bool) -> list[Told]:
    """Without places that say that something is gone and hold nothing below: nobody misses them."""
    kept: list[Told] = []
    needed: set[int] = set()
    for told in reversed(answers):
        keeps = told.state is State.HIDDEN and place.keeps
        if told.shown or keeps or told.id in needed or not whole:
            kept.append(told)
            if told.parent_id is not None:
                needed.add(told.parent_id)
    return kept[::-1]


def _worth(branches: Sequence[Branch]) -> list[Branch]:
    return [
        one
        for one in branches
        if one.top.shown
        or one.answers
        or one.next_cursor
        or (one.top.content and one.top.state is State.HIDDEN)
    ]


async def _told(session: AsyncSession, query: Any) -> list[Told]:
    return [
        Told(
            id=row.id,
            parent_id=row.parent_id,
            root_id=row.root_id,
            depth=row.depth,
            person_id=row.person_id,
            username=row.username,
            avatar_key=row.avatar_key,
            badge=row.badge,
            content=row.content,
            state=State(row.state),
            pinned=row.pinned_at is not None,
            created_at=row.created_at,
            edited_at=row.edited_at,
            reply_count=row.reply_count,
            reaction_count=row.reaction_count,
        )
        for row in await session.execute(query)
    ]


async def _seen(
    session: AsyncSession, actor: Actor, place: Place, rows: Sequence[Told], unseen: frozenset[int]
) -> list[Told]:
    """As the viewer may read it: whoever keeps the thread also reads what is hidden."""
    named: dict[int, set[str]] = {}
    asking = [row.id for row in rows if "@" in row.content]
    if asking:
        found_names = await session.execute(
            select(CommentMention.comment_id, Person.username_folded)
            .join(Person, Person.id == CommentMention.person_id)
            .where(and_(CommentMention.comment_id.in_(asking), Person.username_folded.is_not(None)))
        )
        for comment_id, name in found_names:
            named.setdefault(comment_id, set()).add(str(name))
    made = []
    for row in rows:
        apart = row.person_id in unseen
        own = row.person_id == actor.id
        readable = not apart and (
            row.state is State.SHOWN or (row.state is State.HIDDEN and (place.keeps or own))
        )
        made.append(
            replace(
                row,
                unseen=apart,
                content=row.content if readable else "",
                mentions=frozenset(named.get(row.id, ())),
            )
        )
    return made
