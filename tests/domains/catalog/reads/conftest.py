"""The read pool on the test's own connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.infra.db.database import driver_connection
from civitas.infra.db.readpool import BoundReads


@pytest.fixture
async def reads(session: AsyncSession) -> BoundReads:
    """Reads that see what the test wrote."""
    return BoundReads(await driver_connection(session))


class Queries:
    """Counts the statements that run on one connection."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self.count = 0
        self._connection = connection

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Start from nothing and count what runs inside."""
        outer = self
        before = self._connection.cursor_factory

        class Counting(before):  # type: ignore[misc, valid-type]
            async def execute(self, *args: Any, **kwargs: Any) -> Any:
                outer.count += 1
                return await super().execute(*args, **kwargs)

        self.count = 0
        self._connection.cursor_factory = Counting
        try:
            yield
        finally:
            self._connection.cursor_factory = before


@pytest.fixture
async def queries(session: AsyncSession) -> Queries:
    """A counter of statements: `with queries.counted(): ...; assert queries.count == n`."""
    return Queries(await driver_connection(session))
