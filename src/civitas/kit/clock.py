"""Time, always in UTC and always through here, so that a test can hold it still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_held: ContextVar[datetime | None] = ContextVar("held_clock", default=None)


def now() -> datetime:
    """The present moment as an aware UTC datetime, or the moment a test holds."""
    return _held.get() or datetime.now(UTC)


@contextmanager
def held_at(moment: datetime) -> Iterator[None]:
    """Hold `now()` at `moment` (aware) within this context."""
    if moment.tzinfo is None:
        raise ValueError("held_at() needs an aware datetime")
    token = _held.set(moment)
    try:
        yield
    finally:
        _held.reset(token)


def rfc3339(moment: datetime) -> str:
    """`2026-01-31T23:59:59.123Z`: RFC 3339 in UTC with milliseconds, as existing clients expect it."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"
