"""The heart: a workflow goes on as far as it can. Called whenever anything of it ended; doing it again changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.orchestration import answering, finishing, keeping, looping, placing, telling
from civitas.domains.orchestration.kinds import known
from civitas.domains.orchestration.kinds.kind import Runner
from civitas.domains.orchestration.locking import Run, locked, locked_by_step
from civitas.domains.orchestration.starting import Plan, begin, do_in_house, go
from civitas.domains.orchestration.tables import JobClaim, WorkflowStep
from civitas.domains.orchestration.turns import Turn
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
    await go_on_all(session, [(run, plan or Plan())])


async def go_on_all(session: AsyncSession, runs: Sequence[tuple[Run, Plan]]) -> None:
    """The same for several workflows in hand: what ends together is paid, written and told together."""
    for run, plan in runs:
        while await _pass(session, run, plan):
            pass
        run.roll_up()
    await write_all(session, runs)


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
    await write_all(session, [(run, plan)])


async def write_all(session: AsyncSession, runs: Sequence[tuple[Run, Plan]]) -> None:
    """The same for several workflows."""
    turns: list[Turn | None] = []
    for run, plan in runs:
        new = plan.workflow is not None
        turns.append(await placing.lined_up(session, run, plan.jobs) if new else None)
        if not new:
            await placing.place_new(session, run, plan.jobs)
        if run.moves:
            run.workflow.changed_at = run.now
    ended = [run for run, _ in runs if run.moves and Status(run.workflow.status).final]
    if ended:
        await finishing.finish(session, ended)
    for (_, plan), turn in zip(runs, turns, strict=True):
        await plan.write(session, turn)
    if kept := [run.kept for run, _ in runs if run.kept is not None]:
        await keeping.write_back(session, kept)
    await _lose_claims(session, [run for run, _ in runs])
    for run, plan in runs:
        for message in plan.messages:
            await defer(session, message, after=answering.SOON)
        await telling.tell(session, run)


async def _lose_claims(session: AsyncSession, runs: Sequence[Run]) -> None:
    """End the claims on jobs that ended otherwise than by their results."""
    lost = [job for run in runs for job in run.lost]
    if not lost:
        return
    await session.execute(
        update(JobClaim)
        .where(JobClaim.job_id.in_(lost), JobClaim.state == ClaimState.OPEN)
        .values(state=ClaimState.LOST, ended_at=max(run.now for run in runs))
    )
    for run in runs:
        run.lost.clear()
