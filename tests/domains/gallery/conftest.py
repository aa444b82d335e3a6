"""The read pool on the test's own connection."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.infra.db.database import driver_connection
from civitas.infra.db.readpool import BoundReads


@pytest.fixture
async def reads(session: AsyncSession) -> BoundReads:
    """Reads that see what the test wrote."""
    return BoundReads(await driver_connection(session))
