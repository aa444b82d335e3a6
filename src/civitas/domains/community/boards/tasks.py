"""Schedules of boards, scores and milestones."""

from __future__ import annotations

from civitas.domains.community.boards import computing, milestones, scoring
from civitas.domains.community.boards.types import BOARDS
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every


@every("0 23 * * *")
async def compute_boards(context: TaskContext) -> None:
    """Every board in a transaction of its own, then legends, then what those at the top are given."""
    for board in BOARDS:
        async with context.unit() as session:
            await computing.compute(session, board)
    async with context.unit() as session:
        await computing.sum_up(session)
        await computing.reward(session)


@every("50 23 * * *")
async def score_words_and_media(context: TaskContext) -> None:
    """Compute what articles and media add to everybody's score."""
    async with context.unit() as session:
        await scoring.score_words_and_media(session)


@every("1h")
async def look_for_milestones(context: TaskContext) -> None:
    """Tell what was reached for the first time."""
    async with context.unit() as session:
        await milestones.look(session)
