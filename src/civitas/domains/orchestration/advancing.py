"""The heart: a workflow goes on as far as it can. Called whenever anything of it ended; doing it again changes nothing."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.orchestration import answering, finishing, keeping, looping, placing, telling
from civitas.domains.orchestration.kinds import known
from civitas.domains.orchestration.kinds.kind import Runner
from civitas.domains.orchestration.locking import Run, locked, locked_by_step
from civitas.domains.orchestration.starting import Plan, begin, do_in_house, go
from civitas.domains.orchestration.tables import JobClaim, WorkflowStep
from civitas.domains.orchestration.types import ClaimState, Reason, Status
from civitas.infra.queue.outbox import defer


async def advance(session: AsyncSession, workflow_id: str) -> None:
    """Take a workflow as far as it can go now. Nothing happens to one that has ended or is not there."""
    run = await locked(session, workflow_id)
    if run is not None and not Status(run.workflow.status).final:
        await go_on(session, run)


async def look_again(session: AsyncSession, step_id: int) -> None:
    """Go on with an in-house step that waited for something."""
    found = await locked_by_step(session, step_id)
    if (
        found is None
        or found[1].status != Status.PROCESSING
        or known(found[1].type).runner is not Runner.TASK
    ):
        return
    run, step = found
    plan = Plan()
    await do_in_house(session, run, step, plan)
    await go_on(session, run, plan)


async def go_on(session: AsyncSession, run: Run, plan: Plan | None = None) -> None:
    """The same for a workflow in hand; `plan` holds what was decided before."""
    plan = plan or Plan()
    while await _pass(session, run, plan):
        pass
    run.roll_up()
    await write(session, run, plan)


async def _pass(session: AsyncSession, run: Run, plan: Plan) -> bool:
    """One look at all steps: whether any began or ended."""
    changed = False
    for step in list(run.steps):
        status = Status(step.status)
        if status.final:
            continue
        if step.resolved is None and status is Status.UNASSIGNED:
            needs = [run.named(name) for name in step.needs]
            if any(
                need is not None and Status(need.status).final and need.status != Status.SUCCEEDED
                for need in needs
            ):
                run.end_step(step, Status.CANCELED, reason=Reason.DEPENDENCY)
                changed = True
            elif all(need is None or need.status == Status.SUCCEEDED for need in needs):
                await begin(session, run, step, plan)
                changed = True
        elif _waits_for_media(run, step):
            if step.id not in plan.looked:
                await go(session, run, step, plan)
                changed = step.status != Status.PREPARING or changed
        elif known(step.type).runner is Runner.LOOP:
            _stop_loop(run, step)
            changed = looping.close(run, step) or changed
    return changed


def _waits_for_media(run: Run, step: WorkflowStep) -> bool:
    return (
        step.status == Status.PREPARING
        and not run.jobs_of(step)
        and known(step.type).runner in (Runner.AGENT, Runner.TASK)
    )


def _stop_loop(run: Run, step: WorkflowStep) -> None:
    """Once a turn of a loop did not succeed, the others need not go on."""
    turns = run.turns_of(step)
    if any(Status(turn.status).final and turn.status != Status.SUCCEEDED for turn in turns):
        for turn in turns:
            run.end_step(turn, Status.CANCELED, reason=Reason.DEPENDENCY)


async def write(session: AsyncSession, run: Run, plan: Plan) -> None:
    """Put down what was decided: places, rows, messages, lost claims, money at the end, and what callbacks are told."""
    await placing.place_new(session, run, plan.jobs)
    if run.moves:
        run.workflow.changed_at = run.now
        if Status(run.workflow.status).final:
            await finishing.finish(session, run)
    await plan.write(session)
    if run.kept is not None:
        await keeping.write_back(session, run.kept)
    if run.lost:
        await session.execute(
            update(JobClaim)
            .where(JobClaim.job_id.in_(run.lost), JobClaim.state == ClaimState.OPEN)
            .values(state=ClaimState.LOST, ended_at=run.now)
        )
        run.lost.clear()
    for message in plan.messages:
        await defer(session, message, after=answering.SOON)
    await telling.tell(session, run)
