"""Reading an object piece by piece with the next pieces already on their way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable

from civitas.infra.storage.store import MAX_READ
from civitas.kit.errors import Unavailable

Read = Callable[[int, int], Awaitable[bytes]]


def check_read(start: int, length: int) -> None:
    """Raises ValueError for a range that no store reads in one call."""
    if start < 0 or not 0 <= length <= MAX_READ:
        raise ValueError(f"a read is at most {MAX_READ} bytes from 0 on, not {length} from {start}")


async def read_ahead(
    read: Read, start: int, stop: int, chunk: int, *, ahead: int = 1
) -> AsyncGenerator[bytes, None]:
    """`read(offset, length)` over `start` to `stop`, `ahead` reads in flight beyond the one being used.

    Memory is `chunk * (ahead + 1)`. Raises Unavailable (`storage_changed`) for a short read.
    """
    if not 0 < chunk <= MAX_READ:
        raise ValueError(f"a chunk is 1 to {MAX_READ} bytes")
    flying: deque[tuple[int, asyncio.Future[bytes]]] = deque()
    offset = start
    try:
        while offset < stop or flying:
            while offset < stop and len(flying) <= ahead:
                due = min(chunk, stop - offset)
                flying.append((due, asyncio.ensure_future(read(offset, due))))
                offset += due
            due, reading = flying.popleft()
            try:
                piece = await reading
            finally:
                reading.cancel()
            if len(piece) != due:
                raise Unavailable("This file changed while it was read; try again.", code="storage_changed")
            yield piece
    finally:
        for _, reading in flying:
            reading.cancel()
        if flying:
            await asyncio.gather(*(reading for _, reading in flying), return_exceptions=True)
