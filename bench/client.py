"""A small HTTP/1.1 client that keeps connections busy and measures each answer. Generous to nobody: it parses little."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """What was measured: requests a second, and milliseconds at the median and the 99th percentile."""

    rate: float
    p50: float
    p99: float
    requests: int
    bytes_each: int
    # With those of the warm-up: what the processor time was spent on.
    all: int


def request(method: str, path: str, body: bytes = b"") -> bytes:
    """The bytes of one request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytes) -> int:
    writer.write(asked)
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    lowered = head.lower()
    at = lowered.index(b"content-length: ") + 16
    length = int(lowered[at : lowered.index(b"\r", at)])
    body = await reader.readexactly(length)
    if status != 200:
        raise RuntimeError(f"{asked[:200]!r} was answered {status}: {body[:300]!r}")
    return length


async def _worker(
    port: int, requests: Iterator[bytes], until: float, taken: list[float], sizes: list[int]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
    try:
        while (began := time.perf_counter()) < until:
            size = await _exchange(reader, writer, next(requests))
            taken.append(time.perf_counter() - began)
            sizes.append(size)
    finally:
        writer.close()


async def once(port: int, asked: bytes) -> bytes:
    """One request on a connection of its own; the body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
    try:
        writer.write(asked)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        at = head.index(b"content-length: ") + 16
        return await reader.readexactly(int(head[at : head.index(b"\r", at)]))
    finally:
        writer.close()


async def measure(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Figures:
    """Ask these requests in turn over `clients` connections, after a warm-up of a fifth of the time."""
    total = 0
    for length in (seconds / 5, seconds):
        turn = itertools.cycle(requests)
        taken: list[float] = []
        sizes: list[int] = []
        until = time.perf_counter() + length
        began = time.perf_counter()
        await asyncio.gather(*(_worker(port, turn, until, taken, sizes) for _ in range(clients)))
        spent = time.perf_counter() - began
        total += len(taken)
    cuts = statistics.quantiles(taken, n=100) if len(taken) > 1 else [taken[0]] * 99
    return Figures(
        len(taken) / spent, cuts[49] * 1000, cuts[98] * 1000, len(taken), int(statistics.mean(sizes)), total
    )
