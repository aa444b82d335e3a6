"""Waiting for workflows to end: one look for everybody who waits in this process, however many they are.

Who waits holds an open request and nothing else: no thread, no database connection.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final, Protocol

import psycopg
import structlog
from fastapi import FastAPI, Request
from psycopg_pool import PoolTimeout

from civitas.domains.orchestration.types import Status
from civitas.kit.errors import Limited

log = structlog.get_logger(__name__)

LOOK_S: Final = 0.2
MOST_WAITING: Final = 20_000
LONGEST_S: Final = 100

Look = Callable[[list[str]], Awaitable[Mapping[str, Status]]]


class Waiting:
    """Everybody who waits in this process. `look` tells where workflows stand; those that are gone are left out."""

    def __init__(self, look: Look, look_s: float = LOOK_S) -> None:
        self._look = look
        self._look_s = look_s
        self._waiters: dict[str, list[asyncio.Event]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._closed = False
        self.count = 0
        _ALL.add(self)

    async def ended(self, workflow_id: str, patience_s: float) -> None:
        """Return when the workflow has ended or is gone, when so many seconds are over, or when the process ends.

        Raises Limited when too many wait.
        """
        if patience_s <= 0 or self._closed:
            return
        if self.count >= MOST_WAITING:
            raise Limited(
                "Too many requests wait here already; ask again without `wait`.",
                retry_after=5,
                code="too_many_waiting",
            )
        over = asyncio.Event()
        self._waiters.setdefault(workflow_id, []).append(over)
        self.count += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_on())
        try:
            async with asyncio.timeout(patience_s):
                await over.wait()
        except TimeoutError:
            pass
        finally:
            self.count -= 1
            left = [one for one in self._waiters.get(workflow_id, ()) if one is not over]
            if left:
                self._waiters[workflow_id] = left
            else:
                self._waiters.pop(workflow_id, None)

    async def _look_on(self) -> None:
        """Look until nobody waits any more."""
        while self._waiters and not self._closed:
            asked = list(self._waiters)
            try:
                found = await self._look(asked)
            except (psycopg.Error, PoolTimeout, OSError) as error:
                log.warning("waiting.look_failed", error=type(error).__name__)
                await asyncio.sleep(self._look_s)
                continue
            for workflow_id in asked:
                status = found.get(workflow_id)
                if status is None or status.final:
                    for over in self._waiters.get(workflow_id, ()):
                        over.set()
            await asyncio.sleep(self._look_s)

    def close(self) -> None:
        """End all waiting, now; those that come later do not wait."""
        self._closed = True
        for waiters in list(self._waiters.values()):
            for over in waiters:
                over.set()
        if self._looking is not None:
            self._looking.cancel()

    async def closed(self) -> None:
        """Wait until the look has ended."""
        self.close()
        if self._looking is not None:
            with suppress(asyncio.CancelledError):
                await self._looking


class Ends(Protocol):
    """Something that keeps requests open."""

    def close(self) -> None:
        """Let them end, now."""


_ALL: weakref.WeakSet[Ends] = weakref.WeakSet()


def ends_with_the_process(one: Ends) -> None:
    """Have `end_all` close it."""
    _ALL.add(one)


def end_all() -> None:
    """End all waiting and watching of this process: a server that stops would wait for it."""
    for one in list(_ALL):
        one.close()


def waiting_of(request: Request) -> Waiting:
    """This process's own."""
    found: Waiting = request.app.state.waiting
    return found


def prepare(app: FastAPI, look: Look) -> Waiting:
    """Give the app its one look for everybody; the caller closes it when the app ends."""
    app.state.waiting = waiting = Waiting(look)
    return waiting
