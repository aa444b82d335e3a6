"""Boards as they are shown: places, one's own, legends, a person's best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Person
from civitas.domains.community.boards.tables import BoardLegend, BoardStanding
from civitas.domains.community.boards.types import BY_KEY, Board, Season, Span
from civitas.kit import paging
from civitas.kit.errors import NotFound
from civitas.kit.paging import Page

PAGE = 100


@dataclass(frozen=True, slots=True)
class Place:
    """Somebody's place; `moved` says by how many places they rose since the day before, none when they are new."""

    position: int
    points: int
    person_id: int
    username: str
    avatar_key: str | None
    moved: int | None = None


@dataclass(frozen=True, slots=True)
class Legend:
    """What somebody's days on a board add up to."""

    position: int
    points: int
    person_id: int
    username: str
    avatar_key: str | None
    diamonds: int
    golds: int
    silvers: int
    bronzes: int


def board_of(key: str) -> Board:
    """A board by its key. Raises NotFound (`board_not_found`)."""
    board = BY_KEY.get(key)
    if board is None:
        raise NotFound("There is no such board.", code="board_not_found")
    return board


async def newest_day(session: AsyncSession, board: Board) -> date | None:
    """The last day for which places were computed; None before the first night."""
    found: date | None = await session.scalar(
        select(func.max(BoardStanding.day)).where(
            BoardStanding.board == board.key, BoardStanding.span == Span.WINDOW.value
        )
    )
    return found


async def places(
    session: AsyncSession,
    board: Board,
    *,
    span: Span,
    day: date,
    cursor: str | None = None,
    limit: int = PAGE,
) -> Page[Place]:
    """The places of a day, or of the season that begins on it; one statement. Raises Invalid (`bad_cursor`)."""
    before = (
        select(BoardStanding.person_id, BoardStanding.position)
        .where(
            BoardStanding.board == board.key,
            BoardStanding.span == Span.WINDOW.value,
            BoardStanding.day
            == select(func.max(BoardStanding.day))
            .where(
                BoardStanding.board == board.key,
                BoardStanding.span == Span.WINDOW.value,
                BoardStanding.day < day,
            )
            .scalar_subquery(),
        )
        .subquery()
    )
    query = (
        select(
            BoardStanding.position,
            BoardStanding.points,
            BoardStanding.person_id,
            Person.username,
            Person.avatar_key,
            (before.c.position - BoardStanding.position).label("moved"),
        )
        .join(Person, Person.id == BoardStanding.person_id)
        .outerjoin(before, before.c.person_id == BoardStanding.person_id)
        .where(
            BoardStanding.board == board.key,
            BoardStanding.span == span.value,
            BoardStanding.day == day,
            Person.status == "active",
        )
        .order_by(BoardStanding.position)
        .limit(limit + 1)
    )
    if cursor:
        query = query.where(BoardStanding.position > paging.decode(cursor, int)[0])
    rows = (await session.execute(query)).all()
    found = [
        Place(row[0], row[1], row[2], row[3] or "", row[4], row[5] if span is Span.WINDOW else None)
        for row in rows[:limit]
    ]
    return Page(found, paging.encode(found[-1].position) if len(rows) > limit else None)


async def own(
    session: AsyncSession, person_id: int, board: Board, *, span: Span, day: date
) -> tuple[int, int] | None:
    """One's place and points; None beyond the thousandth."""
    row = (
        await session.execute(
            select(BoardStanding.position, BoardStanding.points).where(
                BoardStanding.board == board.key,
                BoardStanding.span == span.value,
                BoardStanding.day == day,
                BoardStanding.person_id == person_id,
            )
        )
    ).first()
    return (row[0], row[1]) if row else None


async def legends(
    session: AsyncSession, board: Board, *, cursor: str | None = None, limit: int = PAGE
) -> Page[Legend]:
    """Whose days on a board add up to most. Raises Invalid (`bad_cursor`)."""
    query = (
        select(BoardLegend, Person.username, Person.avatar_key)
        .join(Person, Person.id == BoardLegend.person_id)
        .where(BoardLegend.board == board.key, Person.status == "active")
        .order_by(BoardLegend.position)
        .limit(limit + 1)
    )
    if cursor:
        query = query.where(BoardLegend.position > paging.decode(cursor, int)[0])
    rows = (await session.execute(query)).all()
    found = [
        Legend(
            one.position,
            one.points,
            one.person_id,
            name or "",
            avatar,
            one.diamonds,
            one.golds,
            one.silvers,
            one.bronzes,
        )
        for one, name, avatar in rows[:limit]
    ]
    return Page(found, paging.encode(found[-1].position) if len(rows) > limit else None)


async def seasons(session: AsyncSession, board: Board) -> Sequence[Season]:
    """The seasons of which places are kept, the newest first."""
    days = await session.scalars(
        select(BoardStanding.day)
        .where(BoardStanding.board == board.key, BoardStanding.span == Span.SEASON.value)
        .distinct()
        .order_by(BoardStanding.day.desc())
        .limit(40)
    )
    return [Season.of(day) for day in days]


async def best_of(session: AsyncSession, person_id: int) -> tuple[Board, int] | None:
    """Somebody's best place on the last day that was computed, for their card; one statement."""
    latest = (
        select(func.max(BoardStanding.day)).where(BoardStanding.span == Span.WINDOW.value).scalar_subquery()
    )
    row = (
        await session.execute(
            select(BoardStanding.board, BoardStanding.position)
            .where(
                BoardStanding.person_id == person_id,
                BoardStanding.span == Span.WINDOW.value,
                BoardStanding.day == latest,
            )
            .order_by(BoardStanding.position, BoardStanding.board)
            .limit(1)
        )
    ).first()
    return (BY_KEY[row[0]], row[1]) if row and row[0] in BY_KEY else None
