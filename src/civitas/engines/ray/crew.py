"""The actors of one agent: started where the cluster has room, given the jobs whose models they have, replaced when they die."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog

from civitas.engines.agent.engine import JobRejected
from civitas.engines.ray.hand import Hand
from civitas.engines.ray.messages import Maker

log = structlog.get_logger(__name__)

# How long not to try again where the cluster had no room.
FULL_S: Final = 60.0
CLOSE_S: Final = 10.0
LOCAL: Final = "local"
HOST: Final = "127.0.0.1"
# Ray's switch for systems on which it makes no clusters; it is read when Ray is imported.
ONE_MACHINE: Final = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


@dataclass(frozen=True, slots=True)
class Setup:
    """The cluster, and what each actor takes of it."""

    address: str
    # Actors at most, which is jobs at the same time.
    actors: int
    cpus: float = 1.0
    # Of a GPU: 0.5 puts two actors on each.
    gpus: float = 0.0
    memory: int | None = None
    # Model files that were sent to one actor, at most.
    most_bytes: int = 50 * 2**30
    start_s: float = 120.0


@dataclass(eq=False)
class Member:
    """An actor, the model of its last job, and when that ended."""

    actor: Any
    capabilities: list[str]
    process: int
    loaded: str = ""
    since: float = 0.0


class Crew:
    """Actors of a cluster. `open` connects; nothing of Ray is imported before."""

    def __init__(self, makers: Sequence[Maker], setup: Setup) -> None:
        self._makers, self._setup = list(makers), setup
        self._ray: Any = None
        self._idle: list[Member] = []
        self._all: list[Member] = []
        self._starting = 0
        self._room = asyncio.Semaphore(setup.actors)
        self._full_until = 0.0

    async def open(self) -> list[str]:
        """Connect, start the first actor, and return what it offers. Raises JobRejected when that cannot be."""
        if importlib.util.find_spec("ray") is None:
            raise JobRejected("Ray is not installed: pip install 'civitas[ray]'.")
        # In a thread: Ray would take the signals from us, and it takes seconds.
        try:
            await asyncio.to_thread(self._connect)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise JobRejected(
                f"The Ray cluster {self._setup.address:.100} cannot be reached: {error}"[:1000]
            ) from error
        first = await self._start()
        if first is None:
            raise JobRejected("The Ray cluster has no room for an actor of this agent.")
        self._rest(first)
        return first.capabilities

    def _connect(self) -> None:
        local = self._setup.address == LOCAL
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # SIGTERM means to drain here, and no failure to print a stack for.
        os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
        if local:
            # Else it takes this machine's address in the network for 127.0.0.1, and listens on all of them.
            os.environ[ONE_MACHINE] = "0"
        self._ray = importlib.import_module("ray")
        given: dict[str, Any] = {"address": self._setup.address, "log_to_driver": False}
        if local:
            given |= {"_node_ip_address": HOST, "include_dashboard": False}
        self._ray.init(**given)
        if local and self._ray.util.get_node_ip_address() != HOST:
            self._ray.shutdown()
            raise RuntimeError(f"it would listen on more than {HOST}")

    async def aclose(self) -> None:
        """End all actors and leave the cluster."""
        if self._ray is None:
            return
        for member in self._all:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(_of(member.actor.close.remote()), CLOSE_S)
            self._end(member)
        await asyncio.to_thread(self._ray.shutdown)

    @property
    def deaths(self) -> type[Exception]:
        """What Ray raises when an actor, its machine or the cluster is gone."""
        died: type[Exception] = self._ray.exceptions.RayError
        return died

    @asynccontextmanager
    async def taken(self, digest: str) -> AsyncIterator[Member]:
        """An actor for one job: one that has this model, else a fresh one, else the one idle for longest.

        Whoever finds it dead calls `dismiss`. Raises JobRejected when the cluster has no room for any.
        """
        async with self._room:
            member = self._picked(digest) or await self._start() or self._longest()
            if member is None:
                raise JobRejected("The Ray cluster has no room for an actor of this agent.")
            member.loaded = digest or member.loaded
            try:
                yield member
            finally:
                self._rest(member)

    def dismiss(self, member: Member) -> None:
        """It is dead, or is to be: the next job gets another."""
        if member in self._all:
            self._all.remove(member)
            self._end(member)
            log.warning("ray.actor_gone", process=member.process)

    def _picked(self, digest: str) -> Member | None:
        for wanted in (digest, ""):
            for member in self._idle:
                if member.loaded == wanted:
                    self._idle.remove(member)
                    return member
        full = len(self._all) + self._starting >= self._setup.actors or time.monotonic() < self._full_until
        return self._longest() if full or (not digest and self._idle) else None

    def _longest(self) -> Member | None:
        if not self._idle:
            return None
        member = min(self._idle, key=lambda one: one.since)
        self._idle.remove(member)
        return member

    def _rest(self, member: Member) -> None:
        member.since = time.monotonic()
        if member in self._all:
            self._idle.append(member)

    async def _start(self) -> Member | None:
        """A new actor; None when the cluster has no room for it in time."""
        setup = self._setup
        options: dict[str, Any] = {"num_cpus": setup.cpus, "num_gpus": setup.gpus, "max_restarts": 0}
        if setup.memory:
            options["memory"] = setup.memory
        self._starting += 1
        actor = self._ray.remote(Hand).options(**options).remote(self._makers, setup.most_bytes)
        try:
            capabilities, process = await asyncio.wait_for(_of(actor.open.remote()), setup.start_s)
        except TimeoutError:
            self._ray.kill(actor)
            self._full_until = time.monotonic() + FULL_S
            log.warning("ray.full", actors=len(self._all))
            return None
        except self.deaths as error:
            raise JobRejected(f"An actor did not start: {error}"[:1000]) from error
        except BaseException:
            self._ray.kill(actor)
            raise
        finally:
            self._starting -= 1
        member = Member(actor, capabilities, process)
        self._all.append(member)
        log.info("ray.actor", process=process, actors=len(self._all))
        return member

    def _end(self, member: Member) -> None:
        with contextlib.suppress(Exception):
            self._ray.kill(member.actor)


async def _of(ref: Any) -> Any:
    return await ref
