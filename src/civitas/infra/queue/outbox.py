"""Putting work into the queue inside the business transaction."""

from __future__ import annotations

from dataclasses import is_dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.infra.db import notices
from civitas.infra.db.statements import fetch
from civitas.infra.queue.registry import REGISTRY, wire_name
from civitas.kit import clock
from civitas.kit.ids import new_uuid

# Names under which the two procrastinate tasks are known; what runs is chosen by their arguments.
MESSAGE_TASK = "civitas.message"
EVENT_TASK = "civitas.event"

_INSERT = """
    INSERT INTO procrastinate.procrastinate_jobs
        (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)
    SELECT q.queue, q.task, q.priority, q.lock, q.once, q.args, q.at
      FROM jsonb_to_recordset(%(rows)s::jsonb)
           AS q(queue text, task text, priority integer, lock text, once text, args jsonb, at timestamptz)
    ON CONFLICT (queueing_lock) WHERE status = 'todo' DO NOTHING
    """

# What procrastinate's own trigger says; migration 0039 tells why that is silent for what is inserted here.
_CHANNEL = "procrastinate_queue_v1"
_ANY_CHANNEL = "procrastinate_any_queue_v1"
_INSERTED = '{"type": "job_inserted", "job_id": 0}'

_adapters: dict[type, TypeAdapter[Any]] = {}


def to_json(value: Any) -> Any:
    """A message or event as JSON-ready data."""
    kind = type(value)
    if not is_dataclass(value):
        raise TypeError(f"{kind.__name__} must be a frozen dataclass")
    adapter = _adapters.get(kind)
    if adapter is None:
        adapter = _adapters[kind] = TypeAdapter(kind)
    return adapter.dump_python(value, mode="json")


async def defer(
    session: AsyncSession,
    message: Any,
    *,
    after: timedelta | None = None,
    at: datetime | None = None,
    lock: str | None = None,
    once: str | None = None,
    priority: int = 0,
) -> None:
    """Run `message` in the background after this transaction commits, never if it rolls back.

    `lock`: tasks with the same lock run one after another. `once`: while a task with this word waits, a second
    is not added. A higher `priority` runs first.
    """
    name = wire_name(type(message))
    handler = REGISTRY.handlers.get(name)
    due = at or (clock.now() + after if after else None)
    row = {
        "queue": handler.queue if handler else "default",
        "task": MESSAGE_TASK,
        "priority": priority,
        "lock": lock,
        "once": once,
        "args": {"name": name, "body": to_json(message)},
        "at": due.isoformat() if due else None,
    }
    await _insert(session, [row])


async def publish(session: AsyncSession, *events: Any) -> None:
    """State facts: one task per listener of each event, in this transaction."""
    rows: list[dict[str, Any]] = []
    for event in events:
        listeners = REGISTRY.listeners_of(type(event))
        if not listeners:
            continue
        name, body, event_id = wire_name(type(event)), to_json(event), str(new_uuid())
        rows += [
            {
                "queue": listener.queue,
                "task": EVENT_TASK,
                "priority": 0,
                "args": {"name": name, "body": body, "event": event_id, "listener": listener.name},
            }
            for listener in listeners
        ]
    if rows:
        await _insert(session, rows)


async def _insert(session: AsyncSession, rows: list[dict[str, Any]]) -> None:
    await session.flush()
    await fetch(session, _INSERT, {"rows": orjson.dumps(rows).decode()})
    for queue in {row["queue"] for row in rows if row.get("at") is None}:
        # A background process that hears nothing looks by itself every few seconds.
        notices.after_commit(session, f"{_CHANNEL}#{queue}", _INSERTED)
        notices.after_commit(session, _ANY_CHANNEL, _INSERTED)
