"""All kinds of hashes in one pass, beside SHA-256 alone, over the same file in the page cache."""

from __future__ import annotations

import asyncio
import hashlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bench import report
from civitas.domains.blobs.digests import digest_stream

MIB = 2**20
ROUNDS = 5


def make(path: Path, size: int) -> None:
    """A file whose blocks all differ."""
    with path.open("wb") as sink:
        block = bytearray(hashlib.shake_256(b"civitas").digest(8 * MIB))
        for number in range(size // len(block)):
            block[:8] = number.to_bytes(8, "little")
            sink.write(block)


async def pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb", buffering=0) as source:
        while piece := await asyncio.to_thread(source.read, MIB):
            yield piece


def sha256_alone(path: Path) -> float:
    began = time.perf_counter()
    with path.open("rb") as source:
        hashlib.file_digest(source, "sha256")
    return time.perf_counter() - began


def one_pass(path: Path, *, safetensors: bool) -> float:
    began = time.perf_counter()
    asyncio.run(_digest(path, safetensors))
    return time.perf_counter() - began


async def _digest(path: Path, safetensors: bool) -> None:
    await digest_stream(pieces(path), safetensors=safetensors)


def run(size_mb: int = 1024) -> None:
    """Measure in turn, so that drift of the machine hits all alike."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        make(path, size_mb * MIB)
        sha256_alone(path)
        rounds = [(sha256_alone(path), one_pass(path, safetensors=False)) for _ in range(ROUNDS)]
    alone = statistics.median(a for a, _ in rounds)
    whole = statistics.median(b for _, b in rounds)
    ratio = statistics.median(b / a for a, b in rounds)
    rate = size_mb / 1024
    rows = [
        ["SHA-256 alone", f"{rate / alone:.2f} GiB/s", "1.00"],
        ["SHA-256, BLAKE3, CRC-32, AutoV1, AutoV2 in one pass", f"{rate / whole:.2f} GiB/s", f"{ratio:.2f}"],
    ]
    report.write(
        "Hashing",
        f"A {size_mb} MiB file in the page cache, {ROUNDS} rounds in turn, medians; the ratio is of time, goal 1.15.\n\n"
        + report.table(["what", "rate", "time beside SHA-256"], rows),
    )
