"""Digests of a file, made in one pass while its bytes stream.

The cost is SHA-256: BLAKE3 and CRC-32 together are five times faster, so they run beside it on a thread of their
own and the pass keeps SHA-256's pace. AutoV3 is a second SHA-256 over nearly every byte. It is made for
safetensors files only and on a third thread: with three free cores it costs nothing, with two about half as much
again, with one it doubles the time. Made after the fact it would cost another read of the whole file as well.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from blake3 import blake3
from isal import isal_zlib

from civitas.kit import safetensors as container

AUTOV1_OFFSET = 0x100000
AUTOV1_LENGTH = 0x10000

Bytes = bytes | bytearray | memoryview

_GATHER = 256 * 1024
_SLICE = 4 * 1024 * 1024
_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Digests:
    """Lower-case hexadecimal digests of one file; `size` is in bytes.

    `autov1` is None for files that end before its window begins (1 MiB): all of them would share one value.
    `autov3` is the full SHA-256 of what follows a safetensors header, None for other files.
    """

    sha256: str
    blake3: str
    crc32: str
    autov1: str | None
    autov3: str | None
    size: int

    @property
    def autov2(self) -> str:
        """The first ten digits of the SHA-256."""
        return self.sha256[:10]

    @property
    def autov3_short(self) -> str | None:
        """The first twelve digits of AutoV3, the form that tools show."""
        return self.autov3[:12] if self.autov3 else None

    def by_name(self) -> dict[str, str]:
        """Upper-case digests by the names of the Site API; those that do not apply are absent."""
        found = {
            "AutoV1": self.autov1,
            "AutoV2": self.autov2,
            "AutoV3": self.autov3_short,
            "SHA256": self.sha256,
            "CRC32": self.crc32,
            "BLAKE3": self.blake3,
        }
        return {name: value.upper() for name, value in found.items() if value}


class _Lane(Protocol):
    def update(self, chunk: memoryview) -> None: ...


class _Sha256Lane:
    """SHA-256 of everything and of the AutoV1 window."""

    def __init__(self) -> None:
        self.whole = hashlib.sha256()
        self.window = hashlib.sha256()
        self.size = 0

    def update(self, chunk: memoryview) -> None:
        self.whole.update(chunk)
        start, end = AUTOV1_OFFSET - self.size, AUTOV1_OFFSET + AUTOV1_LENGTH - self.size
        if end > 0 and start < len(chunk):
            self.window.update(chunk[max(0, start) : end])
        self.size += len(chunk)


class _FastLane:
    """BLAKE3 and CRC-32."""

    def __init__(self) -> None:
        self.tree = blake3()
        self.crc = 0

    def update(self, chunk: memoryview) -> None:
        self.tree.update(chunk)
        self.crc = isal_zlib.crc32(chunk, self.crc)


class _PayloadLane:
    """SHA-256 of what follows the safetensors header; `skip` bytes are still to be passed over."""

    def __init__(self, skip: int) -> None:
        self.payload = hashlib.sha256()
        self.skip = skip

    def update(self, chunk: memoryview) -> None:
        if self.skip < len(chunk):
            self.payload.update(chunk[self.skip :])
            self.skip = 0
        else:
            self.skip -= len(chunk)


class DigestPass:
    """All digests of one file, fed piece by piece on the caller's thread.

    `safetensors` says whether AutoV3 is wanted; None decides by the first nine bytes. Chunks may be of any size
    and must not change after they are handed over.
    """

    def __init__(self, *, safetensors: bool | None = None) -> None:
        self._wanted = safetensors
        self._head = bytearray()
        self._started = False
        self._sha, self._fast = _Sha256Lane(), _FastLane()
        self._payload: _PayloadLane | None = None

    def update(self, chunk: Bytes) -> None:
        """Take the next bytes of the file."""
        for lane, piece in self._route(memoryview(chunk)):
            lane.update(piece)

    def finish(self) -> Digests:
        """The digests of all bytes taken so far; call once, after the last `update`."""
        for lane, piece in self._drain():
            lane.update(piece)
        return self._collect()

    def _lanes(self) -> list[_Lane]:
        lanes: list[_Lane] = [self._sha, self._fast]
        return [*lanes, self._payload] if self._payload else lanes

    def _route(self, chunk: memoryview) -> list[tuple[_Lane, memoryview]]:
        if self._started:
            return [(lane, chunk) for lane in self._lanes()]
        # The first nine bytes decide whether there is a third lane, and chunks may be shorter than that.
        self._head += chunk
        return self._drain() if len(self._head) >= 9 else []

    def _drain(self) -> list[tuple[_Lane, memoryview]]:
        if self._started:
            return []
        self._started = True
        head, self._head = bytes(self._head), bytearray()
        if self._wanted is not False and container.looks_like(head):
            self._payload = _PayloadLane(8 + int.from_bytes(head[:8], "little"))
        return [(lane, memoryview(head)) for lane in self._lanes()]

    def _collect(self) -> Digests:
        sha, payload = self._sha, self._payload
        return Digests(
            sha256=sha.whole.hexdigest(),
            blake3=self._fast.tree.hexdigest(),
            crc32=f"{self._fast.crc:08x}",
            autov1=sha.window.hexdigest()[:8] if sha.size > AUTOV1_OFFSET else None,
            # A header that claims to be longer than the file is no safetensors file.
            autov3=payload.payload.hexdigest() if payload and payload.skip == 0 else None,
            size=sha.size,
        )


class _Threads:
    """One thread per lane, each with at most `_DEPTH` pieces waiting."""

    def __init__(self) -> None:
        self._pools: dict[_Lane, ThreadPoolExecutor] = {}
        self._waiting: dict[_Lane, deque[Future[None]]] = {}

    async def feed(self, lane: _Lane, piece: memoryview) -> None:
        if lane not in self._pools:
            self._pools[lane] = ThreadPoolExecutor(1, "digest")
            self._waiting[lane] = deque()
        waiting = self._waiting[lane]
        while waiting and (len(waiting) >= _DEPTH or waiting[0].done()):
            await asyncio.wrap_future(waiting.popleft())
        waiting.append(self._pools[lane].submit(lane.update, piece))

    async def settle(self) -> None:
        for waiting in self._waiting.values():
            while waiting:
                await asyncio.wrap_future(waiting.popleft())

    def close(self) -> None:
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


async def digest_stream(
    chunks: AsyncIterator[Bytes],
    safetensors: bool | None = None,
    progress: Callable[[int], None] | None = None,
) -> Digests:
    """Digest a stream with one thread per lane; memory stays under about 50 MB whatever the chunk sizes.

    Chunks of 1 MiB or more keep SHA-256's pace; 64 KiB chunks cost about a fifth more.
    `progress` is called on the event loop with the number of bytes read so far. Chunks must not change after they
    are yielded. Whatever the iterator raises passes through; nothing is left running.
    """
    work, threads = DigestPass(safetensors=safetensors), _Threads()
    gathered, read = bytearray(), 0
    try:
        async for chunk in chunks:
            whole = memoryview(chunk).cast("B")
            read += len(whole)
            if len(whole) < _GATHER:
                gathered += whole
                if len(gathered) < _GATHER:
                    continue
                whole, gathered = memoryview(gathered), bytearray()
            elif gathered:
                await _feed(work, threads, memoryview(gathered))
                gathered = bytearray()
            await _feed(work, threads, whole)
            if progress:
                progress(read)
        await _feed(work, threads, memoryview(gathered))
        for lane, piece in work._drain():
            await threads.feed(lane, piece)
        await threads.settle()
    finally:
        threads.close()
    if progress:
        progress(read)
    return work._collect()


async def _feed(work: DigestPass, threads: _Threads, chunk: memoryview) -> None:
    for start in range(0, len(chunk), _SLICE):
        for lane, piece in work._route(chunk[start : start + _SLICE]):
            await threads.feed(lane, piece)
