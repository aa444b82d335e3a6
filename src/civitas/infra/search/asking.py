"""The askers' end of the socket: quick answers, or none at all.

An index that is away, busy or behind costs a page nothing but a moment: after a failure it is not asked for a while.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final, Protocol

from prometheus_client import Counter, Histogram

from civitas.infra.search import frames
from civitas.infra.search.shape import Answer, Question

# After it could not be reached, and after so many late answers, it is let be for so long.
PAUSE_S: Final = 1.0
LATE: Final = 3
STATUS_S: Final = 5.0

ASKED = Counter(
    "civitas_index_asked_total", "Questions to the index in memory, by what came of them", ["outcome"]
)
SECONDS = Histogram(
    "civitas_index_seconds",
    "Time until the index had answered",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16),
)


class Index(Protocol):
    """Something that may know the answer."""

    async def find(self, question: Question) -> Answer | None:
        """The page, or None when it must be found another way."""

    async def find_each(self, questions: Sequence[Question], enough: int) -> list[Answer] | None:
        """The pages of questions one after another until there is enough, or None: see `finding.find_each`."""


_current: Index | None = None


def use(index: Index | None) -> None:
    """Ask this index from now on, in this process."""
    global _current
    _current = index


def current() -> Index | None:
    """The index of this process, for whoever was given none."""
    return _current


class SocketIndex:
    """An index in a process of its own. For one event loop."""

    def __init__(self, path: Path, *, timeout_s: float = 0.08) -> None:
        self.path = path
        self.timeout_s = timeout_s
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._transport: asyncio.Transport | None = None
        self._opening = asyncio.Lock()
        self._paused_until = 0.0
        self._late = 0

    async def find(self, question: Question) -> Answer | None:
        """See Index."""
        reply = await self._known({"k": "find", "q": question.packed()})
        return None if reply is None else Answer(reply["ids"], reply["keys"])

    async def find_each(self, questions: Sequence[Question], enough: int) -> list[Answer] | None:
        """See Index."""
        reply = await self._known({"k": "each", "q": [one.packed() for one in questions], "t": enough})
        return None if reply is None else [Answer(ids, keys) for ids, keys in reply["a"]]

    async def _known(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """The reply to a question; None when it is late, away, or has nothing to say."""
        if time.monotonic() < self._paused_until:
            ASKED.labels("paused").inc()
            return None
        began = time.perf_counter()
        try:
            reply = await self.ask(message, timeout_s=self.timeout_s)
        except TimeoutError:
            self._late += 1
            if self._late >= LATE:
                self._pause()
            ASKED.labels("late").inc()
            return None
        except (OSError, ValueError):
            self._pause()
            ASKED.labels("away").inc()
            return None
        self._late = 0
        SECONDS.observe(time.perf_counter() - began)
        if "wrong" in reply:
            # While it loads, or has nothing to say, nobody need ask at every page.
            if reply["wrong"] != "unknown":
                self._pause()
            ASKED.labels(str(reply["wrong"])).inc()
            return None
        ASKED.labels("answered").inc()
        return reply

    def _pause(self) -> None:
        self._late, self._paused_until = 0, time.monotonic() + PAUSE_S

    async def status(self) -> dict[str, Any] | None:
        """How it fares; None when it does not answer."""
        try:
            return await self.ask({"k": "status"}, timeout_s=STATUS_S)
        except (OSError, ValueError, TimeoutError):
            return None

    async def counts(self, collection: str, terms: Sequence[int]) -> tuple[list[int], int] | None:
        """How many documents carry each term, and how many there are; None without an answer."""
        try:
            reply = await self.ask({"k": "counts", "c": collection, "t": list(terms)}, timeout_s=STATUS_S)
        except (OSError, ValueError, TimeoutError):
            return None
        return None if "wrong" in reply else (reply["counts"], reply["all"])

    async def anew(self) -> None:
        """Have it load everything anew. Raises OSError, TimeoutError, ValueError."""
        await self.ask({"k": "anew"}, timeout_s=STATUS_S)

    async def ask(self, message: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """One message and its reply. Raises OSError, TimeoutError, ValueError."""
        number = next(self._numbers)
        async with asyncio.timeout(timeout_s):
            transport = await self._open()
            waiting: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
            self._waiting[number] = waiting
            try:
                transport.write(frames.framed({"i": number, **message}))
                return await waiting
            finally:
                self._waiting.pop(number, None)

    async def _open(self) -> asyncio.Transport:
        if self._transport is not None and not self._transport.is_closing():
            return self._transport
        async with self._opening:
            if self._transport is None or self._transport.is_closing():
                loop = asyncio.get_running_loop()
                made, _ = await loop.create_unix_connection(lambda: _Replies(self._waiting), str(self.path))
                self._transport = made
            return self._transport

    async def aclose(self) -> None:
        """Let the connection go."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
            # It closes with the next turn of the loop.
            await asyncio.sleep(0)


class _Replies(asyncio.Protocol):
    """Hands replies to whoever waits for them; with the connection all waiting ends."""

    def __init__(self, waiting: dict[int, asyncio.Future[dict[str, Any]]]) -> None:
        self._waiting = waiting
        self._frames = frames.Frames()
        self._transport: asyncio.BaseTransport | None = None
        self._error: Exception = ConnectionError("the index has closed the connection")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        try:
            for reply in self._frames.taken(data):
                waiting = self._waiting.get(reply.get("i", 0))
                if waiting is not None and not waiting.done():
                    waiting.set_result(reply)
        except ValueError as error:
            self._error = error
            if self._transport is not None:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(exc or self._error)
