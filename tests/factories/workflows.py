"""Workflows for tests."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.buzz import give_buzz
from tests.factories.catalog import make_published_model

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.types import COLOURS, Currency, wallet
from civitas.domains.orchestration import job_ends, queries, submitting
from civitas.domains.orchestration.shown import ShownStep, ShownWorkflow
from civitas.domains.orchestration.tables import Job
from civitas.domains.orchestration.templates import StepTemplate, Template
from civitas.domains.orchestration.types import Status


def step(type: str, input: dict[str, Any], name: str | None = None, **fields: Any) -> StepTemplate:
    """A step of a template."""
    return StepTemplate(type, input, name, **fields)


def echo(message: Any, name: str | None = None) -> StepTemplate:
    """A step that answers with its message."""
    return step("echo", {"message": message}, name)


def ref(source: str, path: str) -> dict[str, Any]:
    """A reference."""
    return {"$ref": source, "path": path}


async def submitter(session: AsyncSession, **purses: int) -> Actor:
    """Somebody who submits, with so much Buzz by colour; ten thousand yellow unless said otherwise."""
    person = await make_person(session)
    for colour, buzz in (purses or {"yellow": 10_000}).items():
        await give_buzz(session, person, buzz, Currency(colour))
    return actor_for(person)


async def purse(session: AsyncSession, actor: Actor) -> dict[str, float]:
    """What somebody may spend, in Buzz by colour; colours of which they have nothing are left out."""
    found = await posting.balances(session, [wallet(actor.id or 0, colour) for colour in COLOURS])
    return {account.currency.value: amount / 4 for account, amount in found.items() if amount}


async def make_air(
    session: AsyncSession,
    owner: int | None = None,
    *,
    family: str = "sdxl",
    type: str = "Checkpoint",
    **model: Any,
) -> tuple[str, int]:
    """A published model with a clean file: the AIR of its version, and its id."""
    model_id, [version] = await make_published_model(session, owner, type=type, **model)
    word = "checkpoint" if type == "Checkpoint" else "lora"
    return f"urn:air:{family}:{word}:civitai:{model_id}@{version}", version


async def draw(
    session: AsyncSession, owner: int | None = None, name: str | None = None, **input: Any
) -> StepTemplate:
    """A step that draws with a model of somebody's; 8 Buzz an image."""
    air, _ = await make_air(session, owner)
    given = {
        "model": air, "prompt": "a cat", "seed": 7, "cfgScale": 7, "steps": 20, "width": 1024, "height": 1024,
    }  # fmt: skip
    return step("textToImage", {**given, **input}, name)


async def run(session: AsyncSession, actor: Actor, *steps: StepTemplate, **fields: Any) -> str:
    """Submit a workflow of these steps."""
    return await submitting.submit(session, actor, Template(steps, **fields))


async def look(session: AsyncSession, actor: Actor, workflow_id: str) -> ShownWorkflow:
    """How a workflow stands."""
    return await queries.shown(session, actor, workflow_id)


async def look_step(session: AsyncSession, actor: Actor, workflow_id: str, name: str) -> ShownStep:
    """How a step of it stands."""
    return await queries.shown_step(session, actor, workflow_id, name)


async def waiting(session: AsyncSession, workflow_id: str) -> list[Job]:
    """Its open jobs, in the order in which they were made."""
    return list(
        await session.scalars(
            select(Job)
            .where(Job.workflow_id == workflow_id, Job.status == Status.UNASSIGNED)
            .order_by(Job.step_id, Job.number)
            .execution_options(populate_existing=True)
        )
    )


async def succeed(session: AsyncSession, job: Job, output: dict[str, Any] | None = None) -> None:
    """An agent's result; unless another is given, one image in every slot."""
    said = output if output is not None else {"images": [{"$blob": place} for place in range(len(job.slots))]}
    await job_ends.job_succeeded(session, job_id=job.id, output=said, blobs=list(job.slots), warnings=[])


async def fail(
    session: AsyncSession, job: Job, reason: str = "it broke", *, transient: bool = False, agent_id: int = 0
) -> None:
    """An agent's failure."""
    await job_ends.job_failed(
        session, job_id=job.id, reason=reason, blocked_reason=None, transient=transient, agent_id=agent_id
    )
