"""Leases: claims live as long as their agents are heard of; then the jobs are somebody else's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.agent_rules import AgentRules
from civitas.domains.orchestration.dispatch.statements import run
from civitas.domains.orchestration.types import ClaimState
from civitas.kit import clock

FILE: Final = "leases.sql"
SILENT: Final = "the agent fell silent"
BATCH: Final = 200
# So many agents fell silent over a job: it is taken to be the job's doing.
MOST_LAPSES: Final = 5


def lease(settings: AgentRules) -> timedelta:
    """How long a claim lives without a word: three heartbeats at least."""
    return timedelta(seconds=max(settings.lease_s, 3 * settings.heartbeat_s))


async def renew(
    session: AsyncSession, *, agent_id: int, claims: Sequence[int], settings: AgentRules
) -> set[int]:
    """Let open claims live on; which of them they were. The others are lost to this agent."""
    if not claims:
        return set()
    until = clock.now() + lease(settings)
    rows = await run(session, FILE, "renew", claims=list(claims), agent=agent_id, until=until)
    return {row[0] for row in rows}


async def give_up(session: AsyncSession, *, agent_id: int, reason: str) -> int:
    """Put everything that an agent has claimed back into the queue; how many claims ended."""
    jobs = [row[0] for row in await run(session, FILE, "lock_of_agent", agent=agent_id)]
    if not jobs:
        return 0
    ended = await run(
        session,
        FILE,
        "end_of_agent",
        jobs=jobs,
        agent=agent_id,
        state=ClaimState.EXPIRED.value,
        reason=reason,
        now=clock.now(),
    )
    await run(session, FILE, "requeue", jobs=jobs)
    return len(ended)


async def give_back(
    session: AsyncSession, *, agent_id: int, claims: Sequence[int], state: ClaimState, reason: str
) -> list[str]:
    """Put open claims of an agent back into the queue; the jobs. What it rejects it does not get again."""
    found = await run(session, FILE, "lock_of_claims", claims=list(claims), agent=agent_id)
    jobs = [row[0] for row in found]
    if not jobs:
        return []
    ended = await run(
        session,
        FILE,
        "end_claims",
        jobs=jobs,
        claims=list(claims),
        state=state.value,
        reason=reason,
        now=clock.now(),
    )
    if state is not ClaimState.EXPIRED:
        await _refuse(session, ended)
    await run(session, FILE, "requeue", jobs=jobs)
    return [job for job, _ in ended]


async def expire(session: AsyncSession) -> list[tuple[str, int]]:
    """End what is past its lease, a batch at a time; jobs go back to the queue, other agents first.

    Returns jobs that too many agents fell silent over, each with the last of these agents: the caller fails them.
    """
    now = clock.now()
    jobs = [row[0] for row in await run(session, FILE, "lock_lapsed", now=now, most=BATCH)]
    if not jobs:
        return []
    ended = await run(session, FILE, "end_lapsed", jobs=jobs, now=now, reason=SILENT)
    await _refuse(session, ended)
    await run(session, FILE, "requeue", jobs=jobs)
    worn = await run(session, FILE, "worn_out", jobs=jobs, reason=SILENT, most=MOST_LAPSES)
    return [(job, agent) for job, agent in worn]


async def _refuse(session: AsyncSession, ended: Sequence[tuple[object, ...]]) -> None:
    if ended:
        await run(session, FILE, "refuse", jobs=[row[0] for row in ended], agents=[row[1] for row in ended])
