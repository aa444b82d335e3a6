"""A workflow's rows as plain objects that no session has, for the hot path: read, changed, and written back in one statement.

Reading them through the mapper and letting it find out what was changed costs more than all else that ends a job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.orchestration.tables import Job, Workflow, WorkflowStep
from civitas.domains.orchestration.writing import COLUMNS, as_json, plain
from civitas.infra.db.base import Base
from civitas.infra.db.statements import fetch

T = TypeVar("T", bound=Base)

# What never changes once it is written, or only elsewhere: of these nothing is written back.
_FIXED: Final[Mapping[type[Base], Set[str]]] = {
    Workflow: {"id", "person_id", "key_id", "created_at", "fingerprint", "domain"},
    WorkflowStep: {"id", "workflow_id", "parent_id", "position", "name", "type", "created_at"},
    Job: {
        "id",
        "workflow_id",
        "step_id",
        "person_id",
        "number",
        "created_at",
        "step_type",
        "progress",
        "preview",
        "note",
    },
}
# Written only where they changed: they may be large.
_LARGE: Final = {"input", "resolved", "output", "arguments", "metadata", "callbacks", "media", "resources"}


def _select(of: type[Base], rest: str) -> str:
    return f"SELECT {', '.join(f't.{name}' for name in COLUMNS[of])} FROM {of.__tablename__} t {rest}"  # noqa: S608


def _update(of: type[Base], given: str) -> str:
    table = of.__tablename__
    sets = ", ".join(
        f"{name} = coalesce(r.{name}, t.{name})" if name in _LARGE else f"{name} = r.{name}"
        for name in COLUMNS[of]
        if name not in _FIXED[of]
    )
    source = f"jsonb_populate_recordset(NULL::{table}, %({given})s::jsonb)"
    return f"UPDATE {table} t SET {sets} FROM {source} r WHERE t.id = r.id"  # noqa: S608 - names of our own columns


_OWNER: Final = "WHERE t.id = (SELECT j.workflow_id FROM jobs j WHERE j.id = %s) FOR UPDATE"
_WORKFLOW: Final = _select(Workflow, _OWNER)
_STEPS: Final = _select(WorkflowStep, "WHERE t.workflow_id = %s ORDER BY t.position, t.id")
_JOBS: Final = _select(Job, "WHERE t.workflow_id = %s ORDER BY t.step_id, t.number, t.attempt")
_WRITE: Final = (
    f"WITH w AS ({_update(Workflow, 'workflows')}), s AS ({_update(WorkflowStep, 'steps')})"
    f" {_update(Job, 'jobs')}"
)


@dataclass(slots=True)
class Kept:
    """The rows of a locked workflow, and how they were."""

    workflow: Workflow
    steps: list[WorkflowStep]
    jobs: list[Job]
    before: dict[int, dict[str, Any]] = field(default_factory=dict)


async def locked_by_job(session: AsyncSession, job_id: str) -> Kept | None:
    """Lock the workflow of a job and read all that belongs to it; None when the job is not there."""
    await session.flush()
    found = await fetch(session, _WORKFLOW, (job_id,))
    if not found:
        return None
    workflow = _made(Workflow, found[0])
    steps = [_made(WorkflowStep, row) for row in await fetch(session, _STEPS, (workflow.id,))]
    jobs = [_made(Job, row) for row in await fetch(session, _JOBS, (workflow.id,))]
    kept = Kept(workflow, steps, jobs)
    for one in (workflow, *steps, *jobs):
        kept.before[id(one)] = dict(one.__dict__)
    return kept


def _made(of: type[T], row: tuple[Any, ...]) -> T:
    return plain(of, **dict(zip(COLUMNS[of].values(), row, strict=True)))


# What JSON has no kind of its own for, by column.
_READ: Final[Mapping[type[Any], Callable[[Any], Any]]] = {
    datetime: datetime.fromisoformat,
    bytes: lambda said: bytes.fromhex(said[2:]),
    float: float,
}
_READERS: Final[Mapping[type[Base], Mapping[str, Callable[[Any], Any]]]] = {
    of: {
        column.name: read
        for column in of.__table__.columns
        if (read := _READ.get(column.type.python_type)) is not None and column.name in COLUMNS[of]
    }
    for of in _FIXED
}


def kept_of(
    workflows: Sequence[Mapping[str, Any]],
    steps: Sequence[Mapping[str, Any]],
    jobs: Sequence[Mapping[str, Any]],
) -> list[Kept]:
    """Locked workflows with all that belongs to them, of rows as the database gives them as JSON."""
    made = {row["id"]: Kept(_read(Workflow, row), [], []) for row in workflows}
    for row in steps:
        made[row["workflow_id"]].steps.append(_read(WorkflowStep, row))
    for row in jobs:
        made[row["workflow_id"]].jobs.append(_read(Job, row))
    for kept in made.values():
        for one in (kept.workflow, *kept.steps, *kept.jobs):
            kept.before[id(one)] = dict(one.__dict__)
    return list(made.values())


def _read(of: type[T], row: Mapping[str, Any]) -> T:
    values = {attribute: row[column] for column, attribute in COLUMNS[of].items()}
    for column, read in _READERS[of].items():
        if row[column] is not None:
            values[COLUMNS[of][column]] = read(row[column])
    return plain(of, **values)


# What is written back of a changed row: column and attribute.
_WRITTEN: Final = {
    of: tuple((column, name) for column, name in COLUMNS[of].items() if column == "id" or column not in fixed)
    for of, fixed in _FIXED.items()
}


async def write_back(session: AsyncSession, all_kept: Sequence[Kept]) -> None:
    """Write what was changed since it was read, or written back before."""
    workflows, steps, jobs = (
        [row for kept in all_kept for row in _changed(kept, [kept.workflow])],
        [row for kept in all_kept for row in _changed(kept, kept.steps)],
        [row for kept in all_kept for row in _changed(kept, kept.jobs)],
    )
    if workflows or steps or jobs:
        values = {"workflows": as_json(workflows), "steps": as_json(steps), "jobs": as_json(jobs)}
        await fetch(session, _WRITE, values)


def _changed(kept: Kept, rows: Sequence[Base]) -> list[dict[str, Any]]:
    made = []
    for one in rows:
        before, now = kept.before[id(one)], one.__dict__
        if now != before:
            kept.before[id(one)] = dict(now)
            made.append(
                {
                    column: None if column in _LARGE and now[name] is before[name] else now[name]
                    for column, name in _WRITTEN[type(one)]
                }
            )
    return made
