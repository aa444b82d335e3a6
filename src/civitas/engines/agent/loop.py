"""The life of an agent: register, stay in touch, claim while there is room, run, drain."""

from __future__ import annotations

import asyncio
import platform
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import structlog

from civitas.contracts.wire.agents import Heartbeat, Registration, Wish
from civitas.contracts.wire.jobs import Ask, Job
from civitas.engines.agent.board import Board, Shown
from civitas.engines.agent.cache import FileCache
from civitas.engines.agent.client import (
    CallRefused,
    ClaimLost,
    NotRegistered,
    Orchestrator,
    ServerAway,
    TokenRefused,
)
from civitas.engines.agent.desk import JobDesk
from civitas.engines.agent.engine import Engine, JobRejected
from civitas.engines.agent.running import deliver_result, outcome_of, tell_board
from civitas.kit.errors import Unauthorised, Unavailable

log = structlog.get_logger(__name__)

POLL_S: Final = 20.0
LONGEST_PAUSE_S: Final = 30.0
_NO: Final = (ClaimLost, TokenRefused, ServerAway, NotRegistered, CallRefused)


@dataclass(frozen=True, slots=True)
class Habits:
    """How an agent works."""

    name: str
    server: str
    token: str = field(repr=False)
    slots: int
    cache: Path
    cache_bytes: int
    most_media_bytes: int
    drain_s: float
    # Whether the orchestrator's wish to drain ends it. One that a supervisor would start again at once stays instead,
    # claims nothing, and works again when that is wished for.
    ends_on_wish: bool = True
    software: str = ""
    hardware: dict[str, Any] = field(default_factory=dict)


