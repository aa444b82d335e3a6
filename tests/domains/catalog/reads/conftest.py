"""The read pool on the test's own connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.infra.db.database import driver_connection
from civitas.infra.db.readpool import BoundReads


@pytest.fixture
async def reads(session: AsyncSession) -> BoundReads:
    """Reads that see what the test wrote."""
    return BoundReads(await driver_connection(session))


class Queries:
    """Counts the statements that the read pool runs."""

    def __init__(self, reads: BoundReads) -> None:
        self.count = 0
        self._reads = reads

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Start from nothing and count what runs inside."""
        before = self._reads.asked
        yield
        self.count = self._reads.asked - before


@pytest.fixture
async def queries(reads: BoundReads) -> Queries:
    """A counter of statements: `with queries.counted(): ...; assert queries.count == n`."""
    return Queries(reads)
