"""Claiming: jobs are taken for agents, many at a time, in one short transaction that waits for nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.agent_rules import AgentRules
from civitas.contracts.wire.agents import Wish
from civitas.domains.orchestration.dispatch import leases, matching
from civitas.domains.orchestration.dispatch.matching import Asking, Offers, Pair, Patience, Waiting
from civitas.domains.orchestration.dispatch.statements import run
from civitas.infra.db.readpool import ReadPool
from civitas.kit import clock, sql

FILE: Final = "claiming.sql"
# How many jobs of each capability are looked at for each that can be taken, and how many at least and at most.
LOOK_AHEAD: Final = 2
LEAST_LOOK: Final = 16
MOST_LOOK: Final = 256
# Jobs that are taken at once.
MOST_AT_ONCE: Final = 256
# When another process was quicker, the next ones are tried.
TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that an agent has from now on, and under which claim."""

    claim_id: int
    agent_id: int
    job_id: str
    workflow_id: str
    step_type: str
    capability: str
    input: dict[str, Any]
    media: list[Any]
    resources: list[Any]
    slots: list[str]
    allow_mature: bool
    attempt: int
    expires_at: datetime | None
    leased_until: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of asking: jobs, and what the operators want of each agent that asked."""

    jobs: list[ClaimedJob]
    wishes: Mapping[int, Wish]


async def claim(session: AsyncSession, free: Mapping[int, int], *, settings: AgentRules) -> Taken:
    """Take up to `free[agent]` jobs for every agent that asks, fewer when it has fewer slots left.

    Nothing is waited for: jobs that somebody else is about to take are passed over. Agents that are revoked, or never
    registered, get nothing and are not among the wishes.
    """
    asking, wishes = await _asking(session, free)
    taken: list[ClaimedJob] = []
    for _ in range(TRIES):
        if not asking or len(taken) >= MOST_AT_ONCE:
            break
        pairs = await _matched(session, asking, settings)
        if not pairs:
            break
        got = await _take(session, pairs, settings)
        taken += got
        if len(got) == len(pairs):
            break
        _give_room_back(asking, pairs, got)
    if any(one.free > 0 for one in asking):
        taken += await _join_races(session, asking, settings)
    return Taken(taken, wishes)


_ANYTHING: Final = sql.statements("civitas.domains.orchestration.dispatch", FILE)["anything"]


async def anything(reads: ReadPool) -> bool:
    """Whether any job waits for an agent at all."""
    return bool((await reads.fetch(_ANYTHING))[0][0])


async def _asking(session: AsyncSession, free: Mapping[int, int]) -> tuple[list[Asking], dict[int, Wish]]:
    rows = await run(session, FILE, "asking", agents=list(free))
    wishes = {agent: Wish(wish) for agent, wish, *_ in rows}
    asking = [
        Asking(agent, min(free[agent], room), Offers(capabilities), rates or {})
        for agent, wish, room, capabilities, rates in rows
        if wish == Wish.WORK and room > 0 and capabilities
    ]
    return asking, wishes


def _patience(settings: AgentRules) -> Patience:
    return Patience(settings.hold_s, settings.overdue_s, settings.second_chance_s)


def _offered(asking: Sequence[Asking]) -> dict[str, Any]:
    names = frozenset[str]().union(*(one.offers.names for one in asking))
    families = frozenset[str]().union(*(one.offers.families for one in asking))
    room = sum(one.free for one in asking)
    return {
        "names": sorted(names),
        "families": sorted(families),
        "most": min(MOST_LOOK, max(LEAST_LOOK, LOOK_AHEAD * room)),
        "now": clock.now(),
    }


async def _matched(session: AsyncSession, asking: list[Asking], settings: AgentRules) -> list[Pair]:
    rows = await run(session, FILE, "waiting", **_offered(asking))
    waiting = [_waiting(row) for row in rows]
    busy = await _busy(session, asking, waiting, settings)
    return matching.choose(
        asking,
        waiting,
        now=clock.now(),
        patience=_patience(settings),
        busy=lambda agent, capability: agent in busy and capability in busy[agent],
    )[:MOST_AT_ONCE]


def _waiting(row: tuple[Any, ...]) -> Waiting:
    id, capability, place, created_at, digests, refused, here, rejected = row
    return Waiting(
        id,
        capability,
        place,
        created_at,
        files=len(digests),
        here={int(agent): files for agent, files in here.items()} if here else {},
        refused=frozenset(refused) - frozenset(rejected or ()),
        rejected=frozenset(rejected or ()),
    )


async def _busy(
    session: AsyncSession, asking: Sequence[Asking], waiting: Sequence[Waiting], settings: AgentRules
) -> dict[int, Offers]:
    """Living agents that do not ask and have all files of a job that waits."""
    known = {one.agent_id for one in asking}
    holders = {agent for job in waiting for agent in job.here if agent not in known and job.whole_with(agent)}
    if not holders:
        return {}
    since = clock.now() - timedelta(seconds=settings.lease_s)
    rows = await run(session, FILE, "elsewhere", agents=sorted(holders), since=since)
    return {agent: Offers(capabilities) for agent, capabilities in rows}


async def _take(session: AsyncSession, pairs: Sequence[Pair], settings: AgentRules) -> list[ClaimedJob]:
    return await _claimed(session, "take", pairs, settings)


async def _claimed(
    session: AsyncSession, name: str, pairs: Sequence[Pair], settings: AgentRules
) -> list[ClaimedJob]:
    now = clock.now()
    until = now + leases.lease(settings)
    jobs, agents = [job for job, _ in pairs], [agent for _, agent in pairs]
    rows = await run(session, FILE, name, jobs=jobs, agents=agents, now=now, until=until)
    return [ClaimedJob(*row) for row in rows]


def _give_room_back(asking: Sequence[Asking], pairs: Sequence[Pair], got: Sequence[ClaimedJob]) -> None:
    had = {job.job_id for job in got}
    by_id = {one.agent_id: one for one in asking}
    for job, agent in pairs:
        if job not in had:
            by_id[agent].free += 1


async def _join_races(
    session: AsyncSession, asking: Sequence[Asking], settings: AgentRules
) -> list[ClaimedJob]:
    """Let agents with room run what others run already, where a race was asked for."""
    rows = await run(session, FILE, "racing", **_offered(asking))
    if not rows:
        return []
    pairs = matching.choose(
        asking,
        [_waiting(row) for row in rows],
        now=clock.now(),
        patience=_patience(settings),
        busy=lambda *_: False,
    )
    if not pairs:
        return []
    locked = {row[0] for row in await run(session, FILE, "lock_racing", jobs=[job for job, _ in pairs])}
    # The number of racers is counted anew now that nobody else can join.
    return await _claimed(session, "join_race", [pair for pair in pairs if pair[0] in locked], settings)
