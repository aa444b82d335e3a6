"""Many at once on the same workflows: one answer, one charge, no deadlock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from sqlalchemy import select
from tests.factories.accounts import make_person
from tests.factories.workflows import draw, make_air, purse, run, step, submitter, succeed, waiting

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.ledger import auditing
from civitas.domains.orchestration import advancing, cancelling, job_ends
from civitas.domains.orchestration.errors import Ended, QueueFull
from civitas.domains.orchestration.tables import Job, Workflow
from civitas.domains.orchestration.templates import Tips
from civitas.domains.orchestration.types import Status
from civitas.infra.db.database import Database

TIPS = Tips(Decimal(0), Decimal("0.25"))


@pytest.fixture
async def own(own_dsn: str) -> AsyncIterator[Database]:
    database = Database(own_dsn)
    yield database
    await database.close()


async def test_results_cancels_and_replays_at_once_end_a_workflow_once(own: Database) -> None:
    for round in range(8):
        async with own.unit() as session:
            actor = await submitter(session, yellow=100)
            template = await draw(session, await make_person(session), quantity=4, seed=round)
            id = await run(session, actor, template, tips=TIPS)
        async with own.unit() as session:
            jobs = await waiting(session, id)

        async def end(job: Job) -> None:
            async with own.unit() as session:
                await succeed(session, job)

        async def lose(job: Job) -> None:
            async with own.unit() as session:
                await job_ends.job_failed(
                    session, job_id=job.id, reason="lost", blocked_reason=None, transient=True, agent_id=1
                )

        async def stop(actor: Actor = actor, id: str = id) -> None:
            async with own.unit() as session:
                await cancelling.cancel(session, actor, id)

        async def again(id: str = id) -> None:
            async with own.unit() as session:
                await advancing.advance(session, id)

        done = await asyncio.gather(
            *(end(job) for job in jobs),
            *(lose(job) for job in jobs[:2]),
            again(),
            stop(),
            *(end(job) for job in jobs),
            return_exceptions=True,
        )
        assert all(one is None or isinstance(one, Ended) for one in done), done
        async with own.unit() as session:
            workflow = await session.get(Workflow, id)
            assert workflow is not None and Status(workflow.status).final
            good = await session.scalars(
                select(Job.id).where(Job.workflow_id == id, Job.status == Status.SUCCEEDED)
            )
            # Eight Buzz an image, and a quarter of it as a tip to the creator.
            assert workflow.captured == len(good.all()) * 40
            assert await purse(session, actor) == {"yellow": 100 - workflow.captured / 4}
            assert (await auditing.audit(session)).sound


async def test_one_external_id_is_one_workflow(own: Database) -> None:
    async with own.unit() as session:
        actor = await submitter(session, yellow=100)
        air, _ = await make_air(session)

    async def submit(seed: int) -> str:
        given = {"model": air, "prompt": "x", "seed": seed, "steps": 20, "width": 1024, "height": 1024}
        async with own.unit() as session:
            return await run(session, actor, step("textToImage", given), external_id="only-once", tips=TIPS)

    ids = await asyncio.gather(*(submit(seed) for seed in range(8)))
    assert len(set(ids)) == 1
    async with own.unit() as session:
        assert await purse(session, actor) == {"yellow": 90}


async def test_no_more_than_the_limit_come_in_at_once(own: Database) -> None:
    async with own.unit() as session:
        actor = await submitter(session)

    async def submit(number: int) -> str:
        async with own.unit() as session:
            return await run(
                session, actor, step("promptEnhancement", {"ecosystem": "x", "prompt": str(number)})
            )

    done = await asyncio.gather(*(submit(number) for number in range(10)), return_exceptions=True)
    assert sum(isinstance(one, str) for one in done) == 4
    assert all(isinstance(one, str | QueueFull) for one in done)