class Agent:
    """Claims jobs from one orchestrator and has its engines run them.

    `run` returns when the agent was drained, by `drain()` or by the orchestrator's wish. It raises Unauthorised when the
    token does not hold and Unavailable when no engine can work; nothing that a job does ends it.
    """

    def __init__(
        self,
        habits: Habits,
        engines: Sequence[Engine],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.habits = habits
        self.board = Board(name=habits.name, server=habits.server, slots=habits.slots)
        self._offered, self._engines = engines, list[Engine]()
        self._transport = transport
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._desks: dict[int, JobDesk] = {}
        self._changed = asyncio.Event()
        self._draining = asyncio.Event()
        self._told_resources: list[str] | None = None
        self._heartbeat_s = 10.0

    def drain(self) -> None:
        """Finish what is claimed, claim nothing more, end."""
        if not self._draining.is_set():
            log.info("agent.draining", running=len(self._tasks), within_s=self.habits.drain_s)
        self.board.draining = True
        self._draining.set()
        self._changed.set()

    async def run(self) -> None:
        """Work until drained."""
        habits = self.habits
        limits = httpx.Limits(max_connections=32, max_keepalive_connections=4)
        async with (
            Orchestrator(habits.server, habits.token, transport=self._transport) as self._orchestrator,
            httpx.AsyncClient(
                timeout=60.0,
                limits=limits,
                follow_redirects=True,
                transport=self._transport,
                trust_env=False,
            ) as self._http,
        ):
            self._cache = FileCache(habits.cache, habits.cache_bytes, self._http)
            try:
                await self._open_engines()
                await self._work()
            finally:
                for engine in self._engines:
                    await engine.close()
                self._cache.close()

    async def _open_engines(self) -> None:
        for engine in self._offered:
            try:
                await engine.open()
            except JobRejected as why:
                log.warning("engine.out", engine=engine.name, reason=why.reason)
                continue
            self._engines.append(engine)
        if not any(engine.capabilities() for engine in self._engines):
            raise Unavailable("None of this agent's engines can work; the log says why.")

    async def _work(self) -> None:
        await self._register()
        beats = asyncio.create_task(self._beat_on(), name="heartbeats")
        claims = asyncio.create_task(self._claim_on(), name="claims")
        drained = asyncio.create_task(self._draining.wait(), name="drained")
        try:
            done, _ = await asyncio.wait({beats, claims, drained}, return_when=asyncio.FIRST_COMPLETED)
            claims.cancel()
            await asyncio.gather(claims, return_exceptions=True)
            for task in done:
                task.result()
            await self._finish()
        finally:
            for task in (beats, claims, drained, *self._tasks.values()):
                task.cancel()
            await asyncio.gather(beats, claims, drained, *self._tasks.values(), return_exceptions=True)

    async def _register(self) -> None:
        """Until it is heard, with pauses that grow."""
        pause = 0.5
        while not self._draining.is_set():
            registration = self._introduction()
            try:
                answer = await self._orchestrator.register(registration)
            except TokenRefused as refused:
                raise Unauthorised(f"The orchestrator refuses this agent's token: {refused}") from refused
            except CallRefused as refused:
                raise Unavailable(f"The orchestrator refuses this agent: {refused}") from refused
            except (ServerAway, NotRegistered, ClaimLost) as away:
                self._away(away)
                await self._pause(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
                continue
            self._heartbeat_s = max(0.05, answer.heartbeat_s)
            self.board.agent_id, self.board.capabilities = answer.agent_id, registration.capabilities
            self.board.connected, self.board.trouble = True, None
            log.info(
                "agent.registered",
                agent_id=answer.agent_id,
                capabilities=len(registration.capabilities),
                slots=self.habits.slots,
            )
            return

    def _introduction(self) -> Registration:
        self._told_resources = self._cache.resources()
        return Registration(
            name=self.habits.name,
            capabilities=sorted({name for engine in self._engines for name in engine.capabilities()}),
            resources=self._told_resources[:20_000],
            slots=self.habits.slots,
            software=self.habits.software,
            hardware={"system": platform.platform(), **self.habits.hardware},
        )

    def _away(self, why: Exception) -> None:
        if self.board.trouble is None:
            log.warning("server.away", reason=str(why))
        self.board.connected, self.board.trouble = False, str(why)[:200]

    async def _pause(self, seconds: float) -> None:
        """Wait, give or take a quarter, or until draining."""
        try:
            async with asyncio.timeout(seconds * random.uniform(0.75, 1.25)):  # noqa: S311
                await self._draining.wait()
        except TimeoutError:
            pass

    async def _beat_on(self) -> None:
        """Heartbeats while anything lives, draining included."""
        while True:
            await asyncio.sleep(self._heartbeat_s)
            resources = self._cache.resources()
            self.board.cache_bytes = self._cache.used_bytes()
            changed = resources != self._told_resources
            try:
                beat = await self._orchestrator.heartbeat(
                    Heartbeat(claims=list(self._tasks), resources=resources[:20_000] if changed else None)
                )
            except (ServerAway, CallRefused, ClaimLost) as away:
                self._away(away)
                continue
            except NotRegistered:
                await self._register()
                continue
            except TokenRefused as refused:
                raise Unauthorised(f"The orchestrator refuses this agent's token: {refused}") from refused
            self._told_resources = resources
            self._hear(beat.wish)
            for claim in beat.lost:
                self._lose(claim)

    def _hear(self, wish: Wish) -> None:
        self.board.connected, self.board.trouble = True, None
        if wish is not self.board.wish:
            log.info("agent.wish", wish=wish.value)
        self.board.wish = wish
        self._changed.set()
        if wish is Wish.DRAIN and self.habits.ends_on_wish:
            self.drain()

    def _lose(self, claim: int) -> None:
        """A claim is somebody else's now: stop its work at once."""
        if desk := self._desks.get(claim):
            desk.lost.set()

    async def _claim_on(self) -> None:
        pause = 0.5
        while not self._draining.is_set():
            self._changed.clear()
            if not self.board.free or self.board.wish is not Wish.WORK or not self.board.connected:
                await self._changed_within(self._heartbeat_s)
                continue
            try:
                claimed = await self._orchestrator.claim(Ask(free=min(256, self.board.free), wait_s=POLL_S))
            except TokenRefused as refused:
                raise Unauthorised(f"The orchestrator refuses this agent's token: {refused}") from refused
            except NotRegistered:
                await self._register()
                continue
            except (ServerAway, CallRefused, ClaimLost) as away:
                self._away(away)
                await self._pause(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
                # Only a call that is answered says that it is back.
                self.board.connected = True
                continue
            pause = 0.5
            for job in claimed.jobs:
                self._start(job)
            self._hear(claimed.wish)

    async def _changed_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _start(self, job: Job) -> None:
        shown = Shown(job.id, job.claim, job.capability, job.attempt)
        self.board.running[job.claim] = shown
        task = asyncio.create_task(self._run(job, shown), name=f"job {job.id}")
        self._tasks[job.claim] = task

        def gone(_: asyncio.Task[None]) -> None:
            self._tasks.pop(job.claim, None)
            self._desks.pop(job.claim, None)
            self.board.running.pop(job.claim, None)
            self._changed.set()

        task.add_done_callback(gone)

    async def _run(self, job: Job, shown: Shown) -> None:
        desk = JobDesk(
            job,
            shown,
            orchestrator=self._orchestrator,
            server=self.habits.server,
            cache=self._cache,
            http=self._http,
            board=self.board,
            most_media_bytes=self.habits.most_media_bytes,
        )
        self._desks[job.claim] = desk
        try:
            async with desk:
                work = asyncio.create_task(outcome_of(job, desk, self._engines))
                await self._until(work, desk)
                outcome = work.result()
                await deliver_result(self._orchestrator, job.claim, outcome)
            tell_board(self.board, shown, outcome)
        except (ClaimLost, TokenRefused, ServerAway, NotRegistered) as why:
            log.info("job.lost", job=job.id, capability=job.capability, reason=str(why))
            self.board.end(shown, "lost", str(why) or None)
        except asyncio.CancelledError:
            self.board.end(shown, "rejected", "The agent stops.")
            raise

    @staticmethod
    async def _until(work: asyncio.Task[Any], desk: JobDesk) -> None:
        """Wait for the work, or for the claim to be lost, and then stop the work. Raises ClaimLost."""
        lost = asyncio.create_task(desk.lost.wait())
        try:
            await asyncio.wait({work, lost}, return_when=asyncio.FIRST_COMPLETED)
            if desk.lost.is_set():
                raise ClaimLost("somebody else has the job, or it was cancelled")
        finally:
            lost.cancel()
            if not work.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

    async def _finish(self) -> None:
        """Wait for what is claimed, within the limit; what is left goes back to the queue."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=self.habits.drain_s)
        left = dict(self._tasks)
        for task in left.values():
            task.cancel()
        await asyncio.gather(*left.values(), return_exceptions=True)
        if left:
            # Whoever registers has nothing claimed: so it goes back at once, and without a word against this agent,
            # which may be the only one that can do it when it is started again.
            try:
                async with asyncio.timeout(5):
                    await self._orchestrator.register(self._introduction())
            except (TimeoutError, *_NO) as why:
                log.info("claims.left", claims=len(left), reason=str(why))
        log.info("agent.drained", handed_back=len(left))
