"""How a step begins: its references are replaced, its media are there, and its work is handed out.

A step whose `resolved` input is set has begun. What it needs of the database at the end of a unit is gathered in a
`Plan`, so that many steps that begin together cost what one costs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.orchestration import (
    answering,
    blobs,
    caching,
    charging,
    fetching,
    inputs,
    kinds,
    looping,
    rechecking,
    repricing,
    resources,
    writing,
)
from civitas.domains.orchestration.errors import NobodyCan
from civitas.domains.orchestration.ids import new_job_id
from civitas.domains.orchestration.kinds.kind import JobPlan, Kind, Runner
from civitas.domains.orchestration.locking import Run
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.messages import RunInHouse
from civitas.domains.orchestration.references import ARGUMENTS, Resolver, Unresolved
from civitas.domains.orchestration.tables import Job, Workflow, WorkflowStep
from civitas.domains.orchestration.turns import Turn
from civitas.domains.orchestration.types import Level, Reason, Status
from civitas.kit.errors import Fault, Invalid


@dataclass(slots=True)
class Plan:
    """What a unit still has to do: rows to be added, parents before children, and messages to be deferred."""

    workflow: Workflow | None = None
    steps: list[WorkflowStep] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    blobs: list[MediaBlob] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    # Results that were found when it was submitted, by step.
    cached: dict[int, dict[str, Any]] = field(default_factory=dict)
    # Steps whose media were looked for in this unit.
    looked: set[int] = field(default_factory=set)

    async def write(self, session: AsyncSession, turn: Turn | None = None) -> None:
        """Add the rows that are new. Those of a new workflow are not kept in the session; its jobs get their `turn`."""
        if self.workflow is not None:
            await writing.write_new(session, self.workflow, self.steps, self.jobs, self.blobs, turn)
        else:
            for rows in (self.steps, self.jobs + self.blobs):
                session.add_all(rows)
                await session.flush()
        self.workflow, self.steps, self.jobs, self.blobs = None, [], [], []

    async def write_workflow(self, session: AsyncSession) -> None:
        """Add the workflow itself before anything is added that points at it."""
        if self.workflow is not None:
            session.add(self.workflow)
            await session.flush()
            self.workflow = None


def sources(run: Run) -> dict[str, Any]:
    """What references may lead to: every step that has succeeded, by name and place, and the arguments."""
    found: dict[str, Any] = {ARGUMENTS: run.workflow.arguments}
    for step in run.steps:
        if step.status == Status.SUCCEEDED:
            view = looping.view(step)
            found[step.name] = view
            if step.parent_id is None:
                found[f"${step.position}"] = view
    return found


async def begin(session: AsyncSession, run: Run, step: WorkflowStep, plan: Plan) -> None:
    """Begin a step whose needs have all succeeded."""
    kind = kinds.known(step.type)
    try:
        step.resolved = Resolver(sources(run)).resolve_step(step.type, step.input)
        if kind.runner is Runner.LOOP:
            turns = await looping.expand(session, run, step)
            plan.steps += turns
            if turns:
                await repricing.reprice_turns(session, run, step, turns)
            return
    except Unresolved as error:
        step.warnings = [*step.warnings, f"{error}."]
        step.resolved = step.resolved or dict(step.input)
        run.end_step(step, Status.FAILED, reason=Reason.BAD_REFERENCE)
        return
    if (told := rechecking.trouble(step, step.resolved)) is not None:
        step.warnings = [*step.warnings, told]
        run.end_step(step, Status.FAILED, reason=Reason.BAD_INPUT)
        return
    step.expires_at = run.now + timedelta(seconds=step.timeout_s or kind.timeout_s)
    if kind.runner is Runner.INLINE:
        run.end_step(step, Status.SUCCEEDED, output=inline(step))
        return
    await go(session, run, step, plan)


def inline(step: WorkflowStep) -> dict[str, Any]:
    """The output of a step that the platform answers at once: an echo."""
    return {"message": (step.resolved or {}).get("message")}


async def go(session: AsyncSession, run: Run, step: WorkflowStep, plan: Plan) -> None:
    """Hand out the work of a step whose input is known: fetch its media first, or make its jobs."""
    kind = kinds.known(step.type)
    plan.looked.add(step.id)
    texts = {medium.value for medium in inputs.find(kind, step.resolved or {})}
    if texts:
        await plan.write_workflow(session)
        try:
            brought = await fetching.bring(session, workflow=run.workflow, values=texts)
        except Invalid as fault:
            step.warnings = [*step.warnings, fault.message]
            blocked = fault.code == "blob_blocked"
            run.end_step(
                step,
                Status.FAILED,
                reason=Reason.BLOCKED if blocked else Reason.BAD_INPUT,
                blocked_reason=fault.message if blocked else None,
            )
            return
        if brought.waiting:
            run.move_step(step, Status.PREPARING)
            return
        step.resolved = inputs.with_blobs(kind, step.resolved or {}, brought.blobs)
    if await _known_already(session, run, step, kind, plan):
        return
    if step.terms.get("open") and not await repricing.reprice(session, run, [step]):
        return
    if kind.runner is Runner.TASK:
        await do_in_house(session, run, step, plan)
    else:
        _make_jobs(run, step, kind, plan)


async def do_in_house(session: AsyncSession, run: Run, step: WorkflowStep, plan: Plan) -> None:
    """Answer a step that the platform does itself, or look again soon."""
    try:
        output = await answering.answer(session, run.workflow, step.type, step.resolved or {})
    except Fault as fault:
        step.warnings = [*step.warnings, fault.message]
        nobody = isinstance(fault, NobodyCan)
        run.end_step(step, Status.FAILED, reason=Reason.NO_PROVIDER if nobody else Reason.BAD_INPUT)
        return
    if output is None:
        run.move_step(step, Status.PROCESSING)
        plan.messages.append(RunInHouse(step.id))
    else:
        run.end_step(step, Status.SUCCEEDED, output=output)


async def _known_already(session: AsyncSession, run: Run, step: WorkflowStep, kind: Kind, plan: Plan) -> bool:
    """Whether the step was answered with a result that is kept; it costs nothing then."""
    output = plan.cached.get(step.id)
    if output is None and (step.needs or step.parent_id is not None or step.terms.get("open")):
        mark = caching.mark(kind, step.resolved or {})
        found = await caching.look_up(session, run.workflow.person_id, [mark] if mark else [])
        output = next(iter(found.values()), None)
    if output is None:
        return False
    step.price, step.terms = 0, {"cached": True}
    run.end_step(step, Status.SUCCEEDED, output=output)
    return True


def _make_jobs(run: Run, step: WorkflowStep, kind: Kind, plan: Plan) -> None:
    input = step.resolved or {}
    capability = kind.asks_for(input, resources.filenames(step.terms))
    parts = kind.split(input)
    whole = sum(part.share for part in parts) or 1.0
    worths = _shared(step.price, [part.share / whole for part in parts])
    work = float(step.terms.get("work") or 1.0)
    for number, (part, worth) in enumerate(zip(parts, worths, strict=True)):
        job = _job(run, step, kind, part, number)
        job.capability, job.worth = capability, worth
        job.complexity = work * part.share / whole
        _slots(run, job, part, plan)
        run.add_job(job)
        plan.jobs.append(job)


def _job(run: Run, step: WorkflowStep, kind: Kind, part: JobPlan, number: int) -> Job:
    input, found = inputs.for_agents(kind, part.input)
    used = list(step.terms.get("resources") or ())
    return writing.plain(
        Job,
        id=new_job_id(),
        workflow_id=run.workflow.id,
        step_id=step.id,
        person_id=run.workflow.person_id,
        number=number,
        attempt=1,
        status=Status.UNASSIGNED,
        step_type=step.type,
        input=input,
        media=[{"blob": blob} for blob in found],
        resources=used,
        digests=[one["sha256"] for one in used if one.get("sha256")],
        slots=[],
        allow_mature=run.workflow.allow_mature is True or charging.pays_for_mature(run.workflow),
        racers=1,
        refused_by=[],
        created_at=run.now,
        expires_at=step.expires_at,
    )


def _slots(run: Run, job: Job, part: JobPlan, plan: Plan) -> None:
    """Blobs that the job's deliveries become: they have ids now, and bytes when it is done."""
    job.slots = [blobs.new_id() for _ in part.slots]
    # Its owner's word makes what comes stricter; that something is safe, others have to say.
    said = run.workflow.nsfw_level
    mature_word = said if said is not None and Level(said).mature else Level.UNRATED.value
    plan.blobs += [
        MediaBlob(
            id=blob,
            person_id=run.workflow.person_id,
            workflow_id=run.workflow.id,
            job_id=job.id,
            kind=kind.value,
            nsfw_level=mature_word,
            unexamined=False,
            created_at=run.now,
            expires_at=run.now + blobs.RETENTION,
        )
        for blob, kind in zip(job.slots, part.slots, strict=True)
    ]


def another_try(run: Run, job: Job, plan: Plan, *, refused_by: list[int]) -> Job:
    """A job in place of one that failed: the same work, another number of the try, for somebody else first."""
    made = Job(
        id=new_job_id(),
        workflow_id=job.workflow_id,
        step_id=job.step_id,
        person_id=job.person_id,
        number=job.number,
        attempt=job.attempt + 1,
        status=Status.UNASSIGNED,
        step_type=job.step_type,
        capability=job.capability,
        input=job.input,
        media=job.media,
        resources=job.resources,
        digests=job.digests,
        # What was delivered into them before is overwritten: nothing of it was a result.
        slots=job.slots,
        allow_mature=job.allow_mature,
        complexity=job.complexity,
        worth=job.worth,
        racers=job.racers,
        refused_by=refused_by,
        created_at=run.now,
        expires_at=job.expires_at,
    )
    run.add_job(made)
    plan.jobs.append(made)
    return made


def _shared(price: int, shares: list[float]) -> list[int]:
    """A price in parts that add up to it."""
    made: list[int] = []
    passed = 0.0
    for share in shares:
        passed += share
        made.append(round(price * passed) - sum(made))
    return made
