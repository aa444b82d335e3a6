"""Bare connections for writes that are one statement: one round trip, a transaction of their own."""

from __future__ import annotations

from typing import Any

from civitas.infra.db.direct import Values
from civitas.infra.db.directpool import DirectPool, rows
from civitas.infra.db.settings import DatabaseSettings


class WritePool(DirectPool):
    """Runs single statements that write. Returning means that it is committed, raising that it is not.

    Only for statements that have a key by which they are known again: one whose connection was lost before it
    answered may have been committed, and is asked once more.
    """

    def __init__(self, dsn: str, settings: DatabaseSettings | None = None) -> None:
        settings = settings or DatabaseSettings()
        super().__init__(
            dsn,
            settings,
            name="civitas-write",
            size=settings.pool_size,
            options="-c plan_cache_mode=force_generic_plan -c jit=off",
        )

    async def fetch(self, query: str, params: Values = None) -> list[tuple[Any, ...]]:
        """The rows that a keyed statement returns, after its commit. Raises psycopg's errors."""
        return await self.run(query, params, rows)
