"""What placements do by the clock."""

from __future__ import annotations

from civitas.domains.gallery.placements import ending
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every


@every("5m")
async def expire_placements(context: TaskContext) -> None:
    """Give back what is held for offers that nobody answered in time, some at a time."""
    while True:
        async with context.unit() as session:
            if not await ending.expire_due(session):
                return


@every("5m")
async def settle_placements(context: TaskContext) -> None:
    """Share out what was kept long enough, some at a time."""
    while True:
        async with context.unit() as session:
            if not await ending.settle_due(session):
                return
