"""Tasks that failed for good: staff see why, and retry or discard them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.kit import paging
from civitas.kit.errors import NotFound

PAGE = 50

_LIST = text(
    """
    SELECT j.id, f.name, f.error, f.attempts, f.arguments, f.failed_at
      FROM procrastinate.procrastinate_jobs j JOIN task_failures f ON f.task_id = j.id
     WHERE j.status = 'failed' AND j.id < :before
     ORDER BY j.id DESC LIMIT :limit
    """
)
_RETRY = text(
    """
    UPDATE procrastinate.procrastinate_jobs
       SET status = 'todo', attempts = 0, scheduled_at = NULL, worker_id = NULL
     WHERE id = :id AND status = 'failed'
    RETURNING queue_name
    """
)
_DISCARD = text(
    "DELETE FROM procrastinate.procrastinate_jobs WHERE id = :id AND status = 'failed' RETURNING id"
)
_FORGET = text("DELETE FROM task_failures WHERE task_id = :id")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One task that will not be tried again by itself."""

    id: int
    name: str
    error: str
    attempts: int
    arguments: dict[str, Any]
    failed_at: datetime


async def page(session: AsyncSession, *, cursor: str | None = None) -> paging.Page[DeadLetter]:
    """The newest dead letters first, 50 a page."""
    before = paging.decode(cursor, int)[0] if cursor else 2**62
    rows = (await session.execute(_LIST, {"before": before, "limit": PAGE + 1})).all()
    letters = [DeadLetter(*row) for row in rows[:PAGE]]
    return paging.Page(letters, paging.encode(letters[-1].id) if len(rows) > PAGE else None)


async def retry(session: AsyncSession, *, task_id: int) -> None:
    """Put a dead letter back into its queue with all its attempts; NotFound when it is not there any more."""
    queue = (await session.execute(_RETRY, {"id": task_id})).scalar()
    if queue is None:
        raise NotFound("This task is not among the failed ones any more.")
    await session.execute(_FORGET, {"id": task_id})


async def discard(session: AsyncSession, *, task_id: int) -> None:
    """Forget a dead letter; NotFound when it is not there any more."""
    if (await session.execute(_DISCARD, {"id": task_id})).scalar() is None:
        raise NotFound("This task is not among the failed ones any more.")
    await session.execute(_FORGET, {"id": task_id})
