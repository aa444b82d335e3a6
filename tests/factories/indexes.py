"""Indexes in memory for tests: of what the test's own transaction sees, and as a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.catalog.shapes import SHAPES as CATALOGUE
from civitas.domains.gallery.feeds.shapes import SHAPES as FEEDS
from civitas.infra.db.database import driver_connection
from civitas.infra.search import copying
from civitas.infra.search.asking import SocketIndex
from civitas.infra.search.collection import Collection
from civitas.infra.search.copying import Rows
from civitas.infra.search.following import Follower
from civitas.infra.search.postings import Gathering
from civitas.infra.search.serving import Answers, listening
from civitas.infra.search.shape import Shape

SHAPES = (*FEEDS, *CATALOGUE)


async def rows_now(session: AsyncSession, shape: Shape, ids: Iterable[int] | None = None) -> Rows:
    """Rows as the session's transaction sees them."""
    connection = await driver_connection(session)
    asked = None if ids is None else sorted(ids)
    async with connection.cursor() as cursor, cursor.copy(copying.statement(shape, asked)) as copy:
        parts = [bytes(part) async for part in copy]
    return copying.read(shape, list(copying.messages(iter(parts))))


async def held_now(session: AsyncSession) -> dict[str, Collection]:
    """All collections, small enough in all their limits that each way is taken."""
    made: dict[str, Collection] = {}
    for shape in SHAPES:
        rows, gathering = await rows_now(session, shape), Gathering(common=4, many_from=9)
        slots = np.repeat(np.arange(len(rows.ids), dtype=np.uint32), np.diff(rows.starts))
        gathering.add(rows.terms, slots)
        made[shape.name] = Collection(shape, rows, gathering.finished(), stretch=8)
    return made


async def follow_now(session: AsyncSession, held: dict[str, Collection]) -> int:
    """Take in what triggers have logged in the session's transaction, and forget it; how many documents."""
    taken = 0
    for shape in SHAPES:
        found = await session.execute(
            text("DELETE FROM index_changes WHERE collection = :name RETURNING ids"), {"name": shape.name}
        )
        ids = {number for row in found for number in row[0]}
        rows = await rows_now(session, shape, ids)
        held[shape.name].remove(ids - set(rows.ids.tolist()))
        held[shape.name].apply(rows)
        taken += len(ids)
    return taken


@asynccontextmanager
async def following(dsn: str, path: Path, **given: Any) -> AsyncIterator[tuple[Follower, SocketIndex]]:
    """An index that follows a database and answers at a socket, and somebody who asks it."""
    follower = Follower(
        dsn, SHAPES, memory_mb=given.pop("memory_mb", 4096), least_rows=given.pop("least_rows", 0)
    )
    async with listening(path, Answers(follower)):
        task = asyncio.create_task(follower.run())
        asker = SocketIndex(path, timeout_s=2.0)
        try:
            yield follower, asker
        finally:
            await asker.aclose()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(condition: Any, *, seconds: float = 20.0) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
