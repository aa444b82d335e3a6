"""Prepared statements on the connection of a unit of work, past the mapper: for the hot path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.infra.db.database import driver_connection


async def fetch(
    session: AsyncSession, statement: str, values: Mapping[str, Any] | Sequence[Any] | None = None
) -> list[tuple[Any, ...]]:
    """The rows of a statement, none for one that gives none. What the session has not flushed is not seen.

    Raises psycopg's errors.
    """
    connection = await driver_connection(session)
    cursor = await connection.execute(_encoded(statement), values, prepare=True)
    return await cursor.fetchall() if cursor.description else []


@lru_cache(maxsize=1000)
def _encoded(statement: str) -> bytes:
    return statement.encode()
