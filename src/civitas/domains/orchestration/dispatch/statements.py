"""The statements of `sql/*.sql`, prepared, on the connection of a unit of work and past the mapper: the hot path."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.infra.db.statements import fetch
from civitas.kit import sql

PACKAGE = "civitas.domains.orchestration.dispatch"


async def run(session: AsyncSession, file: str, name: str, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of a named statement. Raises psycopg's errors."""
    return await fetch(session, sql.statements(PACKAGE, file)[name], values)
