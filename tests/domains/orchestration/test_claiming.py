"""Claims: who gets what, each job once, whoever else asks at the same moment."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.orchestration import digest_of, make_agent, make_job

from civitas.contracts.agent_rules import AgentRules
from civitas.contracts.wire.agents import Registration
from civitas.contracts.wire.jobs import Succeeded
from civitas.domains.orchestration.agent_tables import AgentRate
from civitas.domains.orchestration.dispatch import agents as agents_module
from civitas.domains.orchestration.dispatch import claiming, leases, reporting
from civitas.domains.orchestration.dispatch.claiming import ClaimedJob
from civitas.domains.orchestration.tables import Job, JobClaim
from civitas.domains.orchestration.types import ClaimState
from civitas.infra.db.database import Database
from civitas.kit import clock

RULES = AgentRules()


async def claim(session: AsyncSession, **free: int) -> list[ClaimedJob]:
    return (await claiming.claim(session, {int(a[1:]): n for a, n in free.items()}, settings=RULES)).jobs


async def test_a_claim_says_everything_an_agent_needs(session: AsyncSession) -> None:
    agent = await make_agent(session, "convertImage")
    job = await make_job(
        session, input={"image": "media:0"}, media=[{"blob": "b1"}], slots=["b2"], allow_mature=False
    )
    (got,) = await claim(session, **{f"a{agent.id}": 5})
    assert (got.job_id, got.agent_id, got.step_type) == (job, agent.id, "convertImage")
    assert (got.input, got.media, got.slots, got.allow_mature, got.attempt) == (
        {"image": "media:0"}, [{"blob": "b1"}], ["b2"], False, 1,
    )  # fmt: skip
    row = (await session.execute(select(Job.status, Job.agent_id).where(Job.id == job))).one()
    assert tuple(row) == ("scheduled", agent.id)
    held = (await session.scalars(select(JobClaim).where(JobClaim.id == got.claim_id))).one()
    assert (held.state, held.job_id) == ("open", job)
    assert (
        held.leased_until - held.claimed_at == leases.lease(RULES) and held.leased_until == got.leased_until
    )


async def test_no_agent_gets_more_than_its_slots(session: AsyncSession) -> None:
    agent = await make_agent(session, slots=2)
    for _ in range(4):
        await make_job(session)
    assert len(await claim(session, **{f"a{agent.id}": 50})) == 2
    assert await claim(session, **{f"a{agent.id}": 50}) == []


async def test_places_and_capabilities(session: AsyncSession) -> None:
    agent = await make_agent(session, "convertImage", "textToImage/*", slots=10)
    later = await make_job(session, place=50)
    first = await make_job(session, "textToImage/flux", place=-10)
    await make_job(session, "transcode", place=-20)
    await make_job(session, place=-30, expires_at=clock.now() - timedelta(seconds=1))
    assert [one.job_id for one in await claim(session, **{f"a{agent.id}": 1})] == [first]
    assert [one.job_id for one in await claim(session, **{f"a{agent.id}": 5})] == [later]


async def test_files_at_hand_are_found_by_digest(session: AsyncSession) -> None:
    without = await make_agent(session, "textToImage/sd1")
    holder = await make_agent(session, "textToImage/sd1", resources=[digest_of("base"), digest_of("lora")])
    job = await make_job(session, "textToImage/sd1", digests=[digest_of("base"), digest_of("lora")])
    got = await claim(session, **{f"a{without.id}": 1, f"a{holder.id}": 1})
    assert [(one.job_id, one.agent_id) for one in got] == [(job, holder.id)]
    # Now the holder is busy: the next one waits for it a moment, then goes to whoever asks.
    held = await make_job(session, "textToImage/sd1", digests=[digest_of("base")])
    assert await claim(session, **{f"a{without.id}": 1}) == []
    await session.execute(
        update(Job).where(Job.id == held).values(created_at=clock.now() - timedelta(seconds=RULES.hold_s + 1))
    )
    assert [one.job_id for one in await claim(session, **{f"a{without.id}": 1})] == [held]


async def test_measured_speed_and_failures_count(session: AsyncSession) -> None:
    slow, fast = await make_agent(session), await make_agent(session)
    for agent, speed in ((slow, 1.0), (fast, 5.0)):
        session.add(
            AgentRate(
                agent_id=agent.id, capability="convertImage", speed=speed, failure=0.0, succeeded=3, failed=0
            )
        )
    await session.flush()
    await make_job(session)
    (got,) = await claim(session, **{f"a{slow.id}": 1, f"a{fast.id}": 1})
    assert got.agent_id == fast.id


async def test_what_was_rejected_goes_to_others_only(session: AsyncSession) -> None:
    one, two = await make_agent(session), await make_agent(session)
    job = await make_job(session, waited_s=100)
    (got,) = await claim(session, **{f"a{one.id}": 1})
    back = await leases.give_back(
        session, agent_id=one.id, claims=[got.claim_id], state=ClaimState.REJECTED, reason="no"
    )
    assert back == [job]
    assert await claim(session, **{f"a{one.id}": 1}) == []
    assert [again.job_id for again in await claim(session, **{f"a{two.id}": 1})] == [job]


async def test_racers_run_the_same_job(session: AsyncSession) -> None:
    agents = [await make_agent(session, slots=3) for _ in range(3)]
    job = await make_job(session, racers=2)
    got = [await claim(session, **{f"a{agent.id}": 3}) for agent in agents]
    assert [len(one) for one in got] == [1, 1, 0]
    assert {one.job_id for ours in got for one in ours} == {job}
    assert len({one.claim_id for ours in got for one in ours}) == 2
    # The first falls silent: another may join, the one who runs it is not asked again.
    await leases.give_up(session, agent_id=agents[0].id, reason="test")
    assert await session.scalar(select(Job.status).where(Job.id == job)) == "scheduled"
    assert await claim(session, **{f"a{agents[1].id}": 3}) == []
    assert [one.job_id for one in await claim(session, **{f"a{agents[2].id}": 3})] == [job]


async def test_a_revoked_or_unknown_agent_gets_nothing(session: AsyncSession) -> None:
    await make_job(session)
    taken = await claiming.claim(session, {10**12: 1}, settings=RULES)
    assert not taken.jobs and not taken.wishes


async def test_many_processes_take_every_job_once(own_dsn: str) -> None:
    database = Database(own_dsn)
    async with database.unit() as session:
        agents = [await make_agent(session, slots=200) for _ in range(8)]
        jobs = {await make_job(session) for _ in range(300)}

    async def greedy(agent: int) -> list[str]:
        got: list[str] = []
        for _ in range(40):
            async with database.unit() as session:
                taken = await claiming.claim(session, {agent: 7}, settings=RULES)
            got += [one.job_id for one in taken.jobs]
        return got

    got = [job for ours in await asyncio.gather(*(greedy(agent.id) for agent in agents)) for job in ours]
    assert len(got) == len(set(got)) == 300 and set(got) == jobs
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(JobClaim)) == 300
    await database.close()


async def test_of_results_at_the_same_moment_one_wins(own_dsn: str) -> None:
    database = Database(own_dsn)
    async with database.unit() as session:
        agents = [await make_agent(session) for _ in range(6)]
        job = await make_job(session, "promptEnhancement", racers=6)
        for agent in agents:
            await agents_module.register(
                session,
                agent.id,
                said=Registration(name="racer", capabilities=["promptEnhancement"], slots=1),
                settings=RULES,
            )
    claims = []
    for agent in agents:
        async with database.unit() as session:
            claims += await claim(session, **{f"a{agent.id}": 1})
    assert len(claims) == 6

    async def deliver(got: ClaimedJob) -> bool:
        said = Succeeded(output={"by": got.agent_id}, seconds=0.1)
        try:
            async with database.unit() as session:
                await reporting.succeeded(session, agent_id=got.agent_id, claim_id=got.claim_id, said=said)
        except reporting.ClaimEnded:
            return False
        return True

    won = await asyncio.gather(*(deliver(got) for got in claims for _ in range(2)))
    assert sum(won) == 1
    async with database.reading() as session:
        states = sorted(await session.scalars(select(JobClaim.state)))
        assert states == ["lost"] * 5 + ["won"]
        assert await session.scalar(select(Job.status).where(Job.id == job)) == "succeeded"
    await database.close()
