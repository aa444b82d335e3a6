"""The process that keeps feeds and catalogue in memory."""

from __future__ import annotations

import asyncio
import gc
import signal
from contextlib import suppress

import structlog
import uvloop

from civitas.domains.catalog.shapes import SHAPES as CATALOGUE
from civitas.domains.gallery.feeds.shapes import SHAPES as FEEDS
from civitas.infra.db.embedded import EmbeddedServer
from civitas.infra.search.following import Follower
from civitas.infra.search.serving import Answers, listening
from civitas.infra.settings import Settings

log = structlog.get_logger(__name__)


def run(settings: Settings) -> None:
    """Load, follow and answer until a signal.

    Raises Conflict when one answers already, Unavailable when it cannot listen.
    """
    # What is loaded are few objects, and large ones; the collector need not look for more.
    gc.set_threshold(50_000, 50, 100)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings))


async def _run(settings: Settings) -> None:
    # Not by `house`: this process carries little besides the index.
    url = settings.database.url or EmbeddedServer(settings.home, settings.database).address().dsn
    given = settings.index
    shapes = (*FEEDS, *CATALOGUE)
    follower = Follower(url, shapes, memory_mb=given.memory_mb, least_rows=given.least_rows)
    path = settings.index.path(settings.home)
    async with listening(path, Answers(follower)):
        log.info("index.listening", socket=str(path))
        following = asyncio.create_task(follower.run())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, following.cancel)
        with suppress(asyncio.CancelledError):
            await following
