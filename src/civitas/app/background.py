"""The process that runs tasks."""

from __future__ import annotations

import structlog

from civitas.app.house import open_house
from civitas.domains.buzz.economy import economy
from civitas.infra.queue.running import TaskRunner
from civitas.infra.settings import Settings

log = structlog.get_logger(__name__)


async def run(settings: Settings, *, queues: list[str] | None = None, concurrency: int = 4) -> None:
    """Run tasks until a signal; running ones get half a minute to end."""
    async with open_house(settings) as house:
        async with house.database.unit() as session:
            await economy.record(session, economy.current())
        log.info("background.ready", queues=queues or "all", concurrency=concurrency)
        await TaskRunner(house.dsn, house.context()).run(queues=queues, concurrency=concurrency)
