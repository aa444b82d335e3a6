"""Holding the feed against the facts: what listeners missed or a crash left behind is found and put right."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.gallery.feeds import counting, rows
from civitas.domains.gallery.feeds.rows import Difference


async def step(session: AsyncSession, *, after: int) -> tuple[Difference, int | None]:
    """Compare and repair the next pictures behind an id; what was wrong, and where to go on, None at the end."""
    ids = await rows.some_of(session, "all", 0, after)
    if not ids:
        return Difference(), None
    counts = await counting.repair(session, kind="image", ids=ids)
    found = await rows.rebuild(session, ids)
    return replace(found, counts=counts), ids[-1]
