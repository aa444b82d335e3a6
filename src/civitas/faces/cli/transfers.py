"""Getting one large file by parallel ranges, so that neither a broken line nor a kill -9 loses what has arrived.

The bytes go to `NAME.part`; `NAME.part.json` says which ranges of it are filled. The state is written after the
bytes, so it never promises bytes that are not there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import httpx
import orjson

from civitas.faces.cli.client import Located, backoff, fault_of, read_bounded, retry_after
from civitas.faces.cli.exits import NetworkFault, NoSpace
from civitas.faces.cli.parallel import EXPECTED, run_threads
from civitas.kit.errors import Conflict, Fault, Limited

CHUNK = 256 * 1024
SMALLEST = 4 * 1024 * 1024
LARGEST = 64 * 1024 * 1024
MOST_SEGMENTS = 4096
SPARE = 16 * 1024 * 1024
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_UNSATISFIED = re.compile(r"bytes \*/(\d+)")


@dataclass(slots=True)
class Segment:
    """Bytes `start` to `end` (exclusive) of the file, filled up to `position`."""

    start: int
    position: int
    end: int


@dataclass(slots=True)
class Progress:
    """What is known of a file on its way; written to the state file as JSON."""

    identity: dict[str, str]
    total: int
    etag: str
    ranged: bool
    segments: list[Segment] = field(default_factory=list)

    @property
    def received(self) -> int:
        """Bytes that are in the .part file."""
        return sum(segment.position - segment.start for segment in self.segments)


class _Again(Exception):
    """A try failed in a way that another try may mend; `delay` is what the server asks for."""

    def __init__(self, why: str, delay: float | None = None) -> None:
        super().__init__(why)
        self.delay = delay


class _Changed(Exception):
    """The file behind the address is no longer the one whose parts we hold."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard to try: threads, tries without progress, and the longest wait in seconds that is accepted."""

    connections: int = 4
    attempts: int = 8
    patience: float = 120.0


