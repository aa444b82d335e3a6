"""Random workflows with random ends of jobs, cancels, expiries and replays: what holds whatever happens."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person
from tests.factories.workflows import echo, make_air, ref, run, step, submitter

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.ledger import auditing, posting
from civitas.domains.buzz.types import COLOURS, wallet
from civitas.domains.orchestration import advancing, cancelling, job_ends, maturing, sweeping
from civitas.domains.orchestration.errors import Ended
from civitas.domains.orchestration.kinds import known
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.tables import Job, Workflow, WorkflowStep
from civitas.domains.orchestration.templates import StepTemplate
from civitas.domains.orchestration.types import Status, UpgradeMode
from civitas.infra.db.database import BoundDatabase, Database
from civitas.kit import clock
from civitas.kit.errors import Fault

START = {"blue": 40, "yellow": 120}

kinds_of_step = st.sampled_from(["echo", "draw", "larger", "tags", "words", "loop", "each"])
actions = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "succeed",
                "succeed",
                "succeed",
                "fail",
                "lose",
                "move",
                "cancel",
                "expire",
                "again",
                "allow",
                "replay",
            ]
        ),
        st.integers(0, 9),
    ),
    max_size=25,
)


@st.composite
def workflows(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Steps as words, with the step that each refers to (before it, or none) and a number for their size."""
    count = draw(st.integers(1, 6))
    return [
        (draw(kinds_of_step), draw(st.integers(-1, place - 1)) if place else -1, draw(st.integers(1, 3)))
        for place in range(count)
    ]


def template_of(drawn: list[tuple[str, int, int]], air: str) -> list[StepTemplate]:
    steps: list[StepTemplate] = []
    for place, (word, source, size) in enumerate(drawn):
        name, images = f"s{place}", source >= 0 and drawn[source][0] == "draw"
        said = ref(f"s{source}", "status") if source >= 0 else "nothing"
        picture: Any = ref(f"s{source}", "output.images[0].url") if images else ""
        if word == "draw":
            given = {
                "model": air,
                "prompt": said,
                "seed": place,
                "quantity": size,
                "width": 1024,
                "height": 1024,
            }
            steps.append(step("textToImage", given, name, retries=size - 1))
        elif word == "larger":
            steps.append(step("imageUpscaler", {"image": picture, "numberOfRepeats": size}, name, retries=0))
        elif word == "tags":
            steps.append(step("wdTagging", {"mediaUrl": picture, "prompt": said}, name))
        elif word == "words":
            steps.append(step("promptEnhancement", {"ecosystem": "sdxl", "prompt": said}, name, retries=1))
        elif word == "loop":
            inner = {"$type": "promptEnhancement", "input": {"ecosystem": "sdxl", "prompt": ref("n", "")}}
            steps.append(
                step("repeat", {"for": {**ref("$arguments", f"n{size}"), "as": "n"}, "template": inner}, name)
            )
        elif word == "each" and images:
            inner = {"$type": "imageUpscaler", "retries": 0, "input": {"image": ref("one", "url")}}
            clause = {**ref(f"s{source}", "output.images"), "as": "one"}
            steps.append(step("repeat", {"for": clause, "template": inner}, name))
        else:
            steps.append(echo(said, name))
    return steps


