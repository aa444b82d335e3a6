"""Counters of models and versions: folded from append-only rows, then shown without rebuilding documents."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.catalog import rebuilding
from civitas.infra.db.database import driver_connection
from civitas.kit.sql import statements

SQL = statements("civitas.domains.catalog", "counts.sql")

BATCH = 50_000


async def fold_downloads(session: AsyncSession, *, limit: int = BATCH) -> int:
    """Count up to `limit` downloads that were not counted yet; how many there were."""
    connection = await driver_connection(session)
    cursor = await connection.execute(SQL["fold_downloads"].encode(), {"limit": limit})
    rows = await cursor.fetchall()
    if not rows:
        return 0
    await rebuilding.refresh(session, [row[0] for row in rows])
    return int(rows[0][1])


async def count_favourites(session: AsyncSession, model_ids: Sequence[int]) -> None:
    """Count anew how many people have these models as favourites; counting twice changes nothing."""
    connection = await driver_connection(session)
    await session.flush()
    await connection.execute(SQL["count_favourites"].encode(), {"ids": list(model_ids)})
    await rebuilding.refresh(session, model_ids)
