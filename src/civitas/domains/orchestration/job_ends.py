"""What agents' results mean for workflows. Called in the unit that ends the claim, before the workflow is locked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.orchestration import inputs, kinds
from civitas.domains.orchestration.advancing import go_on, go_on_all, write
from civitas.domains.orchestration.kinds.kind import merged
from civitas.domains.orchestration.locking import Run, locked_by_job
from civitas.domains.orchestration.starting import Plan, another_try
from civitas.domains.orchestration.tables import Job, WorkflowStep
from civitas.domains.orchestration.types import Reason, Status

# What a job may say, in bytes of JSON; more is a result that nobody can use.
LARGEST_OUTPUT = 1 << 20


async def job_moved(
    session: AsyncSession, *, job_id: str, status: Status, agent_id: int | None = None
) -> bool:
    """An agent prepares, has scheduled or works on a job: its step and workflow show it. False when it has ended."""
    found = await locked_by_job(session, job_id)
    if found is None or not found[0].move_job(found[1], status):
        return False
    run, job = found
    job.agent_id = agent_id if agent_id is not None else job.agent_id
    run.roll_up()
    await write(session, run, Plan())
    return True


async def job_succeeded(
    session: AsyncSession, *, job_id: str, output: dict[str, Any], blobs: list[str], warnings: list[str]
) -> bool:
    """A job is done. `output` may say `{"$blob": N}` for a slot; `blobs` are those that have been delivered.

    False, and nothing changes, for a job that has ended or is gone. An output that refers to slots that were not
    delivered, or that is too large, is a failure.
    """
    found = await locked_by_job(session, job_id)
    if found is None or Status(found[1].status).final:
        return False
    await jobs_succeeded(session, [Done(*found, output, blobs, warnings)])
    return True


@dataclass(frozen=True, slots=True)
class Done:
    """A job that is done, of a workflow in hand: see `job_succeeded`."""

    run: Run
    job: Job
    output: dict[str, Any]
    blobs: Sequence[str]
    warnings: Sequence[str]


async def jobs_succeeded(session: AsyncSession, done: Sequence[Done]) -> None:
    """Several jobs are done, of workflows that are locked and in hand; what ends by it is paid and told together."""
    plans: dict[str, tuple[Run, Plan]] = {}
    for one in done:
        run, plan = plans.setdefault(one.run.workflow.id, (one.run, Plan()))
        if not Status(one.job.status).final:
            _succeeded(run, plan, one)
    await go_on_all(session, list(plans.values()))


def _succeeded(run: Run, plan: Plan, done: Done) -> None:
    job, step = done.job, run.step_of(done.job)
    try:
        said = inputs.with_ids(done.output, job.slots)
        lacking = [blob for blob in inputs.blobs_in(said) if blob not in done.blobs]
        if lacking or len(orjson.dumps(said)) > LARGEST_OUTPUT:
            raise ValueError
    except (IndexError, ValueError, TypeError, orjson.JSONEncodeError):
        _fail(run, plan, job, Reason.BAD_OUTPUT, None, transient=True, agent_id=job.agent_id or 0)
        return
    run.move_job(job, Status.PROCESSING)
    run.end_job(job, Status.SUCCEEDED, output=said)
    step.warnings = [*step.warnings, *done.warnings[:50]]
    _gather(run, step)


def _gather(run: Run, step: WorkflowStep) -> None:
    """End a step whose jobs have all ended."""
    jobs = run.last_tries(step)
    if any(not Status(job.status).final for job in jobs):
        return
    good = [job for job in jobs if job.status == Status.SUCCEEDED]
    bad = [job for job in jobs if job.status != Status.SUCCEEDED]
    output = merged([job.output or {} for job in good])
    if not bad:
        run.end_step(step, Status.SUCCEEDED, output=output)
    elif good and kinds.known(step.type).partial:
        output["errors"] = [job.reason or job.status for job in bad]
        run.end_step(step, Status.SUCCEEDED, output=output)
    else:
        # What was delivered stays with whoever paid for it, though the step as a whole did not succeed.
        run.end_step(
            step,
            Status.EXPIRED if bad[0].status == Status.EXPIRED else Status.FAILED,
            output=output if good else None,
            reason=bad[0].reason,
            blocked_reason=bad[0].blocked_reason,
        )


async def job_failed(
    session: AsyncSession,
    *,
    job_id: str,
    reason: str,
    blocked_reason: str | None,
    transient: bool,
    agent_id: int,
) -> bool:
    """A job failed. A transient failure is tried again by somebody else while tries are left.

    False, and nothing changes, for a job that has ended or is gone.
    """
    found = await locked_by_job(session, job_id)
    if found is None or Status(found[1].status).final:
        return False
    run, job = found
    plan = Plan()
    _fail(run, plan, job, reason, blocked_reason, transient=transient, agent_id=agent_id)
    await go_on(session, run, plan)
    return True


def _fail(
    run: Run,
    plan: Plan,
    job: Job,
    reason: str,
    blocked_reason: str | None,
    *,
    transient: bool,
    agent_id: int,
) -> None:
    step = run.step_of(job)
    if blocked_reason is not None:
        reason = Reason.BLOCKED
    again = transient and blocked_reason is None and job.attempt <= step.retries
    run.end_job(job, Status.FAILED, reason=reason, blocked_reason=blocked_reason)
    if again:
        refused = (
            [*job.refused_by, agent_id] if agent_id and agent_id not in job.refused_by else job.refused_by
        )
        another_try(run, job, plan, refused_by=list(refused))
    else:
        if not kinds.known(step.type).partial:
            for other in run.jobs_of(step):
                run.end_job(other, Status.CANCELED, reason=Reason.CANCELED)
        _gather_after_failure(run, step, job)


def _gather_after_failure(run: Run, step: WorkflowStep, job: Job) -> None:
    """End the step by the job that failed, not by those that were cancelled because of it."""
    if kinds.known(step.type).partial:
        _gather(run, step)
        return
    good = [one for one in run.last_tries(step) if one.status == Status.SUCCEEDED]
    run.end_step(
        step,
        Status.FAILED,
        output=merged([one.output or {} for one in good]) if good else None,
        reason=job.reason,
        blocked_reason=job.blocked_reason,
    )
