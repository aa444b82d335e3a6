"""Bare connections for the fast lane: autocommit, prepared statements, rows as tuples or as bytes."""

from __future__ import annotations

from typing import Any, Protocol

import psycopg
from psycopg.pq.abc import PGresult

from civitas.infra.db.direct import Direct, Values
from civitas.infra.db.directpool import DirectPool, T, Taken, rows
from civitas.infra.db.settings import DatabaseSettings


class ReadPool(Protocol):
    """Runs single statements that only read. Everything raises psycopg's errors."""

    async def fetch(self, query: str, params: Values = None) -> list[tuple[Any, ...]]:
        """Run a statement whose plan does not depend on its values: it is prepared and its plan kept."""

    async def fetch_planned(self, query: str, params: Values = None) -> list[tuple[Any, ...]]:
        """Run a statement planned for these very values, because the best plan depends on how common they are."""

    async def fetch_bytes(self, query: str, params: Values = None) -> list[list[bytes | None]]:
        """`fetch`, each value as the text that the server sent."""

    async def fetch_planned_bytes(self, query: str, params: Values = None) -> list[list[bytes | None]]:
        """`fetch_planned`, each value as the text that the server sent."""


def _bytes(_: Direct, result: PGresult) -> list[list[bytes | None]]:
    columns = range(result.nfields)
    return [[result.get_value(row, column) for column in columns] for row in range(result.ntuples)]


class PooledReads(DirectPool):
    """Read-only connections."""

    def __init__(self, dsn: str, settings: DatabaseSettings | None = None) -> None:
        settings = settings or DatabaseSettings()
        super().__init__(
            dsn,
            settings,
            name="civitas-read",
            size=settings.read_pool_size,
            # Short statements by many callers: one worker each, in the order in which they are written. A prepared
            # statement is one whose plan suits all values; those for which it does not are not prepared.
            options="-c default_transaction_read_only=on -c max_parallel_workers_per_gather=0 -c jit=off "
            "-c plan_cache_mode=force_generic_plan",
        )

    async def fetch(self, query: str, params: Values = None) -> list[tuple[Any, ...]]:
        """See ReadPool."""
        return await self.run(query, params, rows)

    async def fetch_planned(self, query: str, params: Values = None) -> list[tuple[Any, ...]]:
        """See ReadPool."""
        return await self.run(query, params, rows, planned=True)

    async def fetch_bytes(self, query: str, params: Values = None) -> list[list[bytes | None]]:
        """See ReadPool."""
        return await self.run(query, params, _bytes)

    async def fetch_planned_bytes(self, query: str, params: Values = None) -> list[list[bytes | None]]:
        """See ReadPool."""
        return await self.run(query, params, _bytes, planned=True)


class BoundReads:
    """The same over one given connection: what tests use to see their own uncommitted rows. `asked` counts."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self.asked = 0

    async def fetch(self, query: str, params: Values = None) -> list[tuple[Any, ...]]:
        """See ReadPool."""
        return await self._run(query, params, rows)

    async def fetch_planned(self, query: str, params: Values = None) -> list[tuple[Any, ...]]:
        """See ReadPool."""
        return await self._run(query, params, rows, planned=True)

    async def fetch_bytes(self, query: str, params: Values = None) -> list[list[bytes | None]]:
        """See ReadPool."""
        return await self._run(query, params, _bytes)

    async def fetch_planned_bytes(self, query: str, params: Values = None) -> list[list[bytes | None]]:
        """See ReadPool."""
        return await self._run(query, params, _bytes, planned=True)

    async def _run(self, query: str, params: Values, taken: Taken[T], *, planned: bool = False) -> T:
        # Anew each time: where the connection's own transaction is rolled back, psycopg drops what was prepared.
        direct = Direct(self._connection)
        async with self._connection.lock:
            self.asked += 1
            ask = direct.ask_planned if planned else direct.ask
            return taken(direct, await ask(query, params))
