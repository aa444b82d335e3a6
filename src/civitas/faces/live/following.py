"""One look a second for everybody who follows something in this process, however many they are.

What is followed has a key: a person, for what is theirs, or a thing that many look at.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from civitas.kit.errors import Limited

log = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
MOST_STREAMS: Final = 6
# Beyond it a process asks nobody to wait longer than it can look.
MOST_KEYS: Final = 20_000

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
# What there is for each of these keys, in one statement; everything asked for is in the answer.
Look = Callable[[Sequence[K]], Awaitable[Mapping[K, T]]]


class Follower(Generic[T]):
    """One open stream: the newest that it has not sent yet."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._newest: T | None = None
        self.ended = False

    def tell(self, found: T) -> None:
        """There is something new; what was not sent yet is forgotten."""
        self._newest = found
        self._changed.set()

    def end(self) -> None:
        """Let the stream finish."""
        self.ended = True
        self._changed.set()

    async def next(self, patience_s: float) -> T | None:
        """The next change; None when there was none for so long, or when the stream ends."""
        try:
            async with asyncio.timeout(patience_s):
                await self._changed.wait()
        except TimeoutError:
            return None
        self._changed.clear()
        newest, self._newest = self._newest, None
        return newest


class Following(Generic[K, T]):
    """Everybody who follows in this process, and the one look that serves them all."""

    def __init__(self, look: Look[K, T], look_s: float = LOOK_S, *, most_each: int = MOST_STREAMS) -> None:
        self._ask = look
        self._look_s = look_s
        self._most_each = most_each
        self._followers: dict[K, list[Follower[T]]] = {}
        self._known: dict[K, T] = {}
        self._looking: asyncio.Task[None] | None = None
        self._closed = False
        _ALL.add(self)

    @property
    def keys(self) -> int:
        """How many keys somebody follows."""
        return len(self._followers)

    async def follow(self, key: K, patience_s: float) -> AsyncGenerator[T | None, None]:
        """What there is now, and whenever it changes; None after so many quiet seconds. Raises Limited."""
        follower = self._join(key)
        try:
            yield (await self._ask([key]))[key]
            while True:
                found = await follower.next(patience_s)
                if follower.ended:
                    return
                yield found
        finally:
            self._leave(key, follower)

    def admit(self, key: K) -> None:
        """Raise Limited when as many follow this key, or everything together, as may."""
        if len(self._followers.get(key, ())) >= self._most_each or len(self._followers) >= MOST_KEYS:
            raise Limited(
                "There are too many open streams; close one and try again.",
                retry_after=30,
                code="too_many_streams",
            )

    def _join(self, key: K) -> Follower[T]:
        self.admit(key)
        follower = Follower[T]()
        if self._closed:
            follower.end()
        self._followers.setdefault(key, []).append(follower)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return follower

    def _leave(self, key: K, follower: Follower[T]) -> None:
        left = [one for one in self._followers.get(key, ()) if one is not follower]
        if left:
            self._followers[key] = left
        else:
            self._followers.pop(key, None)
            self._known.pop(key, None)

    async def _look(self) -> None:
        """Look until nobody follows any more."""
        while self._followers and not self._closed:
            await asyncio.sleep(self._look_s)
            keys = list(self._followers)
            try:
                found = await self._ask(keys)
            except (psycopg.Error, PoolTimeout, OSError) as error:
                log.warning("live.look_failed", error=type(error).__name__)
                continue
            for key, newest in found.items():
                if self._known.get(key) != newest:
                    self._known[key] = newest
                    for follower in self._followers.get(key, ()):
                        follower.tell(newest)

    def close(self) -> None:
        """End every stream, now; those that come later end at once."""
        self._closed = True
        for followers in list(self._followers.values()):
            for follower in followers:
                follower.end()
        if self._looking is not None:
            self._looking.cancel()

    async def closed(self) -> None:
        """Wait until the look has ended."""
        self.close()
        if self._looking is not None:
            with suppress(asyncio.CancelledError):
                await self._looking


_ALL: weakref.WeakSet[Following[Any, Any]] = weakref.WeakSet()


def end_all() -> None:
    """End every stream of this process: a server that stops would wait for them."""
    for following in list(_ALL):
        following.close()