class Story:
    """One workflow, what was seen of it, and the laws."""

    def __init__(self, session: AsyncSession, actor: Actor, id: str) -> None:
        self.session, self.actor, self.id = session, actor, id
        self.ended: dict[Any, str] = {}
        self.last_job: str | None = None

    async def open_jobs(self) -> list[Job]:
        found = await self.session.scalars(
            select(Job)
            .where(Job.workflow_id == self.id, Job.completed_at.is_(None))
            .order_by(Job.step_id, Job.number)
            .execution_options(populate_existing=True)
        )
        return list(found)

    async def act(self, word: str, number: int) -> None:
        jobs = await self.open_jobs()
        job = jobs[number % len(jobs)] if jobs else None
        if word == "cancel" and number == 0:
            with suppress(Ended):
                await cancelling.cancel(self.session, self.actor, self.id)
        elif word == "expire" and number < 2:
            with clock.held_at(clock.now() + timedelta(days=8)):
                await sweeping.expire(self.session, self.id)
        elif word == "again":
            await advancing.advance(self.session, self.id)
        elif word == "allow":
            await maturing.weigh(self.session, self.id)
        elif word == "replay" and self.last_job is not None:
            assert not await job_ends.job_failed(
                self.session,
                job_id=self.last_job,
                reason="late",
                blocked_reason=None,
                transient=True,
                agent_id=1,
            )
        elif job is not None:
            await self.end(job, word, number)

    async def end(self, job: Job, word: str, number: int) -> None:
        if word == "move":
            await job_ends.job_moved(self.session, job_id=job.id, status=Status.PROCESSING, agent_id=1)
            return
        self.last_job = job.id
        if word in ("fail", "lose"):
            await job_ends.job_failed(
                self.session,
                job_id=job.id,
                reason="it broke",
                blocked_reason="not this" if number == 9 else None,
                transient=word == "lose",
                agent_id=number,
            )
            return
        await self.session.execute(
            update(MediaBlob)
            .where(MediaBlob.id.in_(job.slots))
            .values(available_at=clock.now(), size=1, nsfw_level="x" if number == 1 else "pg")
        )
        field = (known(job.step_type).outline or "text").removesuffix("[]")
        blobs = [{"$blob": place} for place in range(len(job.slots))]
        output = {field: blobs if field == "images" else blobs[0] if blobs else "words"}
        await job_ends.job_succeeded(
            self.session, job_id=job.id, output=output, blobs=list(job.slots), warnings=[]
        )

    async def look(self) -> None:
        """The laws that hold at every moment."""
        fresh = {"populate_existing": True}
        workflow = await self.session.get(Workflow, self.id, **fresh)  # type: ignore[arg-type]
        steps = list(
            await self.session.scalars(
                select(WorkflowStep).where(WorkflowStep.workflow_id == self.id).execution_options(**fresh)
            )
        )
        jobs = list(
            await self.session.scalars(
                select(Job).where(Job.workflow_id == self.id).execution_options(**fresh)
            )
        )
        assert workflow is not None
        for row in (workflow, *steps, *jobs):
            key = (type(row).__name__, row.id)
            assert self.ended.get(key, row.status) == row.status, "what has ended stays as it is"
            if Status(row.status).final:
                self.ended[key] = row.status
        by_name = {one.name: one for one in steps}
        for one in steps:
            if one.resolved is not None:
                assert all(by_name[need].status == Status.SUCCEEDED for need in one.needs)
            mine = [job for job in jobs if job.step_id == one.id]
            if Status(one.status).final:
                assert all(Status(job.status).final for job in mine)
            assert one.delivered <= one.price
            assert not mine or sum(job.worth for job in mine if job.attempt == 1) == one.price
        over = all(Status(one.status).final for one in steps)
        assert over == Status(workflow.status).final
        assert 0 <= workflow.captured <= workflow.reserved
        if all(one.delivered == 0 for one in steps):
            assert workflow.captured == 0
        assert (await auditing.audit(self.session)).sound


async def purses(session: AsyncSession, person: int) -> int:
    found = await posting.balances(session, [wallet(person, colour) for colour in COLOURS])
    return sum(found.values())


async def play(
    session: AsyncSession, drawn: list[tuple[str, int, int]], acts: list[tuple[str, int]], automatic: bool
) -> None:
    actor = await submitter(session, **START)
    air, _ = await make_air(session, await make_person(session))
    before = await purses(session, actor.id or 0)
    try:
        id = await run(
            session,
            actor,
            *template_of(drawn, air),
            arguments={f"n{size}": size for size in range(1, 4)},
            upgrade_mode=UpgradeMode.AUTOMATIC if automatic else UpgradeMode.MANUAL,
        )
    except Fault:
        assert await purses(session, actor.id or 0) == before, "what is refused costs nothing"
        return
    story = Story(session, actor, id)
    await story.look()
    for word, number in acts:
        await story.act(word, number)
        await story.look()
    for _ in range(300):
        jobs = await story.open_jobs()
        if not jobs:
            break
        await story.end(jobs[0], "succeed", 0)
    await story.look()
    workflow = await session.get(Workflow, id, populate_existing=True)
    assert workflow is not None and Status(workflow.status).final, "every workflow ends"
    assert await purses(session, actor.id or 0) == before - workflow.captured, "the rest came back"
    moved = sum(amount if kind == "debit" else -amount for kind, _, amount in workflow.transactions)
    assert moved == workflow.captured, "what is told is what was taken"
    await session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))


def test_workflows_end_paid_for_what_they_delivered(own_dsn: str) -> None:
    loop = asyncio.new_event_loop()
    database = Database(own_dsn)

    async def one(drawn: list[tuple[str, int, int]], acts: list[tuple[str, int]], automatic: bool) -> None:
        async with database.engine.connect() as connection:
            transaction = await connection.begin()
            async with BoundDatabase(connection).unit() as session:
                await play(session, drawn, acts, automatic)
            await transaction.rollback()

    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(drawn=workflows(), acts=actions, automatic=st.booleans())
    def law(drawn: list[tuple[str, int, int]], acts: list[tuple[str, int]], automatic: bool) -> None:
        loop.run_until_complete(one(drawn, acts, automatic))

    try:
        law()
    finally:
        loop.run_until_complete(database.close())
        loop.close()
