"""Who handles what: messages, events, schedules. Filled by decorators, read by the queue."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, is_dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from civitas.infra.queue.context import TaskContext

M = TypeVar("M")
E = TypeVar("E")

TaskFunction = Callable[[Any, "TaskContext"], Awaitable[None]]
ListenerFunction = Callable[["AsyncSession", Any], Awaitable[None]]
ScheduleFunction = Callable[["TaskContext"], Awaitable[None]]

_SHORT_EVERY = re.compile(r"^(\d+)([mhd])$")


def wire_name(kind: type) -> str:
    """`catalog.ScanFile` for a message or event class: its domain and its name, stable across moves."""
    parts = kind.__module__.split(".")
    if "domains" in parts:
        home = parts[parts.index("domains") + 1]
    elif "events" in parts:
        home = parts[parts.index("events") + 1]
    else:
        home = parts[-1]
    return f"{home}.{kind.__name__}"


def function_name(function: Callable[..., Any]) -> str:
    """`catalog.rebuild_document` for a listener or schedule."""
    parts = function.__module__.split(".")
    home = parts[parts.index("domains") + 1] if "domains" in parts else parts[-1]
    return f"{home}.{function.__name__}"


def as_cron(every: str) -> str:
    """`5m`, `2h` and `1d` as cron; anything else is taken as cron already."""
    short = _SHORT_EVERY.match(every)
    if short is None:
        return every
    count, unit = int(short[1]), short[2]
    return {"m": f"*/{count} * * * *", "h": f"0 */{count} * * *", "d": f"15 3 */{count} * *"}[unit]


@dataclass(frozen=True)
class Handler:
    """One function that runs one kind of message."""

    message: type
    run: TaskFunction
    queue: str
    attempts: int
    timeout_s: float

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Turns the stored JSON into the message."""
        return TypeAdapter(self.message)


@dataclass(frozen=True)
class Listener:
    """One function that runs for one kind of event, once per event."""

    event: type
    run: ListenerFunction
    name: str
    queue: str
    attempts: int

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Turns the stored JSON into the event."""
        return TypeAdapter(self.event)


@dataclass(frozen=True)
class Schedule:
    """One function that runs at times given by a cron line (UTC)."""

    name: str
    cron: str
    run: ScheduleFunction


@dataclass
class Registry:
    """All handlers of a process. `wired` is set by app.wiring once every room has been imported."""

    handlers: dict[str, Handler] = field(default_factory=dict)
    listeners: dict[str, list[Listener]] = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    wired: bool = False

    def listeners_of(self, event: type) -> list[Listener]:
        """The listeners of an event class; raises RuntimeError before wiring, for then some would be missed."""
        if not self.wired:
            raise RuntimeError("an event was published before app.wiring imported the listeners")
        return self.listeners.get(wire_name(event), [])

    def event_table(self) -> Mapping[str, list[str]]:
        """Event name to the names of its listeners, sorted: what `civitas admin events` prints."""
        return {
            event: sorted(listener.name for listener in found)
            for event, found in sorted(self.listeners.items())
        }


REGISTRY = Registry()


def handles(
    message: type[M], *, queue: str = "default", attempts: int = 8, timeout_s: float = 600.0
) -> Callable[[Callable[[M, TaskContext], Awaitable[None]]], Callable[[M, TaskContext], Awaitable[None]]]:
    """Run this function for every deferred `message`; at least once, so it must bear repetition.

    A raise is retried with growing pauses up to `attempts`; then the task is a dead letter. A Fault other
    than Unavailable or Limited is final at once.
    """

    def register(
        function: Callable[[M, TaskContext], Awaitable[None]],
    ) -> Callable[[M, TaskContext], Awaitable[None]]:
        name = wire_name(message)
        if not is_dataclass(message):
            raise TypeError(f"{name} must be a dataclass")
        if name in REGISTRY.handlers:
            raise ValueError(f"{name} has two handlers")
        REGISTRY.handlers[name] = Handler(message, function, queue, attempts, timeout_s)
        return function

    return register


def on(
    event: type[E], *, queue: str = "default", attempts: int = 12
) -> Callable[[Callable[[AsyncSession, E], Awaitable[None]]], Callable[[AsyncSession, E], Awaitable[None]]]:
    """Run this function once for every published `event`, in a transaction of its own.

    Raises ValueError when the domain already has a listener of this event with the same name.
    """

    def register(
        function: Callable[[AsyncSession, E], Awaitable[None]],
    ) -> Callable[[AsyncSession, E], Awaitable[None]]:
        listener = Listener(event, function, function_name(function), queue, attempts)
        beside = REGISTRY.listeners.setdefault(wire_name(event), [])
        # What ran is remembered by name: of two with the same one, the second would never run.
        if any(other.name == listener.name for other in beside):
            raise ValueError(f"{wire_name(event)} has two listeners called {listener.name}")
        beside.append(listener)
        return function

    return register


def every(
    when: str,
) -> Callable[[Callable[[TaskContext], Awaitable[None]]], Callable[[TaskContext], Awaitable[None]]]:
    """Run this function at `when`: `5m`, `2h`, `1d` or a cron line in UTC. Runs never overlap."""

    def register(
        function: Callable[[TaskContext], Awaitable[None]],
    ) -> Callable[[TaskContext], Awaitable[None]]:
        name = function_name(function)
        if name in REGISTRY.schedules:
            raise ValueError(f"{name} is scheduled twice")
        REGISTRY.schedules[name] = Schedule(name, as_cron(when), function)
        return function

    return register
