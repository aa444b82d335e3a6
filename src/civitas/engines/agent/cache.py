"""The files that jobs need, on this machine: by digest, bounded, the least recently used ones going first.

A download that breaks off is taken up again where it stopped. A file gets its name only after its digest was checked.
What a running job uses is held and never removed.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal

import httpx
import structlog

from civitas.engines.agent.engine import JobFailed
from civitas.kit.errors import Conflict

log = structlog.get_logger(__name__)

CHUNK: Final = 1024 * 1024
ATTEMPTS: Final = 6
# What must stay free on the disk for everybody else.
SPARE: Final = 256 * 1024 * 1024
STALE_PART_S: Final = 7 * 86_400

Shelf = Literal["resources", "media"]
Told = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file by its SHA-256 (upper case) and where its bytes can be had."""

    shelf: Shelf
    sha256: str
    url: str
    size: int | None
    # For sentences: the file's name or what it is.
    called: str


class _BrokeOff(Exception):
    pass


class FileCache:
    """Files by digest in `folder`, together at most `most_bytes`. One process at a time owns a folder.

    Raises Conflict when another agent has the folder.
    """

    def __init__(self, folder: Path, most_bytes: int, http: httpx.AsyncClient) -> None:
        self._folder, self._most, self._http = folder, most_bytes, http
        self._held: Counter[str] = Counter()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._parts = folder / "parts"
        for name in ("resources", "media", "parts"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._lock = (folder / "cache.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise Conflict(
                f"Another agent uses the cache {folder}; give this one a folder of its own."
            ) from None
        # Folders of jobs that were at work when this machine, or the agent, died.
        self.jobs = folder / "jobs"
        shutil.rmtree(self.jobs, ignore_errors=True)
        self.jobs.mkdir()
        self._sweep_parts()
        self.downloaded_bytes = 0

    def close(self) -> None:
        """Let the folder go."""
        self._lock.close()

    def resources(self) -> list[str]:
        """The digests of the model files that lie ready, the most recently used first."""
        return [path.name for _, path in sorted(self._files("resources"), reverse=True)]

    def used_bytes(self) -> int:
        """How many bytes lie here, unfinished downloads included."""
        shelves: tuple[Literal["resources", "media", "parts"], ...] = ("resources", "media", "parts")
        return sum(path.stat().st_size for shelf in shelves for _, path in self._files(shelf))

    async def hold(self, wanted: Wanted, told: Told | None = None) -> Path:
        """The file, downloaded if it is not here; held until `release`. `told` hears the bytes so far and in all.

        Raises JobFailed when it cannot be had or is not what it should be.
        """
        self._held[wanted.sha256] += 1
        try:
            async with self._locks[wanted.sha256]:
                path = self._folder / wanted.shelf / wanted.sha256
                if not self._good(path, wanted.size):
                    await self._download(wanted, path, told)
                await asyncio.to_thread(os.utime, path)
                return path
        except BaseException:
            self.release(wanted.sha256)
            raise

    def release(self, sha256: str) -> None:
        """One user less; with none left the file may go when room is needed."""
        self._held[sha256] -= 1
        if self._held[sha256] <= 0:
            del self._held[sha256]
            self._locks.pop(sha256, None)

    @staticmethod
    def _good(path: Path, size: int | None) -> bool:
        try:
            return size is None or path.stat().st_size == size
        except FileNotFoundError:
            return False

    async def _download(self, wanted: Wanted, path: Path, told: Told | None) -> None:
        part = self._parts / wanted.sha256
        for attempt in range(ATTEMPTS):
            had = part.stat().st_size if part.exists() else 0
            try:
                digest = await self._fetch(wanted, part, told)
                break
            except (httpx.HTTPError, _BrokeOff, OSError) as error:
                if attempt + 1 == ATTEMPTS:
                    raise JobFailed(
                        f"{wanted.called} could not be downloaded ({error or type(error).__name__}).",
                        transient=True,
                    ) from error
                grew = part.exists() and part.stat().st_size > had
                await asyncio.sleep(0.2 if grew else min(0.5 * 2**attempt, 10))
        if digest != wanted.sha256:
            part.unlink(missing_ok=True)
            raise JobFailed(
                f"{wanted.called} is not the file it should be: its digest differs.", transient=True
            )
        part.replace(path)
        log.info("cache.fetched", called=wanted.called, sha256=wanted.sha256[:12])

    async def _fetch(self, wanted: Wanted, part: Path, told: Told | None) -> str:
        """Everything from where the part ends; the digest of the whole."""
        with part.open("ab") as file:
            digest = await asyncio.to_thread(_digest_of, part)
            have = file.tell()
            if wanted.size is not None and have == wanted.size:
                return digest.hexdigest().upper()
            await asyncio.to_thread(self._make_room, (wanted.size or 0) - have, wanted.called)
            headers = {"range": f"bytes={have}-"} if have else {}
            async with self._http.stream("GET", wanted.url, headers=headers) as answer:
                if have and answer.status_code in {200, 416}:
                    file.truncate(0)
                    digest, have = hashlib.sha256(), 0
                _judge(answer, wanted)
                await self._pour(answer, file, digest, have, wanted, told)
            await asyncio.to_thread(os.fsync, file.fileno())
            return digest.hexdigest().upper()

    async def _pour(
        self,
        answer: httpx.Response,
        file: BinaryIO,
        digest: hashlib._Hash,
        have: int,
        wanted: Wanted,
        told: Told | None,
    ) -> None:
        bound = wanted.size if wanted.size is not None else self._most
        pending: list[bytes] = []

        def keep() -> None:
            for piece in pending:
                digest.update(piece)
                file.write(piece)
            pending.clear()

        gathered = 0
        try:
            async for chunk in answer.aiter_raw():
                have, gathered = have + len(chunk), gathered + len(chunk)
                if have > bound:
                    pending.clear()
                    file.truncate(0)
                    raise JobFailed(f"{wanted.called} is larger than it should be.", transient=True)
                pending.append(chunk)
                if gathered >= CHUNK:
                    await asyncio.to_thread(keep)
                    gathered = 0
                self.downloaded_bytes += len(chunk)
                if told is not None:
                    told(have, wanted.size)
        finally:
            # What came before the line broke is not fetched again.
            keep()
        file.flush()
        if wanted.size is not None and have < wanted.size:
            raise _BrokeOff(f"it ended after {have} of {wanted.size} bytes")

    def _make_room(self, size: int, called: str) -> None:
        """Remove what was not used for longest and is not held, until `size` more bytes fit."""
        if size > self._most:
            raise JobFailed(
                f"{called} has {size} bytes and this agent's cache holds {self._most}.", transient=True
            )
        files = sorted(
            [*self._files("parts"), *sorted([*self._files("media"), *self._files("resources")])],
            key=lambda found: (found[1].parent != self._parts, found[0]),
        )
        used = sum(path.stat().st_size for _, path in files)
        free = shutil.disk_usage(self._folder).free - SPARE
        for _, path in files:
            if used + size <= self._most and size <= free:
                break
            if self._held[path.name]:
                continue
            gone = path.stat().st_size
            path.unlink(missing_ok=True)
            used, free = used - gone, free + gone
            log.info("cache.evicted", sha256=path.name[:12], size=gone)
        if size > free:
            raise JobFailed("This agent's disk is full.", transient=True)

    def _files(self, shelf: Literal["resources", "media", "parts"]) -> list[tuple[float, Path]]:
        return [(path.stat().st_mtime, path) for path in (self._folder / shelf).iterdir() if path.is_file()]

    def _sweep_parts(self) -> None:
        for modified, path in self._files("parts"):
            if modified < time.time() - STALE_PART_S:
                path.unlink(missing_ok=True)


def _digest_of(path: Path) -> hashlib._Hash:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest


def _judge(answer: httpx.Response, wanted: Wanted) -> None:
    if answer.status_code in {200, 206}:
        return
    if answer.status_code >= 500 or answer.status_code in {408, 416, 429}:
        raise _BrokeOff(f"status {answer.status_code}")
    raise JobFailed(f"{wanted.called} could not be downloaded: status {answer.status_code}.", transient=True)
