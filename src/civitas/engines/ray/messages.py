"""What an actor and the agent say to one another while a job is at work."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from civitas.engines.agent.engine import Engine, JobFailed, JobRejected

Maker = Callable[[], Engine | None]
# Files travel in pieces, so that none has to fit into memory.
PIECE: Final = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Ask:
    """The far desk wants something: `media`, `resource`, `send`, `piece`, `deliver`. The answer has this number."""

    number: int
    what: str
    about: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Told:
    """Progress."""

    fraction: float
    note: str | None
    phase: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A preview."""

    data: bytes = field(repr=False)
    media_type: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """A job's failure on its way to the other side."""

    reason: str
    rejected: bool = False
    transient: bool = False
    blocked_reason: str | None = None

    @classmethod
    def of(cls, error: JobFailed | JobRejected) -> Trouble:
        """What an exception says."""
        if isinstance(error, JobRejected):
            return cls(error.reason, rejected=True)
        return cls(error.reason, transient=error.transient, blocked_reason=error.blocked_reason)

    def error(self) -> JobFailed | JobRejected:
        """The exception again."""
        if self.rejected:
            return JobRejected(self.reason)
        return JobFailed(self.reason, transient=self.transient, blocked_reason=self.blocked_reason)


@dataclass(frozen=True, slots=True)
class Done:
    """The output, and what was warned of."""

    output: dict[str, Any]
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class File:
    """Where the agent has a file. On the same machine it is used as it lies there."""

    host: str
    path: str
    size: int

    def here(self) -> Path | None:
        """The file, when it is on this machine; None when it has to be sent."""
        path = Path(self.path)
        try:
            return path if self.host == host() and path.stat().st_size == self.size else None
        except OSError:
            return None


Message = Ask | Told | Seen | Trouble | Done


def host() -> str:
    """This machine, until it is started again."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    return f"{socket.gethostname()} {boot}"
