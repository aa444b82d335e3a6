"""The night's work: places of every board, legends, what is given to those at the top."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.community import RankReached
from civitas.domains.buzz.shop import cosmetics
from civitas.domains.buzz.shop.tables import Cosmetic
from civitas.domains.buzz.shop.types import CosmeticType, Source
from civitas.domains.community.boards.tables import BoardStanding
from civitas.domains.community.boards.types import (
    KEPT,
    LEGENDARY,
    RANKS,
    WINDOW,
    Board,
    Season,
    Span,
)
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.sql import statements

_SQL = statements(__package__, "boards.sql")
DAY: Final = timedelta(days=1)
# What those at the top of the last thirty days may wear from then on: the lowest place, and the plate.
TROPHIES: Final = (
    (1, "board.first", "First of a board", "aurora"),
    (3, "board.third", "Among the first three", "ember"),
    (10, "board.tenth", "Among the first ten", "ocean"),
)


async def compute(session: AsyncSession, board: Board, *, now: datetime | None = None) -> None:
    """The places of a board now, and of its season; on a season's first day those of the one before, for good."""
    moment = now or clock.now()
    season = Season.of(moment)
    await _rank(session, board, Span.WINDOW, moment.date(), moment - WINDOW, moment)
    await _rank(session, board, Span.SEASON, season.first, season.begins, moment)
    if moment - season.begins < DAY:
        last = season.before
        await _rank(session, board, Span.SEASON, last.first, last.begins, last.ends)


async def sum_up(session: AsyncSession) -> None:
    """Legends anew from all days, and old places beyond the hundredth let go."""
    await session.execute(text(_SQL["forget_legends"]))
    await session.execute(text(_SQL["legends"]))
    await session.execute(
        delete(BoardStanding).where(
            BoardStanding.span == Span.WINDOW.value,
            BoardStanding.position > LEGENDARY,
            BoardStanding.day < (clock.now() - KEPT).date(),
        )
    )


async def reward(session: AsyncSession) -> int:
    """Give those at the top today what they do not have yet; how many gifts there were."""
    today = clock.now().date()
    rows = await session.execute(
        select(BoardStanding.person_id, BoardStanding.board, BoardStanding.position)
        .where(
            BoardStanding.span == Span.WINDOW.value,
            BoardStanding.day == today,
            BoardStanding.position <= TROPHIES[-1][0],
        )
        .order_by(BoardStanding.position, BoardStanding.board)
    )
    best: dict[int, tuple[str, int]] = {}
    for person, board, position in rows:
        best.setdefault(person, (board, position))
    given = 0
    plates = await _plates(session)
    for person, (board, position) in best.items():
        lowest, key, _, _ = next(trophy for trophy in TROPHIES if position <= trophy[0])
        if await cosmetics.gain(session, person_id=person, cosmetic=plates[key]):
            given += 1
            await publish(session, RankReached(person, board, lowest))
    return given


async def _rank(
    session: AsyncSession, board: Board, span: Span, day: Any, since: datetime, until: datetime
) -> None:
    await session.execute(
        delete(BoardStanding).where(
            BoardStanding.board == board.key, BoardStanding.span == span.value, BoardStanding.day == day
        )
    )
    await session.execute(
        text(f"WITH given AS ({_given(board)}) {_SQL['rank']}"),
        {
            "board": board.key,
            "span": span.value,
            "day": day,
            "since": since,
            "until": until,
            "ranks": RANKS,
        },
    )


def _given(board: Board) -> str:
    """Who gets how many points; overall is what others made of one's models, media and words."""
    if board.statement != "overall":
        return _SQL[board.statement]
    return " UNION ALL ".join(f"({_SQL[name]})" for name in ("models", "images", "videos", "articles"))


async def _plates(session: AsyncSession) -> dict[str, Cosmetic]:
    values = [
        {
            "key": key,
            "type": CosmeticType.NAME_PLATE.value,
            "source": Source.TROPHY.value,
            "name": name,
            "told": "Given by the leaderboards.",
            "plate": plate,
        }
        for _, key, name, plate in TROPHIES
    ]
    await session.execute(insert(Cosmetic).values(values).on_conflict_do_nothing())
    found: Sequence[Cosmetic] = (
        await session.scalars(select(Cosmetic).where(Cosmetic.key.in_([one["key"] for one in values])))
    ).all()
    return {str(one.key): one for one in found}
