"""Agents that wait for work in this process, and the one look that serves them all.

Whoever waits holds no connection and no thread. New asks are looked at at once, together with whatever else came in
while the look before was under way; all of them are looked at again every moment.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolBusy

from civitas.contracts.agent_rules import AgentRules
from civitas.contracts.wire.agents import Wish
from civitas.domains.orchestration.dispatch import claiming, leases, tending
from civitas.domains.orchestration.dispatch.claiming import ClaimedJob
from civitas.domains.orchestration.types import ClaimState
from civitas.infra.db.database import Units
from civitas.infra.db.readpool import ReadPool
from civitas.kit.errors import Conflict, Limited

log = structlog.get_logger(__name__)

MOST_WAITING: Final = 20_000
# What just happened may be more than one thing: looks for its sake are at least this far apart.
PAUSE_S: Final = 0.005
# Wishes of operators and leases are looked after this often even when there is no work.
TEND_S: Final = 1.0
LONGEST_LOOK_S: Final = 10.0
_DATABASE_AWAY = (psycopg.Error, DBAPIError, PoolTimeout, PoolBusy, OSError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an ask came to."""

    wish: Wish
    jobs: Sequence[ClaimedJob] = ()


@dataclass(eq=False, slots=True)
class _Waiter:
    agent_id: int
    free: int
    answer: asyncio.Future[Answer]
    # Whether one look is enough for it.
    once: bool = False
    wish: Wish = Wish.WORK
    # Not set while a look may take something for it.
    idle: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class Polling:
    """Everybody who waits for work in this process."""

    units: Units
    reads: ReadPool
    settings: AgentRules
    _waiters: set[_Waiter] = field(default_factory=set)
    _fresh: set[_Waiter] = field(default_factory=set)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _looking: asyncio.Task[None] | None = None
    _nudged: bool = False
    _closed: bool = False

    def __post_init__(self) -> None:
        _ALL.add(self)

    @property
    def waiting(self) -> int:
        """How many asks wait."""
        return len(self._waiters)

    async def ask(self, agent_id: int, *, free: int, wait_s: float, gone: Awaitable[None]) -> Answer:
        """Up to `free` jobs as soon as there are any, nothing after `wait_s`. `gone` ends when the agent has left.

        Raises Conflict (`not_registered`), Limited when too many wait.
        """
        if len(self._waiters) >= MOST_WAITING:
            raise Limited(
                "Too many agents wait here; ask again later.", retry_after=5, code="too_many_agents"
            )
        waiter = _Waiter(agent_id, free, asyncio.get_running_loop().create_future(), once=not wait_s)
        waiter.idle.set()
        leaving: asyncio.Future[Any] = asyncio.ensure_future(gone)
        ends: list[asyncio.Future[Any]] = [waiter.answer, leaving]
        self._join(waiter)
        try:
            await asyncio.wait(
                ends,
                timeout=wait_s or LONGEST_LOOK_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            # A look that has begun may have taken something for this agent already.
            await waiter.idle.wait()
        finally:
            left = leaving.done()
            leaving.cancel()
            self._waiters.discard(waiter)
            self._fresh.discard(waiter)
            if not waiter.answer.done():
                waiter.answer.cancel()
        if waiter.answer.cancelled():
            return Answer(waiter.wish)
        answer = waiter.answer.result()
        if left and answer.jobs:
            await self._give_back(answer.jobs)
        return answer

    def nudge(self) -> None:
        """Something was done here that may have made work: look soon."""
        self._nudged = True
        self._woken.set()

    def _join(self, waiter: _Waiter) -> None:
        if self._closed:
            waiter.answer.set_result(Answer(Wish.WORK))
            return
        self._waiters.add(waiter)
        self._fresh.add(waiter)
        self._woken.set()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_on())

    async def _look_on(self) -> None:
        """Look until nobody waits any more."""
        clock = asyncio.get_running_loop().time
        looked = tended = 0.0
        while self._waiters and not self._closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, looked + self.settings.look_s - clock())):
                    await self._woken.wait()
            self._woken.clear()
            fresh, self._fresh = self._fresh & self._waiters, set()
            everybody = self._nudged or clock() - looked >= self.settings.look_s
            self._nudged = False
            asked = set(self._waiters) if everybody else fresh
            tend = clock() - tended >= TEND_S
            if everybody:
                looked = clock()
            try:
                if tend:
                    tended = clock()
                    await tending.lapsed(self.units)
                if asked and (fresh or tend or await claiming.anything(self.reads)):
                    await self._look(asked)
            except _DATABASE_AWAY as error:
                log.warning("agents.look_failed", error=type(error).__name__)
                await asyncio.sleep(self.settings.look_s)
            except Exception:
                # A mistake of ours must not leave everybody waiting for a look that never comes.
                log.exception("agents.look_crashed")
                await asyncio.sleep(self.settings.look_s)
            await asyncio.sleep(PAUSE_S)

    async def _look(self, asked: Iterable[_Waiter]) -> None:
        by_agent: dict[int, list[_Waiter]] = defaultdict(list)
        for waiter in asked:
            if not waiter.answer.done():
                waiter.idle.clear()
                by_agent[waiter.agent_id].append(waiter)
        free = {agent: sum(one.free for one in waiters) for agent, waiters in by_agent.items()}
        try:
            async with self.units.unit() as session:
                taken = await claiming.claim(session, free, settings=self.settings)
        finally:
            for waiters in by_agent.values():
                for waiter in waiters:
                    waiter.idle.set()
        jobs: dict[int, list[ClaimedJob]] = defaultdict(list)
        for job in taken.jobs:
            jobs[job.agent_id].append(job)
        lost: list[ClaimedJob] = []
        for agent, waiters in by_agent.items():
            lost += _hand_out(waiters, jobs[agent], taken.wishes.get(agent))
        if lost:
            await self._give_back(lost)

    async def _give_back(self, jobs: Sequence[ClaimedJob]) -> None:
        """Put into the queue what was taken for an agent that has left meanwhile."""
        by_agent: dict[int, list[int]] = defaultdict(list)
        for job in jobs:
            by_agent[job.agent_id].append(job.claim_id)
        async with self.units.unit() as session:
            for agent, claims in by_agent.items():
                await leases.give_back(
                    session,
                    agent_id=agent,
                    claims=claims,
                    state=ClaimState.EXPIRED,
                    reason="the agent had left when the job came",
                )

    def close(self) -> None:
        """Let everybody go, now, with nothing; those that come later go at once."""
        self._closed = True
        for waiter in list(self._waiters):
            if not waiter.answer.done() and waiter.idle.is_set():
                waiter.answer.set_result(Answer(waiter.wish))
        self._woken.set()

    async def closed(self) -> None:
        """Wait until the look has ended."""
        self.close()
        if self._looking is not None:
            await self._looking


def _hand_out(waiters: Sequence[_Waiter], jobs: list[ClaimedJob], wish: Wish | None) -> list[ClaimedJob]:
    """Give jobs to those who wait; what nobody is there for any more."""
    for waiter in waiters:
        if waiter.answer.done():
            continue
        if wish is None:
            waiter.answer.set_exception(Conflict("Register before you ask for work.", code="not_registered"))
            continue
        waiter.wish = wish
        part, jobs = jobs[: waiter.free], jobs[waiter.free :]
        if part or waiter.once or wish is Wish.DRAIN:
            waiter.answer.set_result(Answer(wish, part))
    return jobs


_ALL: weakref.WeakSet[Polling] = weakref.WeakSet()


def end_all() -> None:
    """Let everybody in this process go: a server that stops would wait for them."""
    for polling in list(_ALL):
        polling.close()
