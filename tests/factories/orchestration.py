"""Workflows, jobs and agents for tests, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person

from civitas.contracts.agent_rules import AgentRules
from civitas.contracts.wire.agents import Registration
from civitas.domains.accounts.types import SYSTEM
from civitas.domains.orchestration.dispatch import agents
from civitas.domains.orchestration.tables import Job, Workflow, WorkflowStep
from civitas.kit import clock
from civitas.kit.ids import digest

_numbers = count(1)


def digest_of(name: str) -> str:
    """The digest under which a model file of this name would be known."""
    return digest(name).hex().upper()


async def make_workflow(session: AsyncSession, person: int | None = None, **columns: Any) -> str:
    """A workflow without steps; any column can be given."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "id": f"wf_{number:026d}",
        "person_id": person or await make_person(session),
        "fingerprint": digest(f"workflow {number}"),
    }
    made = await session.execute(insert(Workflow).values(**(values | columns)).returning(Workflow.id))
    return str(made.scalar_one())


async def make_step(session: AsyncSession, workflow: str, type: str = "echo", **columns: Any) -> int:
    """A step; any column can be given."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "workflow_id": workflow,
        "position": number,
        "name": f"step{number}",
        "type": type,
        "input": {},
    }
    made = await session.execute(insert(WorkflowStep).values(**(values | columns)).returning(WorkflowStep.id))
    return int(made.scalar_one())


async def make_job(
    session: AsyncSession,
    capability: str = "convertImage",
    *,
    person: int | None = None,
    workflow: str | None = None,
    step: int | None = None,
    waited_s: float = 0,
    **columns: Any,
) -> str:
    """A job that waits, in a workflow of its own unless one is given; any column can be given."""
    number = next(_numbers)
    person = person or await make_person(session)
    workflow = workflow or await make_workflow(session, person)
    step = step or await make_step(session, workflow, capability.partition("/")[0])
    values: dict[str, Any] = {
        "id": f"job_{number:026d}",
        "workflow_id": workflow,
        "step_id": step,
        "person_id": person,
        "number": number,
        "step_type": capability.partition("/")[0],
        "capability": capability,
        "input": {"number": number},
        "place": float(number),
        "created_at": clock.now() - timedelta(seconds=waited_s),
    }
    made = await session.execute(insert(Job).values(**(values | columns)).returning(Job.id))
    return str(made.scalar_one())


@dataclass(frozen=True)
class MadeAgent:
    """A registered agent."""

    id: int
    token: str


async def make_agent(
    session: AsyncSession,
    *capabilities: str,
    resources: Sequence[str] = (),
    slots: int = 1,
    settings: AgentRules | None = None,
) -> MadeAgent:
    """An agent with a token that has just registered."""
    number, token = await agents.make(session, SYSTEM, name=f"agent {next(_numbers)}")
    said = Registration(
        name=f"agent {number}",
        capabilities=list(capabilities) or ["convertImage"],
        resources=list(resources),
        slots=slots,
    )
    await agents.register(session, number, said=said, settings=settings or AgentRules())
    return MadeAgent(number, token)
