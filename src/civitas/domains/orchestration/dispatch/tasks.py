"""What runs by the clock: leases, jobs without a provider, uploads that nobody took."""

from __future__ import annotations

from civitas.domains.orchestration.dispatch import tending
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every
from civitas.infra.settings import Settings
from civitas.infra.storage.store import Store


@every("1m")
async def tend_queue(context: TaskContext) -> None:
    """Take back what silent agents had, and end what no agent can run."""
    await tending.lapsed(context.units)
    await tending.unserved(context.units, context.port(Settings).agents)


@every("1h")
async def sweep_uploads(context: TaskContext) -> None:
    """Delete what came into slots under claims that did not win."""
    while True:
        async with context.reading() as session:
            keys = await tending.stale_uploads(session)
        if not keys:
            return
        await context.port(Store).delete_many(keys)
        async with context.unit() as session:
            await tending.forget_uploads(session, keys)
