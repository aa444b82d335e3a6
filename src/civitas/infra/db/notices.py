"""NOTIFY after the commit, many at once, by a transaction of its own.

A transaction that notifies holds a lock of the whole server from before its commit until the disk has it, so that
notices come in the order of commits: no two such transactions can become durable together. One that does nothing but
notify writes nothing, and waits for no disk. What is noticed must therefore bear that a notice is lost, when the process
ends between both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

log = structlog.get_logger(__name__)

_KEY = "notices"
_NOTIFY = text(
    "SELECT pg_notify(n.channel, n.payload)"
    " FROM unnest(CAST(:channels AS text[]), CAST(:payloads AS text[])) AS n(channel, payload)"
)

Notice = tuple[str, str]


def after_commit(session: AsyncSession, channel: str, payload: str) -> None:
    """Notify this channel once the session's transaction is committed, and not at all when it rolls back."""
    session.info.setdefault(_KEY, set()).add((channel, payload))


def of(session: AsyncSession) -> set[Notice]:
    """What is to be noticed when this session has committed."""
    found: set[Notice] = session.info.get(_KEY, set())
    return found


class Notices:
    """Sends notices in the background, those that came meanwhile together with the next."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: set[Notice] = set()
        self._sending: asyncio.Task[None] | None = None

    def send(self, notices: Iterable[Notice]) -> None:
        """Send these soon. Needs a running event loop."""
        self._waiting.update(notices)
        if self._waiting and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._send())

    async def _send(self) -> None:
        while self._waiting:
            sent, self._waiting = sorted(self._waiting), set()
            values = {"channels": [one[0] for one in sent], "payloads": [one[1] for one in sent]}
            try:
                async with self._engine.connect() as connection:
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                    await connection.execute(_NOTIFY, values)
            except SQLAlchemyError as error:
                # Who waits for them looks by itself from time to time.
                log.warning("database.notices_lost", count=len(sent), error=str(error))

    async def close(self) -> None:
        """Send what waits, then no more."""
        if self._sending is not None:
            await self._sending
