"""Running everything that waits, here and now, on the caller's own transactions: for tests and the demo."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from civitas.infra.queue import execution
from civitas.infra.queue.context import TaskContext
from civitas.kit import clock

_NEXT = text(
    """
    SELECT id, task_name, args, attempts FROM procrastinate.procrastinate_jobs
     WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= :now)
     ORDER BY priority DESC, id LIMIT 1
    """
)
_DONE = text("DELETE FROM procrastinate.procrastinate_jobs WHERE id = :id")


async def drain(context: TaskContext, *, limit: int = 1000) -> int:
    """Run every due task until none is left, and return how many ran.

    The first failure is raised as it is: inline, there is no later in which to retry. RuntimeError after
    `limit` tasks, because tasks that beget tasks for ever are a mistake.
    """
    for count in range(limit):
        async with context.unit() as session:
            row = (await session.execute(_NEXT, {"now": clock.now()})).first()
        if row is None:
            return count
        await execution.execute(execution.with_attempt(context, row.attempts), row.task_name, dict(row.args))
        async with context.unit() as session:
            await session.execute(_DONE, {"id": row.id})
    raise RuntimeError(f"more than {limit} tasks ran without an end")


_BACKGROUND = text(
    "SELECT EXISTS (SELECT FROM procrastinate.procrastinate_workers WHERE last_heartbeat > now() - interval '25 s')"
)
_WAITING = text(
    """
    SELECT count(*) FROM procrastinate.procrastinate_jobs
     WHERE status IN ('todo', 'doing') AND (scheduled_at IS NULL OR scheduled_at <= now())
       AND task_name <> 'civitas.schedule'
    """
)


async def settled(context: TaskContext, *, expected: bool = False, patience_s: float = 600.0) -> bool:
    """Wait until a background process has run all that is due; False at once when there is none.

    With `expected`, one that has yet to start is waited for too. Raises TimeoutError after `patience_s`.
    """
    async with asyncio.timeout(patience_s):
        while True:
            async with context.reading() as session:
                if not expected and not await session.scalar(_BACKGROUND):
                    return False
                if not await session.scalar(_WAITING):
                    return True
            await asyncio.sleep(0.1)
