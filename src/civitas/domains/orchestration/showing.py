"""From rows to what is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from civitas.contracts.wire.jobs import BLOB
from civitas.domains.orchestration import kinds
from civitas.domains.orchestration.shown import Cost, ShownJob, ShownStep, ShownWorkflow, Transaction
from civitas.domains.orchestration.tables import Job, Workflow, WorkflowStep
from civitas.domains.orchestration.types import Priority, Status, UpgradeMode


def workflow(
    row: Workflow, steps: Sequence[WorkflowStep], jobs: Mapping[int, Sequence[Job]]
) -> ShownWorkflow:
    """A workflow with its steps in order; turns stand in their loops."""
    turns: dict[int, list[WorkflowStep]] = {}
    for step in steps:
        if step.parent_id is not None:
            turns.setdefault(step.parent_id, []).append(step)
    return ShownWorkflow(
        id=row.id,
        person_id=row.person_id,
        status=Status(row.status),
        created_at=row.created_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
        changed_at=row.changed_at,
        tags=row.tags,
        notes=row.notes,
        arguments=row.arguments,
        callbacks=row.callbacks,
        tips=row.tips,
        cost=cost(row.cost),
        currencies=row.currencies,
        nsfw_level=row.nsfw_level,
        experimental=row.experimental,
        allow_mature=row.allow_mature,
        upgrade_mode=UpgradeMode(row.upgrade_mode),
        ephemeral=row.ephemeral,
        external_id=row.external_id,
        withheld=row.withheld,
        reserved=row.reserved,
        captured=row.captured,
        transactions=[Transaction(*one) for one in row.transactions],
        steps=[_step(step, turns, jobs) for step in steps if step.parent_id is None],
    )


def cost(kept: Mapping[str, Any]) -> Cost:
    """A cost as it is kept in a row."""
    return Cost(**kept)


def _step(
    row: WorkflowStep, turns: Mapping[int, Sequence[WorkflowStep]], jobs: Mapping[int, Sequence[Job]]
) -> ShownStep:
    own = jobs.get(row.id, ())
    return ShownStep(
        id=row.id,
        name=row.name,
        type=row.type,
        status=Status(row.status),
        input=row.input,
        output=row.output if row.output is not None else _outline(row, own),
        notes=row.notes,
        priority=Priority(row.priority),
        timeout_s=row.timeout_s,
        retries=row.retries,
        price=row.price,
        delivered=row.delivered,
        warnings=row.warnings,
        reason=row.reason,
        blocked_reason=row.blocked_reason,
        created_at=row.created_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
        jobs=[_job(job) for job in own],
        turns=[_step(turn, turns, jobs) for turn in turns.get(row.id, ())],
    )


def _outline(row: WorkflowStep, jobs: Sequence[Job]) -> dict[str, Any] | None:
    """The blobs that will be there, while the step is under way: they can be shown as places to be filled."""
    field = kinds.known(row.type).outline
    if field is None or Status(row.status).final or not jobs:
        return None
    slots = [{BLOB: blob} for job in {job.number: job for job in jobs}.values() for blob in job.slots]
    if field.endswith("[]"):
        return {field.removesuffix("[]"): slots}
    return {field: slots[0]} if slots else None


def _job(row: Job) -> ShownJob:
    return ShownJob(
        id=row.id,
        number=row.number,
        attempt=row.attempt,
        status=Status(row.status),
        capability=row.capability,
        complexity=row.complexity,
        worth=row.worth,
        place=row.place,
        progress=row.progress,
        preview=row.preview,
        note=row.note if not Status(row.status).final else None,
        slots=row.slots,
        agent_id=row.agent_id,
        reason=row.reason,
        blocked_reason=row.blocked_reason,
        created_at=row.created_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
    )
