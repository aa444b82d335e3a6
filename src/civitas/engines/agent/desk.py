"""The desk of one job: files in, progress and previews while at it, files out."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urljoin

import httpx

from civitas.contracts.wire.jobs import BLOB, MEDIA, Delivered, Job, MediaKind, MediaLink, Progress, Succeeded
from civitas.engines.agent.board import Board, Shown
from civitas.engines.agent.cache import FileCache, Wanted
from civitas.engines.agent.client import (
    CallRefused,
    ClaimLost,
    NotRegistered,
    Orchestrator,
    ServerAway,
    TokenRefused,
)
from civitas.engines.agent.engine import JobFailed, Phase

PROGRESS_EVERY_S: Final = 1.0
PREVIEW_EVERY_S: Final = 2.0
MOST_PREVIEW: Final = 2 * 1024 * 1024
UPLOAD_PATIENCE_S: Final = 300.0
# Progress and previews that do not arrive are no reason to stop.
_UNHEARD: Final = (ServerAway, CallRefused, NotRegistered, TokenRefused)
_SHA256: Final = re.compile(r"[0-9A-Fa-f]{64}")


class JobDesk:
    """What one job has at hand (`engine.Desk`). Used as a context: leaving it lets its files go."""

    def __init__(
        self,
        job: Job,
        shown: Shown,
        *,
        orchestrator: Orchestrator,
        server: str,
        cache: FileCache,
        http: httpx.AsyncClient,
        board: Board,
        most_media_bytes: int,
    ) -> None:
        self._job, self._shown, self._board = job, shown, board
        self._orchestrator, self._server, self._cache, self._http = orchestrator, server, cache, http
        self._most_media = most_media_bytes
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self.lost = asyncio.Event()
        self._held: list[str] = []
        self._delivered: dict[int, Delivered] = {}
        self._warnings: list[str] = []
        self._began = time.monotonic()
        self._news, self._turned = asyncio.Event(), asyncio.Event()
        self._previewed = 0.0
        self._teller: asyncio.Task[None] | None = None
        self._folder: Path | None = None

    async def __aenter__(self) -> Self:
        self._folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self._cache.jobs))
        self._teller = asyncio.create_task(self._tell_on())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._teller is not None:
            self._teller.cancel()
        for sha256 in self._held:
            self._cache.release(sha256)
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    @property
    def folder(self) -> Path:
        """An empty folder of this job's own."""
        assert self._folder is not None
        return self._folder

    @property
    def stopped(self) -> bool:
        """Whether the result is no longer wanted."""
        return self._stop.is_set()

    async def media(self, word: str | int) -> Path:
        """The bytes of `media:N` as a file."""
        number = self._number(word)
        link = self._job.media[number]
        if link.size is not None and link.size > self._most_media:
            raise JobFailed(
                f"The medium has {link.size} bytes; this agent takes at most {self._most_media}.",
                transient=True,
            )
        url, called = urljoin(self._server, link.url), f"Medium {number}"
        if link.sha256 and _SHA256.fullmatch(link.sha256):
            return await self._from_cache(Wanted("media", link.sha256.upper(), url, link.size, called))
        return await self._straight(link, url, self.folder / f"media-{number}", called)

    def _number(self, word: str | int) -> int:
        text = str(word).removeprefix(MEDIA)
        if not text.isdecimal() or int(text) >= len(self._job.media):
            raise JobFailed(f"The job does not come with the medium {word!s:.40}.")
        return int(text)

    async def resource(self, air: str) -> Path:
        """The model file of an AIR."""
        for link in self._job.resources:
            if link.air == air:
                if not _SHA256.fullmatch(link.sha256):
                    raise JobFailed(f"The resource {air:.200} comes without a digest.", transient=True)
                url = urljoin(self._server, link.url)
                return await self._from_cache(
                    Wanted("resources", link.sha256.upper(), url, link.size, link.filename)
                )
        raise JobFailed(f"The job does not come with the resource {air:.200}.")

    async def _from_cache(self, wanted: Wanted) -> Path:
        last = 0.0

        def told(have: int, size: int | None) -> None:
            nonlocal last
            if size and time.monotonic() - last > PROGRESS_EVERY_S / 4:
                last = time.monotonic()
                self._note(have / size, f"Downloading {wanted.called}"[:200], "preparing")

        before = self._cache.downloaded_bytes
        path = await self._cache.hold(wanted, told)
        self._held.append(wanted.sha256)
        self._board.downloaded_bytes += max(0, self._cache.downloaded_bytes - before)
        return path

    async def _straight(self, link: MediaLink, url: str, path: Path, called: str) -> Path:
        """A medium without a digest: into the job's own folder, bounded, once more when it breaks off."""
        if await asyncio.to_thread(path.exists):
            return path
        bound = link.size if link.size is not None else self._most_media
        partial = path.with_suffix(".part")
        for attempt in range(3):
            try:
                have = await self._pour(url, partial, bound, called)
                if link.size is not None and have != link.size:
                    raise OSError(f"it ended after {have} of {link.size} bytes")
                break
            except (httpx.HTTPError, OSError) as error:
                if attempt == 2:
                    raise JobFailed(
                        f"{called} could not be downloaded ({error or type(error).__name__}).", transient=True
                    ) from error
                await asyncio.sleep(0.5 * 2**attempt)
        partial.rename(path)
        self._board.downloaded_bytes += have
        return path

    async def _pour(self, url: str, path: Path, bound: int, called: str) -> int:
        have = 0
        async with self._http.stream("GET", url) as answer:
            if answer.status_code >= 500:
                raise OSError(f"status {answer.status_code}")
            if answer.status_code != 200:
                raise JobFailed(
                    f"{called} could not be downloaded: status {answer.status_code}.", transient=True
                )
            with path.open("wb") as file:
                async for chunk in answer.aiter_bytes(1024 * 1024):
                    have += len(chunk)
                    if have > bound:
                        raise JobFailed(f"{called} is larger than it should be.")
                    await asyncio.to_thread(file.write, chunk)
        return have

    async def progress(
        self, fraction: float, note: str | None = None, *, phase: Phase = "processing"
    ) -> None:
        """Say how far the work is."""
        self._note(fraction, note, phase)

    def tell(self, fraction: float, note: str | None = None, *, phase: Phase = "processing") -> None:
        """`progress` from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._note, fraction, note, phase)

    def _note(self, fraction: float, note: str | None, phase: Phase) -> None:
        if phase != self._shown.phase:
            self._turned.set()
        self._shown.phase, self._shown.fraction = phase, min(1.0, max(0.0, fraction))
        self._shown.note = note[:200] if note else None
        self._news.set()

    async def _tell_on(self) -> None:
        """Send the newest progress now and then; a lost claim shows here first."""
        while True:
            await self._news.wait()
            self._news.clear()
            self._turned.clear()
            shown = self._shown
            phase: Phase = "preparing" if shown.phase == "preparing" else "processing"
            try:
                await self._orchestrator.progress(
                    shown.claim, Progress(phase=phase, fraction=shown.fraction, note=shown.note)
                )
            except ClaimLost:
                self.lost.set()
                return
            except _UNHEARD:
                pass
            # A new phase is told at once.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROGRESS_EVERY_S):
                    await self._turned.wait()

    async def preview(self, data: bytes, media_type: str = "image/jpeg") -> None:
        """Show how the work looks so far."""
        if len(data) > MOST_PREVIEW or time.monotonic() - self._previewed < PREVIEW_EVERY_S:
            return
        self._previewed = time.monotonic()
        try:
            await self._orchestrator.preview(self._job.claim, data, media_type)
        except ClaimLost:
            self.lost.set()
        except _UNHEARD:
            pass

    async def deliver(
        self,
        slot: int,
        what: bytes | Path,
        *,
        kind: MediaKind,
        media_type: str,
        width: int | None = None,
        height: int | None = None,
        duration_s: float | None = None,
    ) -> dict[str, Any]:
        """Upload into a slot; `{"$blob": slot}`."""
        if not 0 <= slot < self._job.slots or slot in self._delivered:
            raise JobFailed(f"There is no free slot {slot} in this job.")
        size, sha256 = await asyncio.to_thread(_measure, what)
        if self._job.most_bytes and size > self._job.most_bytes:
            raise JobFailed(f"The result has {size} bytes; at most {self._job.most_bytes} are allowed.")
        await self._upload(slot, what, size, sha256, media_type)
        self._board.uploaded_bytes += size
        self._delivered[slot] = Delivered(
            slot=slot,
            kind=kind,
            media_type=media_type,
            size=size,
            sha256=sha256,
            width=width,
            height=height,
            duration_s=duration_s,
        )
        return {BLOB: slot}

    async def _upload(self, slot: int, what: bytes | Path, size: int, sha256: str, media_type: str) -> None:
        deadline, pause = time.monotonic() + UPLOAD_PATIENCE_S, 0.5
        while True:
            try:
                kept = await self._orchestrator.upload(
                    self._job.claim, slot, what, size=size, sha256=sha256, media_type=media_type
                )
                if kept.size == size and kept.sha256.upper() == sha256:
                    return
                why = "what arrived differs from what was sent"
            except ServerAway as away:
                why = str(away)
            except CallRefused as refused:
                raise JobFailed(f"The result was not taken: {refused}"[:1000]) from refused
            if time.monotonic() > deadline:
                raise JobFailed(f"The result could not be uploaded: {why}"[:1000], transient=True)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 15.0)

    def warn(self, sentence: str) -> None:
        """Note what was not done quite as asked."""
        if sentence not in self._warnings and len(self._warnings) < 50:
            self._warnings.append(sentence)

    def done(self, output: Mapping[str, Any], *, warnings: Sequence[str] = ()) -> Succeeded:
        """The result."""
        for sentence in warnings:
            self.warn(sentence)
        return Succeeded(
            output=dict(output),
            delivered=[self._delivered[slot] for slot in sorted(self._delivered)],
            warnings=list(self._warnings),
            seconds=self.seconds,
        )

    @property
    def seconds(self) -> float:
        """How long the job has been at work."""
        return round(time.monotonic() - self._began, 3)


def _measure(what: bytes | Path) -> tuple[int, str]:
    if isinstance(what, bytes):
        return len(what), hashlib.sha256(what).hexdigest().upper()
    with what.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return file.tell(), digest.hexdigest().upper()
