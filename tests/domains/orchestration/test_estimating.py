"""What those who wait are told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.orchestration import make_agent, make_job

from civitas.contracts.agent_rules import AgentRules
from civitas.domains.orchestration.agent_tables import Agent, AgentRate
from civitas.domains.orchestration.dispatch import estimating
from civitas.domains.orchestration.dispatch.estimating import Outlook, Support
from civitas.kit import clock

RULES = AgentRules()
KIND = "videoGen/estimated"


async def outlook(session: AsyncSession, job: str) -> Outlook:
    return (await estimating.outlooks(session, [job], rules=RULES))[job]


async def measured(session: AsyncSession, agent: int, speed: float) -> None:
    session.add(AgentRate(agent_id=agent, capability=KIND, speed=speed, failure=0.0, succeeded=1, failed=0))
    await session.flush()


async def test_support(session: AsyncSession) -> None:
    job = await make_job(session, KIND)
    assert (await outlook(session, job)).support is Support.UNSUPPORTED
    agent = await make_agent(session, "videoGen/*")
    assert (await outlook(session, job)).support is Support.AVAILABLE
    long_ago = clock.now() - timedelta(hours=1)
    await session.execute(update(Agent).where(Agent.id == agent.id).values(seen_at=long_ago))
    assert (await outlook(session, job)).support is Support.UNAVAILABLE


async def test_place_in_the_queue_and_when_it_begins(session: AsyncSession) -> None:
    agent = await make_agent(session, KIND, slots=2)
    last = await make_job(session, KIND, place=10, complexity=4)
    for place in (1, 2, 3):
        await make_job(session, KIND, place=place, complexity=8)
    await make_job(session, KIND, place=11)
    await make_job(session, "videoGen/other", place=1)
    found = await outlook(session, last)
    assert (found.preceding, found.start_at, found.progress) == (3, None, None)
    await measured(session, agent.id, 2.0)
    now = clock.now()
    with clock.held_at(now):
        found = await outlook(session, last)
    # 24 of work ahead, done at 2 a second in two slots; then 4 at 2 a second.
    assert found.start_at == now + timedelta(seconds=6)
    assert found.complete_at == now + timedelta(seconds=8)


@pytest.mark.parametrize(("seconds", "told"), [(1, 0.2), (-5, 0.0), (500, 0.99)])
async def test_progress_by_throughput_where_nothing_is_told(
    session: AsyncSession, seconds: float, told: float
) -> None:
    agent = await make_agent(session, KIND)
    await measured(session, agent.id, 2.0)
    now = clock.now()
    job = await make_job(
        session,
        KIND,
        complexity=10,
        status="processing",
        agent_id=agent.id,
        started_at=now - timedelta(seconds=seconds),
    )
    with clock.held_at(now):
        found = await outlook(session, job)
        assert found.progress == pytest.approx(told) and found.preceding is None
        assert found.complete_at == now + timedelta(seconds=5 * (1 - told))


async def test_what_the_agent_says_comes_first(session: AsyncSession) -> None:
    job = await make_job(session, KIND, status="processing", progress=0.7, started_at=clock.now())
    assert (await outlook(session, job)).progress == 0.7
    ended = await make_job(session, KIND, status="failed", completed_at=clock.now())
    assert await estimating.outlooks(session, [ended], rules=RULES) == {}
    assert await estimating.outlooks(session, [], rules=RULES) == {}


async def test_several_jobs_are_counted_in_one_walk_and_none_beyond_the_bound(
    session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await make_agent(session, KIND, slots=1)
    await measured(session, agent.id, 1.0)
    jobs = [await make_job(session, KIND, place=place, complexity=place) for place in (1, 2, 3, 4)]
    other = await make_job(session, "videoGen/other", place=9)
    now = clock.now()
    with clock.held_at(now):
        found = await estimating.outlooks(session, [*reversed(jobs), other], rules=RULES)
        assert [found[job].preceding for job in jobs] == [0, 1, 2, 3]
        assert [found[job].start_at for job in jobs] == [now + timedelta(seconds=n) for n in (0, 1, 3, 6)]
        assert found[other].preceding == 0
        monkeypatch.setattr(estimating, "MOST_AHEAD", 2)
        found = await estimating.outlooks(session, jobs, rules=RULES)
        # As many as were counted, and their work.
        assert [found[job].preceding for job in jobs] == [0, 1, 2, 2]
        assert found[jobs[3]].start_at == now + timedelta(seconds=3)
