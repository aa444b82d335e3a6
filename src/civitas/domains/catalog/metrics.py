"""Counters of models and versions: folded from append-only rows, then shown without rebuilding documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.catalog import rebuilding
from civitas.infra.db.database import driver_connection
from civitas.kit import money
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


async def count_tip(session: AsyncSession, *, kind: str, subject_id: int, amount: int) -> None:
    """Add a tip of `amount` quarters on a `model`, or a `model_version` of it; counters are in whole Buzz."""
    connection = await driver_connection(session)
    await session.flush()
    cursor = await connection.execute(
        SQL["count_tip"].encode(), {"kind": kind, "id": subject_id, "buzz": amount // money.QUARTERS}
    )
    row = await cursor.fetchone()
    if row is not None:
        await rebuilding.refresh(session, [row[0]])


async def count_generations(session: AsyncSession, images: Mapping[int, int]) -> None:
    """Add what was generated with versions, by their ids, to their counters and those of their models."""
    connection = await driver_connection(session)
    await session.flush()
    cursor = await connection.execute(
        SQL["count_generations"].encode(), {"versions": list(images), "images": list(images.values())}
    )
    await rebuilding.refresh(session, [row[0] for row in await cursor.fetchall()])


async def set_comments(session: AsyncSession, *, model_id: int, comments: int) -> None:
    """Show how many comments a model has; whoever counts them holds the count until the transaction ends."""
    await _shown(session, "set_comments", {"id": model_id, "comments": comments})


async def set_thumbs(session: AsyncSession, *, version_id: int, up: int, down: int) -> None:
    """Show how many people recommend a version and how many do not; its model shows the sums over its versions.

    Whoever counts holds the counts of the whole model until the transaction ends.
    """
    await _shown(session, "set_thumbs", {"version": version_id, "up": up, "down": down})


async def _shown(session: AsyncSession, name: str, params: Mapping[str, int]) -> None:
    connection = await driver_connection(session)
    await session.flush()
    cursor = await connection.execute(SQL[name].encode(), params)
    row = await cursor.fetchone()
    if row is not None:
        await rebuilding.refresh(session, [row[0]])
