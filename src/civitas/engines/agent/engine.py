"""What an engine is, what it is given with a job, and how it says that a job cannot be done.

An engine offers capabilities and runs one job at a time per call; the agent calls it as often at once as it has slots.
Blocking work belongs in a thread (`asyncio.to_thread`) or, where it could take the process down, in a child process.
When a claim is lost the call is cancelled; a thread cannot be cancelled and looks at `desk.stopped` now and then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from civitas.contracts.wire.jobs import Job, MediaKind, Succeeded

Phase = Literal["preparing", "processing"]


class JobFailed(Exception):
    """The job cannot be done; `reason` is one sentence for the person who asked for it.

    `transient` says that trying again, elsewhere first, may help. `blocked_reason` says that rules forbid it.
    """

    def __init__(self, reason: str, *, transient: bool = False, blocked_reason: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.transient = transient
        self.blocked_reason = blocked_reason


class JobRejected(Exception):
    """This agent will not do the job (it lacks something); it goes back to the queue and counts against nobody."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Desk(Protocol):
    """What an engine has at hand for one job. The coroutines belong to the agent's event loop."""

    @property
    def folder(self) -> Path:
        """An empty folder of this job's own, removed when the job has ended."""
        ...

    @property
    def stopped(self) -> bool:
        """Whether the result is no longer wanted. May be read from any thread."""
        ...

    async def media(self, word: str | int) -> Path:
        """The bytes of `media:N`, named as in the input or by number, as a file that must not be changed.

        Raises JobFailed when there is no such medium, or what came is not what was announced.
        """
        ...

    async def resource(self, air: str) -> Path:
        """The model file of an AIR, downloaded or from the cache, whose digest was checked; not to be changed.

        It stays on disk until the job has ended. Raises JobFailed when the job does not come with it.
        """
        ...

    async def progress(
        self, fraction: float, note: str | None = None, *, phase: Phase = "processing"
    ) -> None:
        """Say how far the work is, 0 to 1. Cheap: what comes too often is not sent. Never raises."""
        ...

    def tell(self, fraction: float, note: str | None = None, *, phase: Phase = "processing") -> None:
        """`progress` from any thread, without waiting."""
        ...

    async def preview(self, data: bytes, media_type: str = "image/jpeg") -> None:
        """Show how the work looks so far. What comes too often is not sent. Never raises."""
        ...

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
        """Upload what was made into a slot of the job and return how the output refers to it, `{"$blob": slot}`.

        Raises JobFailed when the slot does not exist, is filled, or the bytes are more than the job allows.
        """
        ...

    def warn(self, sentence: str) -> None:
        """Note what was not done quite as asked; it is shown with the result."""
        ...

    def done(self, output: Mapping[str, Any], *, warnings: Sequence[str] = ()) -> Succeeded:
        """The result: this output, what was delivered, what was warned of, the seconds since the work began."""
        ...


class Engine(Protocol):
    """One kind of compute. `name` is how operators switch it on."""

    name: str

    async def open(self) -> None:
        """Get ready: start pools, ask the server behind it what it can do. Raises JobRejected when it cannot work."""
        ...

    async def close(self) -> None:
        """End what was started."""
        ...

    def capabilities(self) -> list[str]:
        """What it can run now; asked after `open` and again before every registration."""
        ...

    async def run(self, job: Job, desk: Desk) -> Succeeded:
        """Do the job and return `desk.done(output)`.

        Raises JobFailed or JobRejected; MemoryError and anything unforeseen fail the job alone, as transient.
        """
        ...
