"""`repeat`: a template that becomes a step for each item of a list, or for each number up to one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.orchestration import kinds, references
from civitas.domains.orchestration.checking import MOST_RETRIES, MOST_TURNS
from civitas.domains.orchestration.locking import Run
from civitas.domains.orchestration.references import Resolver, Unresolved
from civitas.domains.orchestration.tables import WorkflowStep
from civitas.domains.orchestration.types import Status

# Steps of one workflow with all turns of its loops, loops in loops included.
MOST_IN_ALL = 1_000

_IDS = text("SELECT nextval('workflow_steps_id_seq') FROM generate_series(1, :count)")


async def new_step_ids(session: AsyncSession, count: int) -> list[int]:
    """Ids for steps that are about to be made, so that their jobs can point at them before anything is written."""
    return list(await session.scalars(_IDS, {"count": count})) if count else []


def view(step: WorkflowStep) -> dict[str, Any]:
    """A step as references see it."""
    return {
        "$type": step.type,
        "name": step.name,
        "status": step.status,
        "input": step.resolved or step.input,
        "output": step.output,
        "metadata": step.notes,
    }


async def expand(session: AsyncSession, run: Run, step: WorkflowStep) -> list[WorkflowStep]:
    """Make the turns of a loop whose clause is resolved; one without turns has succeeded. Raises Unresolved."""
    made: list[WorkflowStep] = []
    input = step.resolved or {}
    clause, template = input["for"], input["template"]
    items = references.turns(clause, most=MOST_TURNS)
    if len(run.steps) + len(items) > MOST_IN_ALL:
        raise Unresolved(f"with its turns this workflow would have more than {MOST_IN_ALL} steps")
    kind, ids = kinds.known(template["$type"]), await new_step_ids(session, len(items))
    for place, (id, item) in enumerate(zip(ids, items, strict=True)):
        resolver = Resolver({clause["as"]: item})
        retries = template.get("retries")
        turn = WorkflowStep(
            id=id,
            workflow_id=step.workflow_id,
            parent_id=step.id,
            position=step.position,
            name=f"{step.name}[{place}]",
            type=template["$type"],
            status=Status.UNASSIGNED,
            input=resolver.resolve_step(template["$type"], template["input"]),
            notes=template["metadata"] if isinstance(template.get("metadata"), dict) else {},
            priority=step.priority,
            timeout_s=step.timeout_s,
            retries=min(retries, MOST_RETRIES) if isinstance(retries, int) and retries >= 0 else kind.retries,
            needs=[],
            price=0,
            delivered=0,
            terms={},
            warnings=[],
            created_at=run.now,
        )
        made.append(turn)
        run.add_step(turn)
    if not items:
        run.end_step(step, Status.SUCCEEDED, output={"steps": []})
    else:
        run.move_step(step, Status.SCHEDULED)
    return made


def close(run: Run, step: WorkflowStep) -> bool:
    """End a loop when all its turns have ended; whether it did. What its turns gave stands in its output."""
    turns = run.turns_of(step)
    if not turns or any(not Status(turn.status).final for turn in turns):
        return False
    output = {
        "steps": [
            {"$type": turn.type, "name": turn.name, "status": turn.status, "output": turn.output}
            for turn in turns
        ]
    }
    for status in (Status.FAILED, Status.EXPIRED, Status.CANCELED):
        ended = next((turn for turn in turns if turn.status == status), None)
        if ended is not None:
            run.end_step(
                step, status, output=output, reason=ended.reason, blocked_reason=ended.blocked_reason
            )
            return True
    run.end_step(step, Status.SUCCEEDED, output=output)
    return True
