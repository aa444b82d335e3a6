"""Who gets which job: pure reckoning over the jobs that wait and the agents that ask.

Jobs are looked at in the order of their places, which is the order of fairness between people. A job goes to the agent
that suits it best: one that did not fail it, has its files, is fast at its kind and has room. Jobs whose files lie with
an asking agent go first, before those that somebody would have to download for; among these a job waits a little for
a busy agent that has the files. Whoever waited too long is served before all of this.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

# What an agent that was not measured yet is taken to be worth, beside the fastest: enough to be tried.
UNMEASURED: Final = 0.75
EVERY: Final = "*"


class Offers:
    """What an agent can run."""

    def __init__(self, capabilities: Iterable[str]) -> None:
        given = list(capabilities)
        self.names = frozenset(one for one in given if not one.endswith("/*"))
        self.families = frozenset(one[:-2] for one in given if one.endswith("/*"))

    def __contains__(self, capability: str) -> bool:
        return capability in self.names or capability.partition("/")[0] in self.families


@dataclass(slots=True)
class Asking:
    """An agent that asks, and how many jobs it may still get."""

    agent_id: int
    free: int
    offers: Offers
    # Capability to speed (None while unmeasured) and share of failures.
    rates: Mapping[str, tuple[float | None, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that waits."""

    job_id: str
    capability: str
    place: float
    since: datetime
    # How many files it needs, and how many of them each agent has.
    files: int = 0
    here: Mapping[int, int] = field(default_factory=dict)
    # Agents that failed it or fell silent; they may try again when nobody else does.
    refused: frozenset[int] = frozenset()
    # Agents that rejected it; they are never asked again.
    rejected: frozenset[int] = frozenset()

    def whole_with(self, agent_id: int) -> bool:
        """Whether an agent has every file that is needed."""
        return not self.files or self.here.get(agent_id, 0) == self.files


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a job waits for what; see the settings of agents."""

    hold_s: float
    overdue_s: float
    second_chance_s: float


Pair = tuple[str, int]
# Whether an agent that does not ask now lives and can run a capability.
Busy = Callable[[int, str], bool]


def choose(
    asking: Sequence[Asking], waiting: Iterable[Waiting], *, now: datetime, patience: Patience, busy: Busy
) -> list[Pair]:
    """Which waiting job goes to which asking agent; `free` of the agents is used up."""
    table = _Table(asking, now, patience)
    chosen: list[Pair] = []
    later: list[Waiting] = []
    for job in sorted(waiting, key=lambda one: (one.place, one.job_id)):
        if table.room <= 0:
            break
        overdue = table.waited(job) >= patience.overdue_s
        agent = table.best(job, whole=not overdue)
        if agent is not None:
            chosen.append((job.job_id, agent))
        elif job.files and not overdue:
            later.append(job)
    for job in later:
        if table.room <= 0:
            break
        if table.waited(job) < patience.hold_s and _held(job, table, busy):
            continue
        agent = table.best(job, whole=False)
        if agent is not None:
            chosen.append((job.job_id, agent))
    return chosen


def _held(job: Waiting, table: _Table, busy: Busy) -> bool:
    return any(
        job.whole_with(agent)
        and agent not in table.agents
        and agent not in job.refused
        and busy(agent, job.capability)
        for agent in job.here
    )


class _Table:
    """The asking agents, ordered by merit for each capability."""

    def __init__(self, asking: Sequence[Asking], now: datetime, patience: Patience) -> None:
        self.agents = {one.agent_id: one for one in asking}
        self.room = sum(one.free for one in asking)
        self._now = now
        self._patience = patience
        self._merits: dict[str, dict[int, float]] = {}
        self._heaps: dict[str, list[tuple[float, int, int]]] = {}

    def waited(self, job: Waiting) -> float:
        """For how many seconds."""
        return (self._now - job.since).total_seconds()

    def best(self, job: Waiting, *, whole: bool) -> int | None:
        """The agent that suits best, one job nearer to having no room; None when none suits."""
        merits = self._merits.get(job.capability)
        if merits is None:
            merits = self._reckon(job.capability)
        if not job.files and not job.refused and not job.rejected:
            found = self._first(job.capability)
        else:
            found = self._suitable(job, merits, whole)
        if found is not None:
            self.agents[found].free -= 1
            self.room -= 1
        return found

    def _first(self, capability: str) -> int | None:
        """The worthiest agent with room; of equals the one with the most."""
        heap = self._heaps[capability]
        while heap:
            merit, free, agent = heap[0]
            actual = self.agents[agent].free
            if actual <= 0:
                heapq.heappop(heap)
            elif -free != actual:
                heapq.heapreplace(heap, (merit, -actual, agent))
            else:
                heapq.heapreplace(heap, (merit, 1 - actual, agent))
                return agent
        return None

    def _suitable(self, job: Waiting, merits: Mapping[int, float], whole: bool) -> int | None:
        again = self.waited(job) >= self._patience.second_chance_s
        found: tuple[tuple[bool, float, int], int] | None = None
        for agent, merit in merits.items():
            free = self.agents[agent].free
            if free <= 0 or agent in job.rejected or (agent in job.refused and not again):
                continue
            if whole and not job.whole_with(agent):
                continue
            local = job.here.get(agent, 0) / job.files if job.files else 1.0
            worth = (agent not in job.refused, merit + local, free)
            if found is None or worth > found[0]:
                found = worth, agent
        return found[1] if found else None

    def _reckon(self, capability: str) -> dict[int, float]:
        able = [one for one in self.agents.values() if capability in one.offers]
        rates = {one.agent_id: one.rates.get(capability, (None, 0.0)) for one in able}
        fastest = max((speed for speed, _ in rates.values() if speed), default=None)
        merits = {
            agent: round((speed / fastest if speed and fastest else UNMEASURED) - failure, 3)
            for agent, (speed, failure) in rates.items()
        }
        self._merits[capability] = merits
        heap = [(-merit, -self.agents[agent].free, agent) for agent, merit in merits.items()]
        heapq.heapify(heap)
        self._heaps[capability] = heap
        return merits
