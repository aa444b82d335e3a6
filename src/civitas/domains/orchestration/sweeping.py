"""What the clock does to workflows: steps whose time is over end, and what ended long ago is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.orchestration.advancing import go_on
from civitas.domains.orchestration.locking import locked
from civitas.domains.orchestration.tables import StepResult, WorkflowStep
from civitas.domains.orchestration.types import OPEN, Reason, Status
from civitas.kit import clock

BATCH: Final = 200

_FORGET = text(
    """
    DELETE FROM workflows WHERE id IN (
        SELECT id FROM workflows WHERE forget_at <= :now ORDER BY forget_at LIMIT :most FOR UPDATE SKIP LOCKED)
    RETURNING id
    """
)


async def overdue(session: AsyncSession) -> Sequence[str]:
    """Workflows with steps whose time is over, a batch of them."""
    found = await session.scalars(
        select(WorkflowStep.workflow_id)
        .where(WorkflowStep.expires_at <= clock.now(), WorkflowStep.status.in_(OPEN))
        .distinct()
        .limit(BATCH)
    )
    return list(found)


async def expire(session: AsyncSession, workflow_id: str) -> bool:
    """End the steps of a workflow whose time is over; whether there were any. What was delivered is paid."""
    run = await locked(session, workflow_id)
    if run is None or Status(run.workflow.status).final:
        return False
    late = [step for step in run.steps if step.expires_at is not None and step.expires_at <= run.now]
    for step in late:
        run.end_step(step, Status.EXPIRED, reason=Reason.TIMEOUT)
    await go_on(session, run)
    return bool(late)


async def forget(session: AsyncSession) -> int:
    """Delete a batch of workflows that are kept no longer, with their steps and jobs; how many."""
    return len((await session.execute(_FORGET, {"now": clock.now(), "most": BATCH})).all())


async def forget_results(session: AsyncSession) -> None:
    """Delete kept results whose time is over."""
    await session.execute(delete(StepResult).where(StepResult.expires_at <= clock.now()))
