"""Server-sent events (HTML Living Standard, 9.2): one answer that goes on for a while."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Send

from civitas.faces.live.following import Following, K, T
from civitas.kit import clock

# Proxies let go of what is silent for a minute.
HEARTBEAT_S: Final = 20.0
# Then the browser comes back by itself, and it is asked anew who it is.
LONGEST_S: Final = 600.0


async def newest(
    following: Following[K, T], key: K, event: str, told: Callable[[T], object], *, retry_ms: int
) -> AsyncGenerator[bytes, None]:
    """One `event` with what `told` makes of the newest value, at once and on every change.

    Ends after `LONGEST_S`; a browser comes back after `retry_ms`.
    """
    began = clock.now()
    yield f"retry: {retry_ms}\n\n".encode()
    sent: T | None = None
    async for found in following.follow(key, HEARTBEAT_S):
        if found is None:
            yield b": still here\n\n"
        elif found != sent:
            sent = found
            yield f"event: {event}\ndata: ".encode() + orjson.dumps(told(found)) + b"\n\n"
        if (clock.now() - began).total_seconds() > LONGEST_S:
            return


class EventStream(StreamingResponse):
    """Ends its source as soon as the client leaves."""

    body_iterator: AsyncGenerator[bytes, None]

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        super().__init__(
            events,
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.body_iterator):
            await super().stream_response(send)
