"""A small HTTP/1.1 client that keeps connections busy and measures each answer. Generous to nobody: it parses little."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass
class Round:
    """What one stretch of asking gave: seconds of each answer, the whole time, and the bytes of bodies."""

    taken: list[float] = field(default_factory=list)
    spent: float = 0.0
    bytes: int = 0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.taken) / self.spent


def request(method: str, path: str, body: bytes = b"") -> bytes:
    """The bytes of one request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytes) -> bytes:
    writer.write(asked)
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    lowered = head.lower()
    at = lowered.index(b"content-length: ") + 16
    length = int(lowered[at : lowered.index(b"\r", at)])
    body = await reader.readexactly(length)
    if status != 200:
        raise RuntimeError(f"{asked[:200]!r} was answered {status}: {body[:300]!r}")
    return body


async def _worker(port: int, requests: Iterator[bytes], until: float, made: Round) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
    try:
        while (began := time.perf_counter()) < until:
            body = await _exchange(reader, writer, next(requests))
            made.taken.append(time.perf_counter() - began)
            made.bytes += len(body)
    finally:
        writer.close()


async def once(port: int, asked: bytes) -> bytes:
    """One request on a connection of its own; the body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
    try:
        return await _exchange(reader, writer, asked)
    finally:
        writer.close()


async def measure(port: int, requests: Sequence[bytes], clients: int, seconds: float, *, start: int) -> Round:
    """Ask these requests in turn over `clients` connections, beginning with number `start`."""
    turn = itertools.cycle(requests)
    turn = itertools.islice(turn, start % len(requests), None)
    made = Round()
    began = time.perf_counter()
    await asyncio.gather(*(_worker(port, turn, began + seconds, made) for _ in range(clients)))
    made.spent = time.perf_counter() - began
    return made
