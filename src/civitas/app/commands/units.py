"""One unit of work of a command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.app import wiring
from civitas.app.console import database_running, load_settings
from civitas.infra.db.database import Database


@asynccontextmanager
async def _database(dsn: str) -> AsyncIterator[Database]:
    database = Database(dsn)
    try:
        yield database
    finally:
        await database.close()


def in_unit(work: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
    """Run one unit of work against the instance's database and return what it returns."""

    async def run(dsn: str) -> Any:
        wiring.wire()
        async with _database(dsn) as database, database.unit() as session:
            return await work(session)

    with database_running(load_settings()) as dsn:
        return asyncio.run(run(dsn))
