"""Prepared statements on the connection of a unit of work, past the mapper and the driver's cursors: for the hot path."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.infra.db.database import direct_of
from civitas.infra.db.direct import Values


async def fetch(session: AsyncSession, statement: str, values: Values = None) -> list[tuple[Any, ...]]:
    """The rows of a statement, none for one that gives none. What the session has not flushed is not seen.

    Values go without a type: the server finds it where they stand. Raises psycopg's errors.
    """
    direct = await direct_of(session)
    async with direct.connection.lock:
        return direct.rows(await direct.ask_within(statement, values))
