"""Rows of the feed: written anew from the facts, set by set, and held against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.gallery.feeds import ranks, terms
from civitas.domains.gallery.feeds.tables import TIERS
from civitas.infra.db.database import driver_connection
from civitas.kit import clock
from civitas.kit.sql import statements

BATCH: Final = 1000
# As many rows are looked at to count terms, at least.
SAMPLE: Final = 400_000


def _prepared() -> dict[str, str]:
    found = dict(statements(__package__, "rows.sql"))
    given = {**terms.SQL, **ranks.SQL}
    for name in ("truth", "truth_posts"):
        given[name] = Template(found[name]).safe_substitute(given)
    return {name: Template(text).safe_substitute(given) for name, text in found.items()}


SQL: Final = _prepared()


@dataclass(frozen=True, slots=True)
class Difference:
    """What was found wrong among so many pictures: rows that should not be there, and rows missing or stale."""

    looked_at: int = 0
    surplus: int = 0
    wrong: int = 0
    ranks: int = 0
    posts: int = 0
    counts: int = 0

    def __add__(self, other: Difference) -> Difference:
        return Difference(*(getattr(self, n) + getattr(other, n) for n in self.__dataclass_fields__))

    @property
    def total(self) -> int:
        """All that was wrong."""
        return self.surplus + self.wrong + self.ranks + self.posts + self.counts


async def run(session: AsyncSession, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """One of the statements of rows.sql; its rows, if it has any."""
    await session.flush()
    connection = await driver_connection(session)
    cursor = await connection.execute(SQL[name].encode(), values)
    return await cursor.fetchall() if cursor.description is not None else [(cursor.rowcount,)]


async def rebuild(session: AsyncSession, image_ids: Sequence[int]) -> Difference:
    """Make the feed tell of these pictures, and of their posts, what is so now. Twice changes nothing."""
    ids = sorted(set(image_ids))
    if not ids:
        return Difference()
    await run(session, "lock", {"ids": ids})
    ((surplus, wrong),) = await run(session, "rebuild", {"ids": ids, "now": clock.now()})
    ((ranked,),) = await run(session, "rank", {"ids": ids})
    posts = await rebuild_posts(session, [row[0] for row in await run(session, "posts_of", {"ids": ids})])
    return Difference(len(ids), surplus, wrong, max(0, ranked - wrong), posts if not wrong else 0)


async def rebuild_posts(session: AsyncSession, post_ids: Sequence[int]) -> int:
    """Make the feed tell of these posts what is so now; how many rows were changed."""
    ids = sorted(set(post_ids))
    if not ids:
        return 0
    await run(session, "lock_posts", {"ids": ids})
    ((gone, written),) = await run(session, "rebuild_posts", {"ids": ids})
    return int(gone) + int(written)


async def rebuild_post(session: AsyncSession, post_id: int) -> None:
    """Make the feed tell of a post and all its pictures what is so now."""
    found = await run(session, "images_of_posts", {"ids": [post_id]})
    if found:
        await rebuild(session, [row[0] for row in found])
    else:
        await rebuild_posts(session, [post_id])


async def shown_versions(session: AsyncSession, post_id: int) -> list[tuple[int, int, int, int]]:
    """Which versions of whose models a post's public pictures show."""
    found = await run(session, "shown_versions", {"id": post_id})
    return [(int(image), int(version), int(model), int(owner)) for image, version, model, owner in found]


async def some_of(session: AsyncSession, scope: str, subject_id: int, after: int) -> list[int]:
    """The next ids of pictures of a `person`, of a `model`, or (`all`) of everybody."""
    name = {"person": "images_of_person", "model": "images_of_model", "all": "images_by_id"}[scope]
    values = {"id": subject_id, "after": after, "limit": BATCH}
    return [row[0] for row in await run(session, name, values)]


async def rerank(session: AsyncSession, image_ids: Sequence[int]) -> int:
    """Let the orders follow the folded counts of these pictures; how many ranks changed."""
    if not image_ids:
        return 0
    ids = sorted(set(image_ids))
    ((changed,),) = await run(session, "rank", {"ids": ids})
    if changed:
        await rebuild_posts(session, [row[0] for row in await run(session, "posts_of", {"ids": ids})])
    return int(changed)


async def unfilled(session: AsyncSession) -> bool:
    """Whether there are pictures that the feed should have but it has none: after an upgrade, a restored table."""
    rows = await run(session, "unfilled", {"now": clock.now()})
    return bool(rows[0][0])


async def age(session: AsyncSession, *, limit: int = 20_000) -> int:
    """Take pictures older than five weeks out of the orders by week; how many."""
    ((aged,),) = await run(session, "stale", {"now": clock.now(), "limit": limit})
    return int(aged)


async def count_terms(session: AsyncSession) -> None:
    """Count what plans are made by: how many pictures carry each term."""
    connection = await driver_connection(session)
    await session.flush()
    cursor = await connection.execute(
        b"SELECT greatest(reltuples, 0)::float8 FROM pg_class WHERE oid = 'feed_images'::regclass"
    )
    row = await cursor.fetchone()
    rows = float(row[0]) if row else 0.0
    columns, factor = "week, reactions, comments, collected, terms", 1.0
    sample = f"SELECT {columns} FROM feed_images"  # noqa: S608 - literals
    if rows > SAMPLE:
        factor = rows / SAMPLE
        sample += f" TABLESAMPLE SYSTEM ({100 / factor:.6f})"
    tiers = ", ".join(f"({terms.tier(column, least)}, '{column}', {least})" for column, least in TIERS)
    statement = SQL["count_terms"].replace("${sample}", sample).replace("${tiers}", tiers)
    await connection.execute(statement.encode(), {"factor": factor})
