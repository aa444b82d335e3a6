"""SHA-256 of local files, remembered by path, size and time, so that a folder is read once."""

from __future__ import annotations

import hashlib
import os
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import orjson
import platformdirs

CHUNK = 1024 * 1024


def quiet(_count: int) -> None:
    """Progress that nobody sees."""


class Interrupted(Exception):
    """Reading was stopped from outside."""


def sha256_of(
    path: Path,
    *,
    moved: Callable[[int], None] = quiet,
    stop: threading.Event | None = None,
    start: int = 0,
) -> str:
    """SHA-256 of a file from byte `start`, 64 upper-case hex digits, in constant memory.

    `moved` hears of bytes read. Raises Interrupted when `stop` is set, OSError when the file cannot be read.
    """
    digest = hashlib.sha256()
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as handle:
        handle.seek(start)
        while count := handle.readinto(buffer):
            digest.update(view[:count])
            moved(count)
            if stop is not None and stop.is_set():
                raise Interrupted
    return digest.hexdigest().upper()


def auto_v3(path: Path) -> str | None:
    """AutoV3, 12 upper-case hex digits: SHA-256 of a safetensors file after its header (FEATURES B11).

    It survives an edit of the metadata, which SHA-256 does not. None when the file is not safetensors.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(8)
    if len(head) < 8:
        return None
    (length,) = struct.unpack("<Q", head)
    if length < 2 or length > size - 8:
        return None
    return sha256_of(path, start=8 + length)[:12]


class HashCache:
    """SHA-256 of files by path, size and modification time, appended to a file of JSON lines.

    An append survives a kill; a torn last line is ignored. Safe to share between threads.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or platformdirs.user_cache_path("civitas", appauthor=False) / "hashes.jsonl"
        self._lock = threading.Lock()
        self._known: dict[str, tuple[int, int, str]] = {}
        lines = 0
        try:
            with self._path.open("rb") as handle:
                for line in handle:
                    lines += 1
                    self._learn(line)
        except OSError:
            return
        if lines > 2 * len(self._known) + 1000:
            self._compact()

    def _learn(self, line: bytes) -> None:
        try:
            path, size, modified, digest = orjson.loads(line)
            if len(digest) == 64:
                self._known[str(path)] = (int(size), int(modified), str(digest))
        except (ValueError, TypeError):
            return

    def _compact(self) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("wb") as handle:
            for path, (size, modified, digest) in self._known.items():
                handle.write(orjson.dumps([path, size, modified, digest]) + b"\n")
        fresh.replace(self._path)

    def get(self, path: Path) -> str | None:
        """The remembered SHA-256 when the file still has the same size and time."""
        seen = self._known.get(str(path.resolve()))
        if seen is None:
            return None
        now = path.stat()
        return seen[2] if (now.st_size, now.st_mtime_ns) == seen[:2] else None

    def put(self, path: Path, seen: os.stat_result, digest: str) -> None:
        """Remember the SHA-256 of a file that looked like `seen` before it was read."""
        row = (str(path.resolve()), seen.st_size, seen.st_mtime_ns, digest)
        with self._lock:
            self._known[row[0]] = row[1:]
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as handle:
                handle.write(orjson.dumps(row) + b"\n")

    def sha256(
        self, path: Path, *, moved: Callable[[int], None] = quiet, stop: threading.Event | None = None
    ) -> str:
        """The remembered SHA-256, else read the file and remember it. Raises as `sha256_of` does."""
        known = self.get(path)
        if known is not None:
            moved(path.stat().st_size)
            return known
        before = path.stat()
        digest = sha256_of(path, moved=moved, stop=stop)
        self.put(path, before, digest)
        return digest
