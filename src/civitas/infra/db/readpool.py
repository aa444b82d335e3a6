"""Bare psycopg connections for the fast lane: autocommit, prepared statements, rows as tuples."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import psycopg
from psycopg_pool import AsyncConnectionPool

from civitas.infra.db.database import SEARCH_PATH
from civitas.infra.db.settings import DatabaseSettings


class ReadPool(Protocol):
    """Lends connections for single statements that only read."""

    def connection(self) -> Any:
        """An async context manager of a psycopg AsyncConnection in autocommit."""

    async def fetch(self, query: str, params: Any = None) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""


class PooledReads:
    """A pool of read-only connections in which every repeated statement is prepared."""

    def __init__(self, dsn: str, settings: DatabaseSettings | None = None) -> None:
        settings = settings or DatabaseSettings()
        timeout_ms = int(settings.statement_timeout_s * 1000)
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            dsn,
            min_size=1,
            max_size=settings.read_pool_size,
            open=False,
            timeout=10,
            kwargs={
                "autocommit": True,
                "prepare_threshold": 1,
                "application_name": "civitas-read",
                "options": f"-c search_path={SEARCH_PATH} -c statement_timeout={timeout_ms} -c timezone=UTC "
                # Short statements by many callers: one worker each, in the order in which they are written.
                "-c default_transaction_read_only=on -c max_parallel_workers_per_gather=0 -c jit=off "
                # A prepared statement is one whose plan suits all values; those for which it does not are not prepared.
                "-c plan_cache_mode=force_generic_plan",
            },
        )

    async def open(self) -> None:
        """Connect; needs a running event loop."""
        await self._pool.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Lend one connection."""
        async with self._pool.connection() as connection:
            yield connection

    async def fetch(self, query: str, params: Any = None) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(query.encode(), params)
            return await cursor.fetchall()


class BoundReads:
    """The same over one given connection: what tests use to see their own uncommitted rows."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Lend the one connection."""
        yield self._connection

    async def fetch(self, query: str, params: Any = None) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        cursor = await self._connection.execute(query.encode(), params)
        return await cursor.fetchall()
