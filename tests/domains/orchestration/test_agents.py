"""Agents: tokens, what they say of themselves, what operators want of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.orchestration import digest_of, make_agent, make_job

from civitas.contracts.agent_rules import AgentRules
from civitas.contracts.wire.agents import Heartbeat, Registration, Wish
from civitas.domains.accounts.types import SYSTEM, Role
from civitas.domains.orchestration.agent_tables import Agent, AgentResource
from civitas.domains.orchestration.dispatch import agents, claiming
from civitas.domains.orchestration.tables import Job, JobClaim
from civitas.infra.db.readpool import BoundReads
from civitas.kit import clock
from civitas.kit.errors import Forbidden, Invalid, NotFound, Unauthorised

RULES = AgentRules()


async def reads_of(connection: AsyncConnection) -> BoundReads:
    return BoundReads(cast(Any, (await connection.get_raw_connection()).driver_connection))


async def test_a_token_is_kept_as_its_digest_only(session: AsyncSession, connection: AsyncConnection) -> None:
    number, token = await agents.make(session, SYSTEM, name="  The  big box ")
    row = (await session.scalars(select(Agent).where(Agent.id == number))).one()
    assert token.startswith("civa_") and row.name == "The big box"
    assert token.encode() not in row.token_hash and row.token_prefix == token[:11]
    assert (await agents.by_token(await reads_of(connection), token)).id == number


@pytest.mark.parametrize(
    "token", ["", "civa_", "civa_nothing", "civitas_0000", "civa_" + "x" * 300, "civa_\x00"]
)
async def test_other_tokens_are_refused(connection: AsyncConnection, token: str) -> None:
    with pytest.raises(Unauthorised):
        await agents.by_token(await reads_of(connection), token)


async def test_only_administrators_make_agents(session: AsyncSession) -> None:
    moderator = actor_for(await make_person(session), role=Role.MODERATOR)
    with pytest.raises(Forbidden):
        await agents.make(session, moderator, name="mine")
    with pytest.raises(Invalid):
        await agents.make(session, SYSTEM, name=" \u202e ")
    with pytest.raises(Invalid):
        await agents.make(session, SYSTEM, name="short", token="civa_short")


async def test_registering_again_replaces_what_was_said_and_gives_back_what_was_claimed(
    session: AsyncSession,
) -> None:
    agent = await make_agent(session, "convertImage", resources=[digest_of("a"), digest_of("b")], slots=2)
    job = await make_job(session)
    taken = await claiming.claim(session, {agent.id: 2}, settings=RULES)
    assert [one.job_id for one in taken.jobs] == [job]
    said = Registration(
        name="new life",
        capabilities=["transcode", "transcode"],
        resources=[digest_of("b"), "nonsense"],
        slots=3,
    )
    registered = await agents.register(session, agent.id, said=said, settings=RULES)
    assert registered.lease_s >= 3 * registered.heartbeat_s
    files = await session.scalars(select(AgentResource.digest).where(AgentResource.agent_id == agent.id))
    assert list(files) == [digest_of("b")]
    status = (await session.execute(select(Job.status, Job.agent_id).where(Job.id == job))).one()
    assert tuple(status) == ("unassigned", None)
    (claim,) = await session.scalars(select(JobClaim.state).where(JobClaim.job_id == job))
    assert claim == "expired"
    entry = next(one for one in await agents.listed(session, SYSTEM) if one.id == agent.id)
    assert (entry.name, entry.capabilities, entry.slots, entry.resources, entry.running) == (
        "new life", ["transcode"], 3, 1, 0,
    )  # fmt: skip


@pytest.mark.parametrize("wrong", ["", "*", "text*", "a/*/b", "x" * 130])
async def test_what_is_no_capability_is_refused(session: AsyncSession, wrong: str) -> None:
    with pytest.raises(Invalid) as refused:
        await make_agent(session, "convertImage", wrong)
    assert refused.value.code == "bad_capability"


async def test_another_protocol_is_refused(session: AsyncSession) -> None:
    agent = await make_agent(session)
    with pytest.raises(Invalid) as refused:
        await agents.register(
            session, agent.id, said=Registration(name="n", capabilities=["a"], protocol=99), settings=RULES
        )
    assert refused.value.code == "wrong_protocol"


async def test_a_heartbeat_renews_leases_and_tells_of_lost_claims(session: AsyncSession) -> None:
    agent, other = await make_agent(session, slots=2), await make_agent(session)
    await make_job(session)
    (mine,) = (await claiming.claim(session, {agent.id: 1}, settings=RULES)).jobs
    await make_job(session)
    (theirs,) = (await claiming.claim(session, {other.id: 1}, settings=RULES)).jobs
    with clock.held_at(clock.now() + timedelta(seconds=20)):
        beat = await agents.beat(
            session,
            agent.id,
            said=Heartbeat(claims=[mine.claim_id, theirs.claim_id, 10**12], resources=[digest_of("x")]),
            settings=RULES,
        )
    assert beat.lost == [theirs.claim_id, 10**12] and beat.wish is Wish.WORK
    rows = await session.execute(select(JobClaim.id, JobClaim.leased_until))
    until = {row.id: row.leased_until for row in rows}
    assert until[mine.claim_id] > until[theirs.claim_id]
    files = await session.scalars(select(AgentResource.digest).where(AgentResource.agent_id == agent.id))
    assert list(files) == [digest_of("x")]


async def test_operators_pause_drain_and_revoke(session: AsyncSession, connection: AsyncConnection) -> None:
    agent = await make_agent(session)
    job = await make_job(session)
    moderator = actor_for(await make_person(session), role=Role.MODERATOR)
    await agents.want(session, moderator, agent_id=agent.id, wish=Wish.PAUSE)
    taken = await claiming.claim(session, {agent.id: 1}, settings=RULES)
    assert not taken.jobs and taken.wishes == {agent.id: Wish.PAUSE}
    await agents.want(session, moderator, agent_id=agent.id, wish=Wish.WORK)
    assert (await claiming.claim(session, {agent.id: 1}, settings=RULES)).jobs
    with pytest.raises(Forbidden):
        await agents.revoke(session, moderator, agent_id=agent.id)
    await agents.revoke(session, SYSTEM, agent_id=agent.id)
    assert await session.scalar(select(Job.status).where(Job.id == job)) == "unassigned"
    taken = await claiming.claim(session, {agent.id: 1}, settings=RULES)
    assert not taken.jobs and not taken.wishes
    with pytest.raises(Unauthorised):
        await agents.by_token(await reads_of(connection), agent.token)
    for again in (agents.revoke(session, SYSTEM, agent_id=agent.id),
                  agents.want(session, SYSTEM, agent_id=agent.id, wish=Wish.WORK)):  # fmt: skip
        with pytest.raises(NotFound):
            await again
    with pytest.raises(Forbidden):
        await agents.listed(session, actor_for(await make_person(session)))
    assert agent.id in {one.id for one in await agents.listed(session, moderator, revoked=True)}


async def test_silence_is_seen(session: AsyncSession) -> None:
    agent = await make_agent(session)
    await session.execute(
        update(Agent).where(Agent.id == agent.id).values(seen_at=clock.now() - timedelta(minutes=5))
    )
    (entry,) = [one for one in await agents.listed(session, SYSTEM) if one.id == agent.id]
    assert not entry.alive(RULES)
