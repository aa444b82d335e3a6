"""What one sees of chat: rooms, messages, how much is unread. Never what somebody behind a block wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import queries
from civitas.domains.accounts.queries import Card
from civitas.domains.accounts.tables import Follow
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.community.chat import rooms
from civitas.domains.community.chat.tables import ChatMember, ChatMessage, ChatRoom
from civitas.domains.community.chat.types import MOST_UNREAD, PAGE, Member
from civitas.infra.db.readpool import ReadPool
from civitas.kit import paging
from civitas.kit.paging import Page
from civitas.kit.sql import statements

_SQL = statements(__package__, "live.sql")


@dataclass(frozen=True, slots=True)
class Seat:
    """Somebody in a room."""

    person: Card
    state: Member


@dataclass(frozen=True, slots=True)
class Room:
    """A room in one's list."""

    id: int
    name: str
    is_group: bool
    owner_id: int
    mine: Member
    muted: bool
    read_id: int
    last_id: int
    last_at: datetime
    last_words: str
    last_by: int | None
    unread: int
    seats: tuple[Seat, ...]

    def others(self, person_id: int) -> tuple[Card, ...]:
        """Everybody but this person."""
        return tuple(seat.person for seat in self.seats if seat.person.id != person_id)


@dataclass(frozen=True, slots=True)
class Said:
    """A message; `content` is empty once it was taken back."""

    id: int
    room_id: int
    by: Card
    content: str
    created_at: datetime
    removed: bool


@dataclass(frozen=True, slots=True)
class Stir:
    """Something was said in a room that somebody is in."""

    message_id: int
    room_id: int


async def mine(
    session: AsyncSession, actor: Actor, *, cursor: str | None = None, limit: int = PAGE
) -> Page[Room]:
    """One's rooms, those with the newest message first; three statements. Raises Invalid (`bad_cursor`)."""
    person = actor.require(Scope.SOCIAL_WRITE)
    query = _rooms(person).order_by(ChatRoom.last_message_at.desc(), ChatRoom.id.desc()).limit(limit + 1)
    query = query.where(ChatMember.state.in_([Member.INVITED.value, Member.JOINED.value]))
    if cursor:
        at, last = paging.decode(cursor, datetime, int)
        moment = datetime.fromisoformat(str(at))
        query = query.where(
            (ChatRoom.last_message_at < moment)
            | ((ChatRoom.last_message_at == moment) & (ChatRoom.id < last))
        )
    rows = (await session.execute(query)).all()
    found = await _told(session, person, rows[:limit])
    if len(rows) <= limit:
        return Page(found, None)
    return Page(found, paging.encode(found[-1].last_at, found[-1].id))


async def one(session: AsyncSession, actor: Actor, *, room_id: int) -> Room:
    """A room that one is in. Raises NotFound."""
    await rooms.of(session, actor, room_id=room_id)
    person = actor.require()
    rows = (await session.execute(_rooms(person).where(ChatRoom.id == room_id))).all()
    return (await _told(session, person, rows))[0]


async def said(
    session: AsyncSession,
    actor: Actor,
    *,
    room_id: int,
    before: int | None = None,
    after: int | None = None,
    limit: int = PAGE,
) -> list[Said]:
    """Messages of a room, the oldest first: the last ones, those before a message, or those after one.

    Raises NotFound.
    """
    await rooms.of(session, actor, room_id=room_id)
    query = select(ChatMessage).where(ChatMessage.room_id == room_id, ~_behind_block(actor.require()))
    if after is not None:
        query = query.where(ChatMessage.id > after).order_by(ChatMessage.id)
    else:
        if before is not None:
            query = query.where(ChatMessage.id < before)
        query = query.order_by(ChatMessage.id.desc())
    found = list(await session.scalars(query.limit(limit)))
    return await tell(session, found if after is not None else found[::-1])


