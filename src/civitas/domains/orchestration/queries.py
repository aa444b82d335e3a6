"""Workflows as their owner reads them: one, many, and the bare states that waiting looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.orchestration import kinds, policy, showing
from civitas.domains.orchestration.errors import UnknownStep, UnknownWorkflow
from civitas.domains.orchestration.shown import ShownStep, ShownWorkflow
from civitas.domains.orchestration.tables import Job, Workflow, WorkflowStep
from civitas.domains.orchestration.types import FINAL, Status
from civitas.infra.db.readpool import ReadPool
from civitas.kit import paging
from civitas.kit.errors import Invalid
from civitas.kit.paging import Page

MOST_TAKEN = 1_000

_STATUSES = (
    "SELECT id, status, changed_at FROM workflows WHERE id = ANY(%(ids)s::text[]) AND deleted_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which workflows are wanted: with all of these tags, within these moments, with this text in a prompt."""

    tags: Sequence[str] = ()
    query: str = ""
    since: datetime | None = None
    until: datetime | None = None
    exclude_failed: bool = False
    ascending: bool = False


async def shown(
    session: AsyncSession, actor: Actor, workflow_id: str, *, just_waited: bool = False
) -> ShownWorkflow:
    """One workflow of the actor's (moderators see all). Raises UnknownWorkflow.

    An ephemeral one is unknown once it has ended, except to those who have `just_waited` for its end.
    """
    policy.reader(actor)
    workflow = await session.scalar(
        select(Workflow).where(Workflow.id == workflow_id).execution_options(populate_existing=True)
    )
    if workflow is None or workflow.deleted_at is not None:
        raise UnknownWorkflow
    policy.require_own(actor, workflow.person_id, staff=True)
    if workflow.ephemeral and Status(workflow.status).final and not just_waited:
        raise UnknownWorkflow
    return (await _with_parts(session, [workflow]))[0]


async def shown_step(session: AsyncSession, actor: Actor, workflow_id: str, name: str) -> ShownStep:
    """One step by its name, turns of loops too (`loop[0]`). Raises UnknownWorkflow, UnknownStep."""
    workflow = await shown(session, actor, workflow_id)
    pending = list(workflow.steps)
    for step in pending:
        if step.name == name:
            return step
        pending += step.turns
    raise UnknownStep(name)


async def page(
    session: AsyncSession,
    actor: Actor,
    *,
    wanted: Filter | None = None,
    cursor: str | None = None,
    take: int = 100,
) -> Page[ShownWorkflow]:
    """The actor's workflows, the newest first unless asked otherwise. Raises Invalid (`bad_cursor`, `bad_take`)."""
    person_id = policy.reader(actor)
    wanted = wanted or Filter()
    if not 1 <= take <= MOST_TAKEN:
        raise Invalid(
            f"Take 1 to {MOST_TAKEN} workflows at once.", code="bad_take", fields={"take": "Out of range."}
        )
    statement = _filtered(select(Workflow).where(Workflow.person_id == person_id), wanted)
    key = tuple_(Workflow.created_at, Workflow.id)
    if cursor is not None:
        moment, id = paging.decode(cursor, datetime, str)
        after = tuple_(datetime.fromisoformat(str(moment)), id)
        statement = statement.where(key > after if wanted.ascending else key < after)
    order = (Workflow.created_at, Workflow.id)
    statement = statement.order_by(*(order if wanted.ascending else (column.desc() for column in order)))
    found = list(await session.scalars(statement.limit(take + 1).execution_options(populate_existing=True)))
    rows = found[:take]
    more = paging.encode(rows[-1].created_at, rows[-1].id) if len(found) > take else None
    return Page(await _with_parts(session, rows), more)


def _filtered(statement: Select[Workflow], wanted: Filter) -> Select[Workflow]:
    statement = statement.where(
        Workflow.deleted_at.is_(None), or_(~Workflow.ephemeral, Workflow.status.not_in(FINAL))
    )
    if wanted.tags:
        statement = statement.where(Workflow.tags.contains(list(wanted.tags)))
    if wanted.since is not None:
        statement = statement.where(Workflow.created_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(Workflow.created_at <= wanted.until)
    if wanted.exclude_failed:
        statement = statement.where(Workflow.status.not_in([Status.FAILED, Status.EXPIRED, Status.CANCELED]))
    if wanted.query.strip():
        prompt = WorkflowStep.input["prompt"].astext
        statement = statement.where(
            select(WorkflowStep.id)
            .where(
                WorkflowStep.workflow_id == Workflow.id,
                prompt.icontains(wanted.query.strip()[:200], autoescape=True),
            )
            .exists()
        )
    return statement


async def _with_parts(session: AsyncSession, workflows: Sequence[Workflow]) -> list[ShownWorkflow]:
    ids = [workflow.id for workflow in workflows]
    if not ids:
        return []
    steps: dict[str, list[WorkflowStep]] = {}
    for step in await session.scalars(
        select(WorkflowStep)
        .where(WorkflowStep.workflow_id.in_(ids))
        .order_by(WorkflowStep.position, WorkflowStep.id)
        .execution_options(populate_existing=True)
    ):
        steps.setdefault(step.workflow_id, []).append(step)
    jobs: dict[int, list[Job]] = {}
    if any(kinds.known(step.type).runner.has_jobs for found in steps.values() for step in found):
        for job in await session.scalars(
            select(Job)
            .where(Job.workflow_id.in_(ids))
            .order_by(Job.number, Job.attempt)
            .execution_options(populate_existing=True)
        ):
            jobs.setdefault(job.step_id, []).append(job)
    return [showing.workflow(one, steps.get(one.id, []), jobs) for one in workflows]


async def statuses(reads: ReadPool, ids: Sequence[str]) -> Mapping[str, tuple[Status, datetime]]:
    """Where workflows stand and when anything of them last changed; those that are gone are left out."""
    rows: list[tuple[Any, ...]] = await reads.fetch(_STATUSES, {"ids": list(ids)})
    return {id: (Status(status), stamp) for id, status, stamp in rows}
