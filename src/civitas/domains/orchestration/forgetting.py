"""Forgetting what is kept of somebody's results, when they or an administrator ask for it."""

from __future__ import annotations

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.orchestration import policy
from civitas.domains.orchestration.tables import StepResult
from civitas.infra.db.changes import count_changed
from civitas.kit.errors import Forbidden


def allowed(actor: Actor, person_id: int) -> None:
    """Raises Forbidden for anybody but the person and administrators."""
    if policy.submitter(actor) != person_id and not actor.is_admin:
        raise Forbidden("Only this person and administrators may do this.", code="not_yours")


async def forget_results(session: AsyncSession, actor: Actor, *, person_id: int) -> int:
    """Keep no result of theirs any more: the same work is done anew, and paid. How many were kept. Raises Forbidden."""
    allowed(actor, person_id)
    return await count_changed(session, delete(StepResult).where(StepResult.person_id == person_id))
