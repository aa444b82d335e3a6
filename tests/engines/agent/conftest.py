"""An agent at work against a small orchestrator in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.engines.agent.site import TOKEN, Site

from civitas.contracts.wire.jobs import Job, Succeeded
from civitas.engines.agent.engine import Desk, Engine
from civitas.engines.agent.loop import Agent, Habits

Work = Callable[[Job, Desk], Awaitable[Succeeded]]


class TestBench:
    """An engine whose work the test gives."""

    __test__ = False
    name = "bench"

    def __init__(self, work: Work, *capabilities: str) -> None:
        self._work, self._capabilities = work, list(capabilities) or ["task"]
        self.opened = self.closed = 0

    async def open(self) -> None:
        self.opened += 1

    async def close(self) -> None:
        self.closed += 1

    def capabilities(self) -> list[str]:
        return self._capabilities

    async def run(self, job: Job, desk: Desk) -> Succeeded:
        return await self._work(job, desk)


@pytest.fixture
def site() -> Site:
    return Site()


Start = Callable[..., AbstractAsyncContextManager[Agent]]


@pytest.fixture
def start(site: Site, tmp_path: Path) -> Start:
    """`async with start(engine, slots=2) as agent`; leaving it drains the agent and shows what it raised."""

    @asynccontextmanager
    async def started(*engines: Engine, **habits: Any) -> AsyncIterator[Agent]:
        given: dict[str, Any] = {
            "name": "under test",
            "server": "http://site",
            "token": TOKEN,
            "slots": 1,
            "cache": tmp_path / "cache",
            "cache_bytes": 10_000_000,
            "most_media_bytes": 5_000_000,
            "drain_s": 5.0,
            **habits,
        }
        agent = Agent(Habits(**given), engines, transport=site)
        running = asyncio.create_task(agent.run())
        try:
            yield agent
        finally:
            agent.drain()
            async with asyncio.timeout(10):
                await running

    return started
