"""The desk of a job in an actor: what it is asked for is asked of the agent."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from civitas.contracts.wire.jobs import MEDIA, Job, MediaKind, Succeeded
from civitas.engines.agent.engine import JobFailed, Phase
from civitas.engines.ray.messages import PIECE, Ask, Done, File, Message, Seen, Told, Trouble


class FarDesk:
    """`engine.Desk` in an actor. Messages for the agent are in `out`; its answers come by `feed` and `answer`.

    `kept` has the model files that were sent to this actor before, by digest.
    """

    def __init__(self, job: Job, folder: Path, kept: dict[str, Path], keep: Path) -> None:
        self.folder, self._job, self._kept, self._keep = folder, job, kept, keep
        self.out: asyncio.Queue[Message | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count()
        self._waits: dict[int, asyncio.Future[Any]] = {}
        self._coming: dict[int, Path] = {}
        self._stop = threading.Event()
        self._told: Told | None = None
        self._telling = False
        self._warnings: list[str] = []

    @property
    def stopped(self) -> bool:
        """Whether the result is no longer wanted."""
        return self._stop.is_set()

    def stop(self) -> None:
        """The result is no longer wanted."""
        self._stop.set()

    async def media(self, word: str | int) -> Path:
        """The bytes of `media:N` as a file."""
        name = str(word).removeprefix(MEDIA)
        return await self._file("media", {"word": word}, self.folder / f"media-{name:.20}")

    async def resource(self, air: str) -> Path:
        """The model file of an AIR."""
        digest = next((link.sha256 for link in self._job.resources if link.air == air), None)
        if digest is None:
            raise JobFailed(f"The job does not come with the resource {air:.200}.")
        if (path := self._kept.get(digest)) and path.exists():
            return path
        path = await self._file("resource", {"air": air}, self._keep / digest)
        if path.parent == self._keep:
            self._kept[digest] = path
        return path

    async def _file(self, what: str, about: dict[str, Any], to: Path) -> Path:
        """A file of the agent: as it lies there when this is the same machine, else sent to `to`."""
        file: File = await self._ask(what, about)
        if found := file.here():
            return found
        partial = to.with_name(f"{to.name}-{next(self._numbers)}.part")
        await asyncio.to_thread(partial.write_bytes, b"")
        await self._ask("send", about | {"path": file.path}, coming=partial)
        partial.rename(to)
        return to

    async def _ask(self, what: str, about: dict[str, Any], *, coming: Path | None = None) -> Any:
        number = next(self._numbers)
        if coming is not None:
            self._coming[number] = coming
        self._waits[number] = self._loop.create_future()
        try:
            self.out.put_nowait(Ask(number, what, about))
            return await self._waits[number]
        finally:
            del self._waits[number]
            self._coming.pop(number, None)

    async def feed(self, number: int, data: bytes) -> None:
        """The next piece of a file that was asked for."""
        if path := self._coming.get(number):
            await asyncio.to_thread(_append, path, data)

    def answer(self, number: int, value: Any) -> None:
        """What the agent answers; a Trouble is raised where it was asked."""
        wait = self._waits.get(number)
        if wait is None or wait.done():
            return
        if isinstance(value, Trouble):
            wait.set_exception(value.error())
        else:
            wait.set_result(value)

    async def progress(
        self, fraction: float, note: str | None = None, *, phase: Phase = "processing"
    ) -> None:
        """Say how far the work is."""
        self._note(Told(fraction, note, phase))

    def tell(self, fraction: float, note: str | None = None, *, phase: Phase = "processing") -> None:
        """`progress` from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._note, Told(fraction, note, phase))

    def _note(self, told: Told) -> None:
        """Only the newest is sent, and one at a time waits."""
        self._told = told
        if not self._telling:
            self._telling = True
            self.out.put_nowait(told)

    def newest(self) -> Told:
        """The newest progress, which is sent in place of the one that waited."""
        assert self._told is not None
        self._telling = False
        return self._told

    async def preview(self, data: bytes, media_type: str = "image/jpeg") -> None:
        """Show how the work looks so far."""
        self.out.put_nowait(Seen(data, media_type))

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
        """Send to the agent, which uploads it into the slot; `{"$blob": slot}`."""
        number = next(self._numbers)
        size = len(what) if isinstance(what, bytes) else (await asyncio.to_thread(what.stat)).st_size
        for at in range(0, size, PIECE):
            await self._ask("piece", {"of": number, "data": await asyncio.to_thread(_stretch, what, at)})
        facts = {"kind": kind.value, "media_type": media_type, "width": width, "height": height}
        about = {"of": number, "slot": slot, "facts": facts | {"duration_s": duration_s}}
        blob: dict[str, Any] = await self._ask("deliver", about)
        return blob

    def warn(self, sentence: str) -> None:
        """Note what was not done quite as asked."""
        if sentence not in self._warnings:
            self._warnings.append(sentence)

    def done(self, output: Mapping[str, Any], *, warnings: Sequence[str] = ()) -> Succeeded:
        """The result; the agent knows what was delivered and how long it took."""
        for sentence in warnings:
            self.warn(sentence)
        return Succeeded(output=dict(output), warnings=self._warnings[:50], seconds=0)

    def end(self, result: Succeeded) -> Done:
        """The result as it is sent."""
        return Done(dict(result.output), list(result.warnings))


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def _stretch(what: bytes | Path, at: int) -> bytes:
    if isinstance(what, bytes):
        return what[at : at + PIECE]
    with what.open("rb") as file:
        file.seek(at)
        return file.read(PIECE)
