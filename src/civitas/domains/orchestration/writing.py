"""A workflow that is new, written down with all that belongs to it in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar, cast

import orjson
from sqlalchemy import inspect
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.tables import Job, Workflow, WorkflowStep
from civitas.domains.orchestration.turns import TURN, Turn, move
from civitas.infra.db.base import Base
from civitas.infra.db.statements import fetch


def _columns(of: type[Base]) -> Mapping[str, str]:
    """The attribute of each column."""
    return {str(prop.columns[0].name): str(prop.key) for prop in inspect(of).column_attrs}


T = TypeVar("T", bound=Base)

# The attribute of each column, by class.
COLUMNS: Final[Mapping[type[Base], Mapping[str, str]]] = {
    of: _columns(of) for of in (Workflow, WorkflowStep, Job, MediaBlob)
}


_MANAGERS: Final = {of: inspect(of).class_manager for of in COLUMNS}


def plain(of: type[T], **values: Any) -> T:
    """A new row with these values, as the class itself would make it but for noting that each of them was set."""
    made = cast(T, _MANAGERS[of].new_instance())
    made.__dict__.update(values)
    return made


def _insert(of: type[Base], given: str, **instead: str) -> str:
    # Columns are named: a newer schema may have more of them, with defaults of their own.
    named = ", ".join(COLUMNS[of])
    values = ", ".join(instead.get(name, name) for name in COLUMNS[of])
    table = of.__tablename__
    source = f"jsonb_populate_recordset(NULL::{table}, %({given})s::jsonb)"
    return f"INSERT INTO {table} ({named}) SELECT {values} FROM {source}"  # noqa: S608 - names of our own columns


# Rows go as JSON, in the names of the columns; keys between them are looked at when all are there.
_WRITE: Final = (
    f"WITH w AS ({_insert(Workflow, 'workflows')}), s AS ({_insert(WorkflowStep, 'steps')}),"
    f" j AS ({_insert(Job, 'jobs')}) {_insert(MediaBlob, 'blobs')}"
)
_MOVED: Final = "place + (SELECT start FROM turn)"
# The same for one with jobs, which are moved to where their person's turn begins.
_PLACED: Final = (
    f"turn(start) AS ({TURN})",
    f"w AS ({_insert(Workflow, 'workflows')})",
    f"s AS ({_insert(WorkflowStep, 'steps')})",
    f"j AS ({_insert(Job, 'jobs', place=_MOVED)})",
    f"b AS ({_insert(MediaBlob, 'blobs')})",
)
_WRITE_PLACED: Final = f"WITH {', '.join(_PLACED)} SELECT start FROM turn"  # noqa: S608 - names of our own columns


async def write_new(
    session: AsyncSession,
    workflow: Workflow,
    steps: Sequence[WorkflowStep],
    jobs: Sequence[Job],
    blobs: Sequence[MediaBlob],
    turn: Turn | None = None,
) -> None:
    """Write rows that no session has. They stay as they are: what is changed of them later is not noticed.

    With a `turn`, the jobs are moved there.
    """
    values = {
        "workflows": as_json([row(workflow)]),
        "steps": as_json([row(step) for step in steps]),
        "jobs": as_json([row(job) for job in jobs]),
        "blobs": as_json([row(blob) for blob in blobs]),
    }
    if turn is None:
        await fetch(session, _WRITE, values)
        return
    ((start,),) = await fetch(session, _WRITE_PLACED, values | turn.values())
    move(jobs, float(start))


def row(made: Base) -> dict[str, Any]:
    """A row by the names of its columns."""
    known = made.__dict__
    return {column: known.get(name) for column, name in COLUMNS[type(made)].items()}


def as_json(value: Any) -> str:
    """Rows as the database reads them."""
    return orjson.dumps(value, default=_bytes).decode()


def _bytes(value: Any) -> str:
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    raise TypeError(f"no way to write a {type(value).__name__}")
