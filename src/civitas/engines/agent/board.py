"""What an agent is doing, for whoever looks: the console, the status page, the log."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Final

from civitas.contracts.wire.agents import Wish

KEPT: Final = 30
# Throughput is told of the last five minutes.
WINDOW_S: Final = 300.0


@dataclass
class Shown:
    """A job at work."""

    id: str
    claim: int
    capability: str
    attempt: int
    began: float = field(default_factory=time.monotonic)
    phase: str = "preparing"
    fraction: float = 0.0
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A job that is over: `succeeded`, `failed`, `rejected` or `lost`."""

    id: str
    capability: str
    outcome: str
    seconds: float
    at: float
    reason: str | None = None


class Board:
    """Written by the agent, read by whoever shows it; one event loop, no locks."""

    def __init__(self, *, name: str, server: str, slots: int) -> None:
        self.name, self.server, self.slots = name, server, slots
        self.agent_id: int | None = None
        self.capabilities: list[str] = []
        self.connected = False
        self.trouble: str | None = None
        self.wish = Wish.WORK
        self.draining = False
        self.running: dict[int, Shown] = {}
        self.ended: deque[Ended] = deque(maxlen=KEPT)
        self.outcomes: Counter[str] = Counter()
        self.downloaded_bytes = 0
        self.uploaded_bytes = 0
        self.cache_bytes = 0
        self._ends: deque[float] = deque(maxlen=10_000)
        self._since = time.monotonic()

    @property
    def free(self) -> int:
        """Slots with nothing in them."""
        return max(0, self.slots - len(self.running))

    @property
    def state(self) -> str:
        """One word: connecting, draining, paused, working or idle."""
        if not self.connected:
            return "connecting"
        if self.draining or self.wish is Wish.DRAIN:
            return "draining"
        if self.wish is Wish.PAUSE:
            return "paused"
        return "working" if self.running else "idle"

    def end(self, shown: Shown, outcome: str, reason: str | None = None) -> None:
        """A job leaves its slot."""
        self.running.pop(shown.claim, None)
        self.outcomes[outcome] += 1
        self.ended.appendleft(
            Ended(shown.id, shown.capability, outcome, time.monotonic() - shown.began, time.time(), reason)
        )
        if outcome == "succeeded":
            self._ends.append(time.monotonic())

    def per_minute(self) -> float:
        """Jobs done a minute, over the last five minutes or since the start."""
        now = time.monotonic()
        while self._ends and self._ends[0] < now - WINDOW_S:
            self._ends.popleft()
        return len(self._ends) * 60 / max(1.0, min(WINDOW_S, now - self._since))

    def snapshot(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        now = time.monotonic()
        return {
            "name": self.name,
            "server": self.server,
            "agentId": self.agent_id,
            "state": self.state,
            "trouble": self.trouble,
            "slots": self.slots,
            "free": self.free,
            "capabilities": self.capabilities,
            "jobs": [
                {
                    "id": shown.id,
                    "capability": shown.capability,
                    "attempt": shown.attempt,
                    "phase": shown.phase,
                    "fraction": round(shown.fraction, 3),
                    "note": shown.note,
                    "seconds": round(now - shown.began, 1),
                }
                for shown in self.running.values()
            ],
            "ended": [
                {
                    "id": ended.id,
                    "capability": ended.capability,
                    "outcome": ended.outcome,
                    "seconds": round(ended.seconds, 2),
                    "at": round(ended.at, 3),
                    "reason": ended.reason,
                }
                for ended in self.ended
            ],
            "outcomes": dict(self.outcomes),
            "perMinute": round(self.per_minute(), 2),
            "downloadedBytes": self.downloaded_bytes,
            "uploadedBytes": self.uploaded_bytes,
            "cacheBytes": self.cache_bytes,
            "uptimeSeconds": round(now - self._since),
        }
