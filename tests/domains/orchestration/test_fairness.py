"""Per-user fairness: whoever asks for a thousand jobs does not starve whoever asks for one."""

from __future__ import annotations

from collections import Counter

from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.buzz import give_buzz
from tests.factories.orchestration import MadeAgent, make_agent
from tests.factories.workflows import run, step, submitter

from civitas.contracts.agent_rules import AgentRules
from civitas.domains.accounts.types import Actor, Role
from civitas.domains.buzz.types import Currency
from civitas.domains.orchestration.dispatch import claiming
from civitas.domains.orchestration.tables import Workflow
from civitas.domains.orchestration.templates import StepTemplate

KIND = "promptEnhancement"
RULES = AgentRules()


async def many(session: AsyncSession, count: int) -> Actor:
    """Somebody who has so many jobs in the queue, in workflows of a hundred; staff, whose queue has no end."""
    person = await make_person(session)
    await give_buzz(session, person, 1_000_000, Currency.YELLOW)
    actor = actor_for(person, role=Role.MODERATOR)
    for workflow in range(count // 100):
        await run(session, actor, *(asked(f"{workflow}, {number}") for number in range(100)))
    return actor


def asked(prompt: str) -> StepTemplate:
    return step(KIND, {"ecosystem": "sd1", "prompt": prompt})


async def claimed(session: AsyncSession, agent: MadeAgent, count: int) -> list[int]:
    """Whose the next jobs are, in no order."""
    taken = await claiming.claim(session, {agent.id: count}, settings=RULES)
    assert len(taken.jobs) == count
    return [(await session.get_one(Workflow, job.workflow_id)).person_id for job in taken.jobs]


async def test_a_thousand_jobs_of_one_do_not_starve_the_one_job_of_another(session: AsyncSession) -> None:
    agent = await make_agent(session, KIND, slots=256)
    busy = await many(session, 1_000)
    first = await submitter(session)
    await run(session, first, asked("before anything was claimed"))
    assert Counter(await claimed(session, agent, 2)) == {busy.id: 1, first.id: 1}
    await claimed(session, agent, 100)
    later = await submitter(session)
    await run(session, later, asked("in the middle"))
    assert Counter(await claimed(session, agent, 2)) == {busy.id: 1, later.id: 1}
    # Nobody else waits: all the rest is theirs.
    assert set(await claimed(session, agent, 100)) == {busy.id}


async def test_two_who_ask_for_much_are_served_in_turn(session: AsyncSession) -> None:
    agent = await make_agent(session, KIND, slots=256)
    one, other = await many(session, 300), await many(session, 300)
    shares = Counter(await claimed(session, agent, 100))
    assert shares[one.id or 0] + shares[other.id or 0] == 100
    assert abs(shares[one.id or 0] - shares[other.id or 0]) <= 2
