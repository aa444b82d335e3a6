"""Bodies of callbacks, in the reference's shapes: WorkflowEvent, WorkflowStepEvent, WorkflowStepJobEvent.

Blobs stay `{"$blob": id}` in them until they are sent, because links expire.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.orchestration.tables import Job, Workflow, WorkflowStep
from civitas.domains.orchestration.types import Status
from civitas.kit import clock, money

# Beyond it a body loses its inputs, then its outputs, then its details: whoever listens can ask for them.
LARGEST: Final = 1 << 20


def of_workflow(workflow: Workflow, status: Status, at: datetime) -> dict[str, Any]:
    """A workflow's event without details."""
    return {
        "$type": "workflow",
        "workflowId": workflow.id,
        "status": status.value,
        "timestamp": clock.rfc3339(at),
    }


def of_step(workflow: Workflow, step: WorkflowStep, status: Status) -> dict[str, Any]:
    """A step's event without details."""
    return {"$type": "step", "workflowId": workflow.id, "name": step.name, "status": status.value}


def of_job(workflow: Workflow, step: WorkflowStep, job: Job, status: Status) -> dict[str, Any]:
    """A job's event; it has no details."""
    return {
        "$type": "job",
        "workflowId": workflow.id,
        "stepName": step.name,
        "jobId": job.id,
        "status": status.value,
        "progress": job.progress,
        "reason": job.reason,
        "blockedReason": job.blocked_reason,
    }


async def workflow_details(session: AsyncSession, workflow: Workflow) -> dict[str, Any]:
    """What a detailed callback is told of a workflow: times, and every step with input and output."""
    steps = await session.scalars(
        select(WorkflowStep)
        .where(WorkflowStep.workflow_id == workflow.id, WorkflowStep.parent_id.is_(None))
        .order_by(WorkflowStep.position)
    )
    return {
        "metadata": workflow.notes,
        "arguments": workflow.arguments,
        "createdAt": clock.rfc3339(workflow.created_at or clock.now()),
        "startedAt": _time(workflow.started_at),
        "completedAt": _time(workflow.completed_at),
        "steps": [
            {
                "name": step.name,
                "status": step.status,
                "startedAt": _time(step.started_at),
                "completedAt": _time(step.completed_at),
                "metadata": step.notes,
                "input": step.resolved or step.input,
                "output": step.output,
                "cost": money.as_number(step.price),
            }
            for step in steps
        ],
    }


async def step_details(session: AsyncSession, step: WorkflowStep) -> dict[str, Any]:
    """What a detailed callback is told of a step."""
    attempts, progress = (
        await session.execute(
            select(func.max(Job.attempt), func.avg(Job.progress)).where(Job.step_id == step.id)
        )
    ).one()
    return {
        "startedAt": _time(step.started_at),
        "completedAt": _time(step.completed_at),
        "estimatedProgressRate": float(progress) if progress is not None else None,
        "retries": max(0, int(attempts or 1) - 1),
        "metadata": step.notes,
        "input": step.resolved or step.input,
        "output": step.output,
    }


async def withheld(session: AsyncSession, workflow_ids: Collection[str]) -> set[str]:
    """Of these workflows, those whose mature output is withheld until it is paid for: their bodies get no links to it."""
    if not workflow_ids:
        return set()
    return set(
        await session.scalars(
            select(Workflow.id).where(Workflow.id.in_(set(workflow_ids)), Workflow.withheld.is_(True))
        )
    )


def with_details(body: dict[str, Any], details: dict[str, Any]) -> dict[str, Any]:
    """The body with as much of its details as fits."""
    for dropped in ((), ("input",), ("input", "output")):
        kept = _without(details, dropped)
        if len(orjson.dumps(kept)) <= LARGEST:
            return {**body, "details": kept}
    return body


def _without(details: dict[str, Any], dropped: Sequence[str]) -> dict[str, Any]:
    if not dropped:
        return details
    kept = {name: value for name, value in details.items() if name not in dropped}
    if "steps" in kept:
        kept["steps"] = [
            {name: value for name, value in step.items() if name not in dropped} for step in kept["steps"]
        ]
    return kept


def _time(moment: datetime | None) -> str | None:
    return clock.rfc3339(moment) if moment is not None else None
