"""What runs in an actor: engines of its own, and one job at a time."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import structlog

from civitas.contracts.wire.jobs import Job
from civitas.engines.agent.engine import Engine, JobFailed, JobRejected
from civitas.engines.agent.running import engine_for
from civitas.engines.ray.far_desk import FarDesk
from civitas.engines.ray.messages import Done, Maker, Message, Told, Trouble

log = structlog.get_logger(__name__)


PREFIX: Final = "civitas-ray-"


class Hand:
    """An actor. Its files are in a temporary folder of its own, and go with it."""

    def __init__(self, makers: Sequence[Maker], most_bytes: int) -> None:
        self._makers, self._most = makers, most_bytes
        self._engines: list[Engine] = []
        _sweep()
        self._folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = _locked(self._folder)
        self._keep = self._folder / "resources"
        self._keep.mkdir()
        self._kept: dict[str, Path] = {}
        self._desk: FarDesk | None = None
        self._work: asyncio.Task[Done | Trouble] | None = None

    async def open(self) -> tuple[list[str], int]:
        """Make and open the engines; what they offer, and the process."""
        for maker in self._makers:
            engine = maker()
            if engine is None:
                continue
            try:
                await engine.open()
            except JobRejected as why:
                log.warning("engine.out", engine=engine.name, reason=why.reason)
                continue
            self._engines.append(engine)
        return sorted({name for engine in self._engines for name in engine.capabilities()}), os.getpid()

    async def run(self, said: dict[str, Any]) -> AsyncIterator[Message]:
        """Do a job; what the agent has to hear of it, at last a Done or a Trouble."""
        job = Job.model_validate(said)
        self._make_room()
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self._folder))
        desk = self._desk = FarDesk(job, folder, self._kept, self._keep)
        work = self._work = asyncio.create_task(self._outcome(job, desk))
        work.add_done_callback(lambda _: desk.out.put_nowait(None))
        try:
            while (message := await desk.out.get()) is not None:
                yield desk.newest() if isinstance(message, Told) else message
            yield Trouble("The agent stops.", transient=True) if work.cancelled() else work.result()
        finally:
            desk.stop()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _outcome(self, job: Job, desk: FarDesk) -> Done | Trouble:
        engine = engine_for(job.capability, self._engines)
        if engine is None:
            return Trouble(f"This actor does not offer {job.capability:.200}.", rejected=True)
        try:
            return desk.end(await engine.run(job, desk))
        except (JobFailed, JobRejected) as error:
            return Trouble.of(error)
        except MemoryError:
            return Trouble("The actor ran out of memory.", transient=True)
        except Exception:
            log.exception("job.broke", job=job.id, capability=job.capability)
            return Trouble("The agent failed at this job in a way it did not foresee.", transient=True)

    async def feed(self, number: int, data: bytes) -> None:
        """The next piece of a file that was asked for."""
        if self._desk is not None:
            await self._desk.feed(number, data)

    async def answer(self, number: int, value: Any) -> None:
        """What was asked for."""
        if self._desk is not None:
            self._desk.answer(number, value)

    async def cancel(self) -> bool:
        """Stop the job at work; True when it has stopped."""
        if self._desk is not None:
            self._desk.stop()
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait({self._work})
        return True

    async def close(self) -> None:
        """Close the engines and remove all files."""
        for engine in self._engines:
            await engine.close()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _make_room(self) -> None:
        """Between jobs: forget the files that came first while there are too many bytes of them."""
        while self._kept and sum(path.stat().st_size for path in self._kept.values()) > self._most:
            digest = next(iter(self._kept))
            self._kept.pop(digest).unlink(missing_ok=True)


def _locked(folder: Path) -> BinaryIO | None:
    """The folder's lock, kept until it is closed or the process ends; None when somebody else has it."""
    lock = (folder / "lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def _sweep() -> None:
    """Remove what actors left behind that were ended from outside."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/"):
        with contextlib.suppress(OSError):
            if lock := _locked(folder):
                shutil.rmtree(folder, ignore_errors=True)
                lock.close()
