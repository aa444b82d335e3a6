"""Background work on collections."""

from __future__ import annotations

from civitas.domains.gallery.collections import contests, giving, levels
from civitas.domains.gallery.collections.messages import CountCollections
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every, handles


@handles(CountCollections)
async def count_collections(message: CountCollections, context: TaskContext) -> None:
    """Count what changed in collections."""
    async with context.unit() as session:
        await levels.count(session, message.collection_ids)


@every("5m")
async def end_contests(context: TaskContext) -> None:
    """End contests whose time is over, some at a time."""
    while True:
        async with context.unit() as session:
            if not await contests.end_due(session):
                return


@every("1h")
async def tend_boards(context: TaskContext) -> None:
    """Give what a purse lacked before, and take off boards what was there long enough."""
    async with context.unit() as session:
        await giving.retry_short(session)
    while True:
        async with context.unit() as session:
            if not await giving.clear(session):
                return