class Transfer:
    """One file from `locate()` to `part`. `identity` must be the same for a resume to be allowed.

    `moved` hears of bytes gained (negative when bytes are dropped), `begun` of (total, bytes held already).
    """

    def __init__(
        self,
        http: httpx.Client,
        locate: Callable[[], Located],
        part: Path,
        identity: dict[str, str],
        *,
        limits: Limits,
        stop: threading.Event,
        begun: Callable[[int, int], None],
        moved: Callable[[int], None],
        notify: Callable[[str], None],
    ) -> None:
        self._http = http
        self._locate = locate
        self._part = part
        self._state = part.with_name(part.name + ".json")
        self._identity = identity
        self._limits = limits
        self._stop = stop
        self._begun, self._moved, self._notify = begun, moved, notify
        self._lock = threading.Lock()
        self._located: Located | None = None
        self._open: deque[Segment] = deque()
        self._ended = threading.Event()

    def run(self) -> tuple[int, bool]:
        """Fetch until every byte is in the .part file; returns its size and whether earlier bytes were reused.

        Raises what the server means (Unauthorised, Forbidden, NotFound, Limited), NetworkFault when it does not
        mend, NoSpace, Conflict when another process fetches the same file. An interrupt leaves the state behind.
        """
        self._part.parent.mkdir(parents=True, exist_ok=True)
        with self._claimed():
            for _round in range(3):
                progress, resumed = self._prepared()
                try:
                    self._fetch_all(progress)
                except _Changed:
                    self._moved(-progress.received)
                    self.discard()
                    self._notify("the file changed on the server; starting again")
                    continue
                return progress.total, resumed
        raise NetworkFault("The file keeps changing on the server; try again later.")

    def discard(self) -> None:
        """Throw away the partial bytes and the state."""
        self._part.unlink(missing_ok=True)
        self._state.unlink(missing_ok=True)

    def finish(self, final: Path) -> None:
        """Give the complete file its final name in one step and forget the state."""
        self._part.replace(final)
        self._state.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _claimed(self) -> Iterator[None]:
        lock = self._part.with_name(self._part.name + ".lock")
        with lock.open("a") as handle:
            if os.name == "posix":
                import fcntl

                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    raise Conflict(f"Another process is fetching {self._part.name}; let it finish.") from None
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)

    def _prepared(self) -> tuple[Progress, bool]:
        held = self._remembered()
        progress = held or self._probed()
        room = shutil.disk_usage(self._part.parent).free
        missing = progress.total - progress.received
        if missing + SPARE > room:
            raise NoSpace(
                f"{self._part.parent} has {room // 2**20} MiB free, and {missing // 2**20} MiB are still to come."
            )
        if held is None:
            with self._part.open("wb") as handle:
                handle.truncate(progress.total)
            self._save(progress)
        self._begun(progress.total, progress.received)
        return progress, held is not None and progress.received > 0

    def _remembered(self) -> Progress | None:
        try:
            tree = orjson.loads(self._state.read_bytes())
            segments = [Segment(*map(int, row)) for row in tree["segments"]]
            progress = Progress(tree["identity"], tree["total"], tree["etag"], tree["ranged"], segments)
            size = self._part.stat().st_size
        except (OSError, ValueError, KeyError, TypeError):
            return None
        whole = size == progress.total == sum(segment.end - segment.start for segment in segments)
        sane = all(0 <= s.start <= s.position <= s.end <= size for s in segments)
        if progress.identity != self._identity or not whole or not sane or not progress.ranged:
            return None
        return progress

    def _probed(self) -> Progress:
        attempt = 0
        while True:
            try:
                return self._probe()
            except (_Again, httpx.TransportError) as error:
                attempt += 1
                self._pause_or_raise(error, attempt)

    def _probe(self) -> Progress:
        place = self._place()
        headers = {**place.headers, "Range": "bytes=0-0"}
        with self._http.stream("GET", place.url, headers=headers, follow_redirects=True) as response:
            if response.status_code == 416 and (empty := _UNSATISFIED.match(_range_header(response))):
                return Progress(self._identity, int(empty[1]), "", True)
            self._check(response)
            etag = response.headers.get("etag", "")
            etag = "" if etag.startswith("W/") else etag or response.headers.get("last-modified", "")
            found = _CONTENT_RANGE.match(_range_header(response))
            if response.status_code == 206 and found:
                total = int(found[3])
                return Progress(self._identity, total, etag, True, _cut(total, self._limits.connections))
            length = response.headers.get("content-length", "")
            if not length.isdigit():
                raise NetworkFault("The server does not say how large the file is; refused.")
            return Progress(self._identity, int(length), etag, False, [Segment(0, 0, int(length))])

    def _place(self) -> Located:
        with self._lock:
            if self._located is None:
                self._located = self._locate()
            return self._located

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if response.is_success:
            if response.headers.get("content-type", "").startswith("text/html"):
                raise NetworkFault("The storage answers with a page instead of a file.")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise NetworkFault("The storage compresses the file, so its ranges cannot be trusted.")
            return
        if status in (400, 401, 403, 404, 410):
            # A signed link expires with one of these; asking the API again gives a new link or the true reason.
            with self._lock:
                self._located = None
            raise _Again(f"the storage answers {status}")
        fault = fault_of(response, read_bounded(response, 256 * 1024))
        if status == 429 or status >= 500:
            raise _Again(fault.message, retry_after(response)) from fault
        raise fault

    def _fetch_all(self, progress: Progress) -> None:
        self._open = deque(segment for segment in progress.segments if segment.position < segment.end)
        self._ended.clear()
        count = min(self._limits.connections, len(self._open)) if progress.ranged else min(1, len(self._open))
        if not count:
            return
        run_threads(
            lambda: self._drain(progress),
            count,
            tick=lambda: self._save(progress),
            ended=self._ended,
            stop=self._stop,
            expected=(*EXPECTED, _Changed),
        )

    def _drain(self, progress: Progress) -> None:
        with self._part.open("r+b", buffering=0) as handle:
            while not self._over():
                try:
                    segment = self._open.popleft()
                except IndexError:
                    return
                self._fetch(handle, progress, segment)

    def _over(self) -> bool:
        return self._ended.is_set() or self._stop.is_set()

    def _fetch(self, handle: BinaryIO, progress: Progress, segment: Segment) -> None:
        attempt = 0
        while segment.position < segment.end and not self._over():
            before = segment.position
            try:
                self._stream(handle, progress, segment)
            except (_Again, httpx.TransportError) as error:
                attempt = 1 if segment.position > before else attempt + 1
                if not progress.ranged:
                    self._moved(segment.start - segment.position)
                    segment.position = segment.start
                self._pause_or_raise(error, attempt)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise NoSpace(f"The disk of {self._part.parent} is full.") from None
                raise

    def _pause_or_raise(self, error: Exception, attempt: int) -> None:
        asked = error.delay if isinstance(error, _Again) else None
        delay = backoff(attempt) if asked is None else asked
        if delay > self._limits.patience:
            raise Limited(f"The server asks to wait {delay:.0f} s.", retry_after=int(delay)) from None
        if attempt > self._limits.attempts:
            if isinstance(error.__cause__, Fault):
                raise error.__cause__ from None
            raise NetworkFault(f"The download does not continue: {error or type(error).__name__}.") from None
        if delay > 3:
            self._notify(f"{error}; waiting {delay:.0f} s")
        self._stop.wait(delay)

    def _stream(self, handle: BinaryIO, progress: Progress, segment: Segment) -> None:
        place = self._place()
        headers = dict(place.headers)
        if progress.ranged:
            headers["Range"] = f"bytes={segment.position}-{segment.end - 1}"
            if progress.etag:
                headers["If-Range"] = progress.etag
        with self._http.stream("GET", place.url, headers=headers, follow_redirects=True) as response:
            if response.status_code == 416:
                raise _Changed
            self._check(response)
            if progress.ranged:
                found = _CONTENT_RANGE.match(_range_header(response))
                if response.status_code != 206 or not found:
                    raise _Changed
                if int(found[1]) != segment.position or int(found[3]) != progress.total:
                    raise _Changed
            elif response.headers.get("content-length") != str(progress.total):
                raise _Changed
            handle.seek(segment.position)
            for piece in response.iter_raw(CHUNK):
                kept = memoryview(piece)[: segment.end - segment.position]
                written = 0
                while written < len(kept):
                    written += handle.write(kept[written:])
                segment.position += len(kept)
                self._moved(len(kept))
                if segment.position >= segment.end or self._over():
                    return
        if segment.position < segment.end:
            raise _Again("the server sent less than it promised")

    def _save(self, progress: Progress) -> None:
        fresh = self._state.with_name(self._state.name + ".new")
        rows = [[segment.start, segment.position, segment.end] for segment in progress.segments]
        body = {
            "identity": progress.identity,
            "total": progress.total,
            "etag": progress.etag,
            "ranged": progress.ranged,
            "segments": rows,
        }
        try:
            fresh.write_bytes(orjson.dumps(body))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoSpace(f"The disk of {self._part.parent} is full.") from None
            raise
        fresh.replace(self._state)


def _range_header(response: httpx.Response) -> str:
    return str(response.headers.get("content-range", ""))


def _cut(total: int, connections: int) -> list[Segment]:
    size = max(SMALLEST, min(LARGEST, total // (connections * 4) + 1), total // MOST_SEGMENTS + 1)
    return [Segment(start, start, min(start + size, total)) for start in range(0, total, size)]
