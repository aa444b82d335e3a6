"""What the older API asks and today's does not: workflows by the properties they were submitted with, tainted results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.wire.jobs import MediaKind
from civitas.domains.accounts.types import Actor
from civitas.domains.orchestration import policy, queries
from civitas.domains.orchestration.caching import mark
from civitas.domains.orchestration.kinds import known
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.shown import ShownWorkflow
from civitas.domains.orchestration.tables import StepResult, Workflow, WorkflowStep
from civitas.kit import paging
from civitas.kit.paging import Page

PROPERTIES: Final = "properties"
JOB_TYPE: Final = "jobType"


async def with_properties(
    session: AsyncSession,
    actor: Actor,
    *,
    properties: Mapping[str, Any],
    cursor: str | None = None,
    take: int = 100,
) -> Page[ShownWorkflow]:
    """The actor's jobs of the older API that have all of these properties, the newest first. Raises Invalid."""
    person_id = policy.reader(actor)
    statement = select(Workflow.id, Workflow.created_at).where(
        Workflow.person_id == person_id,
        Workflow.deleted_at.is_(None),
        ~Workflow.ephemeral,
        Workflow.notes.has_key(JOB_TYPE),
        Workflow.notes.contains({PROPERTIES: dict(properties)}),
    )
    key = tuple_(Workflow.created_at, Workflow.id)
    if cursor is not None:
        moment, last = paging.decode(cursor, datetime, str)
        statement = statement.where(key < tuple_(datetime.fromisoformat(str(moment)), last))
    rows = (
        await session.execute(
            statement.order_by(Workflow.created_at.desc(), Workflow.id.desc()).limit(take + 1)
        )
    ).all()
    items = [await queries.shown(session, actor, row.id) for row in rows[:take]]
    more = paging.encode(rows[take - 1].created_at, rows[take - 1].id) if len(rows) > take else None
    return Page(items, more)


async def taint(session: AsyncSession, actor: Actor, workflow_ids: Sequence[str]) -> int:
    """Forget what is kept of these workflows' results, so that the same work is done anew; how many there are.

    Raises UnknownWorkflow.
    """
    person_id = policy.submitter(actor)
    for workflow_id in workflow_ids:
        await queries.shown(session, actor, workflow_id, just_waited=True)
    steps = await session.scalars(select(WorkflowStep).where(WorkflowStep.workflow_id.in_(workflow_ids)))
    marks = {mark(known(step.type), step.resolved or step.input) for step in steps} - {None}
    await session.execute(
        delete(StepResult).where(
            StepResult.person_id == person_id,
            StepResult.fingerprint.in_(marks),
        )
    )
    return len(workflow_ids)


@dataclass(frozen=True, slots=True)
class Consumption:
    """What was made for somebody, and what of their Buzz was kept for it."""

    images: int
    quarters: int


async def consumption(
    session: AsyncSession, actor: Actor, *, since: datetime, until: datetime
) -> Consumption:
    """Of the actor's work that was submitted between two moments; what is not kept any more does not count."""
    person_id = policy.reader(actor)
    theirs = (Workflow.person_id == person_id, Workflow.created_at.between(since, until))
    spent = await session.scalar(select(func.coalesce(func.sum(Workflow.captured), 0)).where(*theirs))
    images = await session.scalar(
        select(func.count())
        .select_from(MediaBlob)
        .join(Workflow, Workflow.id == MediaBlob.workflow_id)
        .where(
            *theirs,
            MediaBlob.job_id.is_not(None),
            MediaBlob.available_at.is_not(None),
            MediaBlob.kind == MediaKind.IMAGE.value,
        )
    )
    return Consumption(images or 0, int(spent or 0))