async def tell(session: AsyncSession, found: Sequence[ChatMessage]) -> list[Said]:
    """Messages with those who wrote them; one query."""
    cards = await queries.by_ids(session, {one.person_id for one in found})
    return [
        Said(
            one.id, one.room_id, cards[one.person_id], one.content, one.created_at, one.removed_at is not None
        )
        for one in found
    ]


async def unread(reads: ReadPool, person_id: int) -> int:
    """In how many rooms something is unread, rooms one muted or ignores apart; a hundred at most."""
    return (await unread_of(reads, [person_id]))[person_id]


async def unread_of(reads: ReadPool, people: Sequence[int]) -> Mapping[int, int]:
    """The same for many people, in one statement."""
    rows = await reads.fetch(_SQL["unread"], (list(people),))
    return {int(person): int(count) for person, count in rows}


async def stirring(reads: ReadPool, people: Sequence[int], since: datetime) -> Mapping[int, tuple[Stir, ...]]:
    """What was said since, in the rooms of all these people; one statement for a hot path."""
    found: dict[int, list[Stir]] = {person: [] for person in people}
    for person, message_id, room_id in await reads.fetch(_SQL["stirring"], (list(people), since)):
        found[person].append(Stir(message_id, room_id))
    return {person: tuple(stirs) for person, stirs in found.items()}


async def missed(reads: ReadPool, person_id: int, after: int) -> tuple[Stir, ...]:
    """What was said after a message while somebody was away, at most two hundred."""
    rows = await reads.fetch(_SQL["missed"], (person_id, after))
    return tuple(Stir(message_id, room_id) for message_id, room_id in rows)


def _behind_block(person_id: int) -> ColumnElement[bool]:
    return exists().where(
        Follow.kind == "block",
        or_(
            and_(Follow.person_id == person_id, Follow.target_id == ChatMessage.person_id),
            and_(Follow.person_id == ChatMessage.person_id, Follow.target_id == person_id),
        ),
    )


def _rooms(person: int) -> Any:
    seen = and_(ChatMessage.room_id == ChatRoom.id, ~_behind_block(person))
    last = (
        select(ChatMessage.id, ChatMessage.content, ChatMessage.person_id)
        .where(seen)
        .order_by(ChatMessage.id.desc())
        .limit(1)
        .lateral()
    )
    fresh = (
        select(ChatMessage.id)
        .where(seen, ChatMessage.id > ChatMember.read_id, ChatMessage.person_id != person)
        .limit(MOST_UNREAD + 1)
        .correlate(ChatRoom, ChatMember)
        .subquery()
    )
    count = select(func.count()).select_from(fresh.lateral()).scalar_subquery()
    return (
        select(ChatRoom, ChatMember, last.c.content, last.c.person_id, count)
        .join(ChatMember, ChatMember.room_id == ChatRoom.id)
        .outerjoin(last, ChatRoom.last_message_id > 0)
        .where(ChatMember.person_id == person)
    )


async def _told(session: AsyncSession, person: int, rows: Sequence[Any]) -> list[Room]:
    ids = [row[0].id for row in rows]
    members = (
        await session.scalars(
            select(ChatMember).where(
                ChatMember.room_id.in_(ids),
                ChatMember.state.in_([Member.INVITED.value, Member.JOINED.value, Member.IGNORED.value]),
            )
        )
    ).all()
    cards = await queries.by_ids(session, {one.person_id for one in members})
    seats: dict[int, list[Seat]] = {}
    for one in members:
        seats.setdefault(one.room_id, []).append(Seat(cards[one.person_id], Member(one.state)))
    return [
        Room(
            id=room.id,
            name=room.name
            or ", ".join(seat.person.username for seat in seats.get(room.id, ()) if seat.person.id != person)
            or "Nobody else",
            is_group=room.is_group,
            owner_id=room.owner_id,
            mine=Member(own.state),
            muted=own.muted,
            read_id=own.read_id,
            last_id=room.last_message_id,
            last_at=room.last_message_at,
            last_words=words or "",
            last_by=by,
            unread=int(count),
            seats=tuple(seats.get(room.id, ())),
        )
        for room, own, words, by, count in rows
    ]
