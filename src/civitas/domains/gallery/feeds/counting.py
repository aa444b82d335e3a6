"""Folding what people did about things into counts, and the counts into the orders of the feeds."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.gallery.feeds import rows

BATCH: Final = 20_000


async def fold(session: AsyncSession, *, limit: int = BATCH) -> int:
    """Take up to `limit` changes into the counts of their subjects; how many there were."""
    folded = await rows.run(session, "fold", {"limit": limit})
    await rows.rerank(session, [row[1] for row in folded if row[0] == "image"])
    await rows.rebuild_posts(session, [row[1] for row in folded if row[0] == "post"])
    return sum(row[2] for row in folded)


async def repair(session: AsyncSession, *, kind: str, ids: list[int]) -> int:
    """Count reactions anew where the counts do not say what the rows say; how many subjects were wrong.

    Changes that wait are left out of the comparison by folding first; comments and collections are told by events
    of other rooms and are not touched.
    """
    if not ids:
        return 0
    found = await session.execute(_REPAIR, {"kind": kind, "ids": ids})
    wrong = [row[0] for row in found]
    if kind == "image":
        await rows.rerank(session, wrong)
    return len(wrong)


_REPAIR: Final = text(
    """
    WITH told AS (
        SELECT subject_id,
               count(*) FILTER (WHERE reaction = 'like') AS likes,
               count(*) FILTER (WHERE reaction = 'heart') AS hearts,
               count(*) FILTER (WHERE reaction = 'laugh') AS laughs,
               count(*) FILTER (WHERE reaction = 'cry') AS cries,
               count(*) FILTER (WHERE reaction = 'dislike') AS dislikes
          FROM reactions WHERE kind = :kind AND subject_id = ANY(CAST(:ids AS bigint[])) GROUP BY subject_id
    ), wanted AS (
        SELECT s.id, coalesce(t.likes, 0) AS likes, coalesce(t.hearts, 0) AS hearts,
               coalesce(t.laughs, 0) AS laughs, coalesce(t.cries, 0) AS cries, coalesce(t.dislikes, 0) AS dislikes
          FROM unnest(CAST(:ids AS bigint[])) AS s (id) LEFT JOIN told t ON t.subject_id = s.id
         WHERE NOT EXISTS (SELECT FROM engagement_changes c WHERE c.kind = :kind AND c.subject_id = s.id)
           AND (t.subject_id IS NOT NULL
                OR EXISTS (SELECT FROM subject_counts c WHERE c.kind = :kind AND c.subject_id = s.id))
    )
    INSERT INTO subject_counts AS c (kind, subject_id, likes, hearts, laughs, cries, dislikes)
    SELECT :kind, id, likes, hearts, laughs, cries, dislikes FROM wanted
    ON CONFLICT (kind, subject_id) DO UPDATE
       SET likes = excluded.likes, hearts = excluded.hearts, laughs = excluded.laughs, cries = excluded.cries,
           dislikes = excluded.dislikes
     WHERE (c.likes, c.hearts, c.laughs, c.cries, c.dislikes)
           IS DISTINCT FROM (excluded.likes, excluded.hearts, excluded.laughs, excluded.cries, excluded.dislikes)
    RETURNING subject_id
    """
)
