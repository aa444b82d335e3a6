"""What callbacks are told of a workflow's changes: rows of the same transaction, in the order of the changes."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.orchestration import callbacks
from civitas.domains.orchestration.locking import Run


async def tell(session: AsyncSession, run: Run) -> None:
    """Note every change for the workflow's callbacks, and begin anew."""
    if run.workflow.callbacks:
        for move in run.moves:
            await callbacks.note(
                session,
                workflow=run.workflow,
                scope=move.scope,
                status=move.status,
                at=move.at,
                step=move.step,
                job=move.job,
            )
    run.moves.clear()
