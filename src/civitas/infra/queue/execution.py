"""Running one task: what both the background process and `drain` in tests do."""

from __future__ import annotations

import asyncio
import random
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog
from opentelemetry.trace import SpanKind
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert

from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.outbox import EVENT_TASK, MESSAGE_TASK
from civitas.infra.queue.registry import REGISTRY, Listener
from civitas.infra.queue.tables import HeardEvent, TaskFailure
from civitas.infra.telemetry import traces
from civitas.kit.errors import Fault

log = structlog.get_logger(__name__)

SCHEDULE_TASK = "civitas.schedule"
LONGEST_PAUSE_S = 6 * 3600
DEFAULT_ATTEMPTS = 8


class UnknownTask(Exception):
    """The queue holds a task that this version of the program does not know."""


async def execute(context: TaskContext, task: str, arguments: dict[str, Any]) -> None:
    """Run one queued task to its end, or raise what it raised."""
    name = str(arguments["name"])
    shown = str(arguments.get("listener") or name)
    structlog.contextvars.bind_contextvars(task=shown)
    with traces.span(f"task {shown}", kind=SpanKind.CONSUMER, task=shown):
        await _dispatch(context, task, name, arguments)


async def _dispatch(context: TaskContext, task: str, name: str, arguments: dict[str, Any]) -> None:
    if task == MESSAGE_TASK:
        handler = REGISTRY.handlers.get(name)
        if handler is None:
            raise UnknownTask(name)
        message = handler.adapter.validate_python(arguments["body"])
        async with asyncio.timeout(handler.timeout_s):
            await handler.run(message, context)
    elif task == EVENT_TASK:
        await _hear(context, _listener(name, str(arguments["listener"])), arguments)
    elif task == SCHEDULE_TASK:
        schedule = REGISTRY.schedules.get(name)
        if schedule is None:
            raise UnknownTask(name)
        await schedule.run(context)
    else:
        raise UnknownTask(task)


async def _hear(context: TaskContext, listener: Listener, arguments: dict[str, Any]) -> None:
    event = listener.adapter.validate_python(arguments["body"])
    async with context.unit() as session:
        first = await session.scalar(
            insert(HeardEvent)
            .values(event_id=uuid.UUID(arguments["event"]), listener=listener.name)
            .on_conflict_do_nothing()
            .returning(HeardEvent.listener)
        )
        if first is not None:
            await listener.run(session, event)


def _listener(event: str, name: str) -> Listener:
    for listener in REGISTRY.listeners.get(event, []):
        if listener.name == name:
            return listener
    raise UnknownTask(f"{event} -> {name}")


def attempts_allowed(task: str, arguments: dict[str, Any]) -> int:
    """How often this task may be tried before it is a dead letter."""
    name = str(arguments.get("name"))
    if task == MESSAGE_TASK and (handler := REGISTRY.handlers.get(name)):
        return handler.attempts
    if task == EVENT_TASK:
        for listener in REGISTRY.listeners.get(name, []):
            if listener.name == arguments.get("listener"):
                return listener.attempts
    return 1 if task == SCHEDULE_TASK else DEFAULT_ATTEMPTS


def pause_before_retry(error: BaseException, attempts: int, allowed: int) -> timedelta | None:
    """How long to wait before the next try, or None when this error is final.

    2 s, 4 s, 8 s ... with a fifth of jitter and six hours at most. A Fault says that the input is wrong, which
    a repetition does not mend, unless something outside was unavailable.
    """
    if attempts + 1 >= allowed:
        return None
    if isinstance(error, Fault) and error.kind not in {"unavailable", "limited"}:
        return None
    seconds = min(2.0 ** (attempts + 1), LONGEST_PAUSE_S)
    return timedelta(seconds=seconds * random.uniform(0.9, 1.1))  # noqa: S311 (jitter, not a secret)


async def record_failure(
    context: TaskContext,
    task_id: int,
    task: str,
    arguments: dict[str, Any],
    error: BaseException,
    final: bool,
) -> None:
    """Keep the last error of a task for staff; the traceback goes to the log only."""
    told = f"{type(error).__name__}: {error}"[:2000]
    values = {
        "name": str(arguments.get("listener") or arguments.get("name") or task),
        "error": told,
        "attempts": context.attempt + 1,
        "final": final,
        "arguments": arguments,
    }
    async with context.unit() as session:
        await session.execute(
            insert(TaskFailure)
            .values(task_id=task_id, **values)
            .on_conflict_do_update(index_elements=["task_id"], set_={**values, "failed_at": func.now()})
        )


def with_attempt(context: TaskContext, attempt: int) -> TaskContext:
    """The context of a later attempt."""
    return replace(context, attempt=attempt)
