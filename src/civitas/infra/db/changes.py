"""How many rows a statement touched."""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import UpdateBase


async def count_changed(session: AsyncSession, statement: UpdateBase) -> int:
    """Run an INSERT, UPDATE or DELETE and return the number of rows that it wrote or removed."""
    result = cast("CursorResult[Any]", await session.execute(statement))
    return result.rowcount
