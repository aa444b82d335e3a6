"""Bare connections in autocommit that run single prepared statements, opened as they are needed and kept."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg.pq.abc import PGresult

from civitas.infra.db.database import SEARCH_PATH
from civitas.infra.db.direct import Direct, Values
from civitas.infra.db.settings import DatabaseSettings

WAIT_S = 10.0

T = TypeVar("T")
Taken = Callable[[Direct, PGresult], T]


def rows(direct: Direct, result: PGresult) -> list[tuple[Any, ...]]:
    """A result as Python values."""
    return direct.rows(result)


class DirectPool:
    """Connections for statements that may be asked twice.

    A statement whose connection turns out to be gone is asked once more on a new one. So it must only read, or say
    by a key that it is the same.
    """

    def __init__(
        self, dsn: str, settings: DatabaseSettings | None = None, *, name: str, size: int, options: str
    ) -> None:
        settings = settings or DatabaseSettings()
        self._dsn = dsn
        self._name = name
        self._size = size
        self._options = (
            f"-c search_path={SEARCH_PATH} -c timezone=UTC "
            f"-c statement_timeout={int(settings.statement_timeout_s * 1000)} "
            # Who leaves in the middle of a statement closes the connection, which ends the statement.
            f"-c client_connection_check_interval=1000 {options}"
        )
        self._idle: list[Direct] = []
        self._open = 0
        self._waiting: deque[asyncio.Future[Direct | None]] = deque()

    async def open(self) -> None:
        """Connect, so that a wrong address is noticed at the start."""
        self._back(await self._take())

    async def close(self) -> None:
        """Close every idle connection; those in use are closed as they come back."""
        self._size = 0
        while self._idle:
            await self._idle.pop().connection.close()

    async def run(self, query: str, params: Values, taken: Taken[T], *, planned: bool = False) -> T:
        """Ask one statement and give its result to `taken`. Raises psycopg's errors."""
        for last in (False, True):
            direct = await self._take()
            whole = False
            try:
                ask = direct.ask_planned if planned else direct.ask
                found = taken(direct, await ask(query, params))
                whole = True
                return found
            except psycopg.Error:
                # An error that the server told leaves the connection as good as before.
                whole = not direct.broken
                if whole or last:
                    raise
                self._forget_idle()
            finally:
                self._back(direct, whole=whole)
        raise AssertionError("unreachable")

    async def _take(self) -> Direct:
        if self._idle:
            return self._idle.pop()
        if self._open < self._size:
            return await self._connect()
        waiter: asyncio.Future[Direct | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(WAIT_S):
                handed = await waiter
        except BaseException as error:
            if waiter.done() and not waiter.cancelled() and (late := waiter.result()) is not None:
                self._back(late)
            if isinstance(error, TimeoutError):
                raise psycopg.OperationalError("all connections are busy") from None
            raise
        return handed or await self._connect()

    async def _connect(self) -> Direct:
        self._open += 1
        try:
            connection = await psycopg.AsyncConnection.connect(
                self._dsn,
                autocommit=True,
                application_name=self._name,
                options=self._options,
                connect_timeout=10,
            )
        except BaseException:
            self._gone()
            raise
        return Direct(connection)

    def _back(self, direct: Direct, *, whole: bool = True) -> None:
        """Take a connection back; one whose statement was left in the middle is closed."""
        if not whole or self._open > self._size:
            direct.finish()
            self._gone()
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(direct)
                return
        self._idle.append(direct)

    def _gone(self) -> None:
        """There may be one connection more: the next in the row may open it."""
        self._open -= 1
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _forget_idle(self) -> None:
        """A server that was restarted has closed them all."""
        for direct in self._idle:
            direct.finish()
            self._open -= 1
        self._idle.clear()
