"""Stopping a workflow, and taking it out of sight."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.orchestration import policy
from civitas.domains.orchestration.advancing import go_on
from civitas.domains.orchestration.errors import Ended, UnknownWorkflow
from civitas.domains.orchestration.locking import Run, locked
from civitas.domains.orchestration.tables import Workflow
from civitas.domains.orchestration.types import OPEN, Reason, Status
from civitas.kit import clock


async def own(session: AsyncSession, actor: Actor, workflow_id: str, *, staff: bool = False) -> Run:
    """A workflow of the actor's, locked; with `staff`, moderators may have any. Raises UnknownWorkflow."""
    policy.submitter(actor)
    run = await locked(session, workflow_id)
    if run is None or run.workflow.deleted_at is not None:
        raise UnknownWorkflow
    policy.require_own(actor, run.workflow.person_id, staff=staff)
    return run


async def cancel(session: AsyncSession, actor: Actor, workflow_id: str) -> None:
    """Stop a workflow: what was delivered is paid, the rest comes back. Cancelling twice changes nothing.

    Raises UnknownWorkflow, Ended when it ended otherwise.
    """
    run = await own(session, actor, workflow_id, staff=True)
    if run.workflow.status == Status.CANCELED:
        return
    if Status(run.workflow.status).final:
        raise Ended("workflow", run.workflow.status)
    await stop(session, run)


async def stop(session: AsyncSession, run: Run, *, reason: Reason = Reason.CANCELED) -> None:
    """End everything that is open of a workflow in hand."""
    for step in run.steps:
        run.end_step(step, Status.CANCELED, reason=reason)
    await go_on(session, run)


async def delete(session: AsyncSession, actor: Actor, workflow_id: str) -> None:
    """Stop a workflow if it is under way, and let nobody see it any more. Raises UnknownWorkflow.

    Its external id is free again. The rows go with the next sweep.
    """
    run = await own(session, actor, workflow_id)
    if not Status(run.workflow.status).final:
        await stop(session, run)
    run.workflow.deleted_at = run.workflow.forget_at = run.moment()
    run.workflow.external_id = None
    await session.flush()


async def leave(session: AsyncSession, person_id: int) -> None:
    """Stop and take out of sight all workflows of somebody who left."""
    ids = await session.scalars(
        select(Workflow.id)
        .where(Workflow.person_id == person_id, Workflow.deleted_at.is_(None), Workflow.status.in_(OPEN))
        .order_by(Workflow.id)
    )
    for workflow_id in ids.all():
        run = await locked(session, workflow_id)
        if run is not None and not Status(run.workflow.status).final:
            await stop(session, run)
    now = clock.now()
    await session.execute(
        update(Workflow)
        .where(Workflow.person_id == person_id, Workflow.deleted_at.is_(None))
        .values(deleted_at=now, forget_at=now, external_id=None)
    )
