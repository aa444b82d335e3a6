"""Numbers that things reach for the first time: found among the counts, told once, the highest of them only."""

from __future__ import annotations

from typing import Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.community import MilestoneReached
from civitas.infra.queue.outbox import publish
from civitas.kit import clock

DOWNLOADS: Final = (100, 500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000)
LIKES: Final = (50, 100, 500, 1_000, 5_000, 10_000, 50_000)
REACTIONS: Final = (5, 10, 20, 50, 100, 500, 1_000, 5_000, 10_000)
VIEWS: Final = (100, 500, 1_000, 5_000, 10_000, 50_000, 100_000)

_REACH: Final = """
    WITH counted AS ({counted}), reached AS (
        INSERT INTO milestones (what, subject_kind, subject_id, amount, person_id, reached_at)
        SELECT :what, :kind, c.id, t.amount, c.person_id, :now
          FROM counted c JOIN unnest(CAST(:amounts AS bigint[])) AS t(amount) ON c.count >= t.amount
        ON CONFLICT DO NOTHING
        RETURNING subject_id, person_id, amount
    )
    SELECT subject_id, person_id, max(amount) AS amount FROM reached GROUP BY subject_id, person_id ORDER BY 1
"""


def _statement(counted: str) -> TextClause:
    return text(_REACH.format(counted=counted))


_SOURCES: Final = (
    ("downloads", "model", DOWNLOADS, _statement(
        "SELECT m.id, m.person_id, c.downloads AS count FROM model_metrics c JOIN models m ON m.id = c.model_id"
        " WHERE c.downloads >= :least AND m.status = 'Published'"
    )),
    ("likes", "model", LIKES, _statement(
        "SELECT m.id, m.person_id, c.thumbs_up AS count FROM model_metrics c JOIN models m ON m.id = c.model_id"
        " WHERE c.thumbs_up >= :least AND m.status = 'Published'"
    )),
    ("reactions", "image", REACTIONS, _statement(
        "SELECT i.id, i.person_id, c.likes + c.hearts + c.laughs + c.cries AS count"
        "  FROM subject_counts c JOIN images i ON i.id = c.subject_id AND i.deleted_at IS NULL"
        " WHERE c.kind = 'image' AND c.likes + c.hearts + c.laughs + c.cries >= :least"
    )),
    ("views", "article", VIEWS, _statement(
        "SELECT id, person_id, view_count AS count FROM articles"
        " WHERE view_count >= :least AND status = 'published' AND deleted_at IS NULL"
    )),
    ("reactions", "article", REACTIONS, _statement(
        "SELECT id, person_id, reaction_count AS count FROM articles"
        " WHERE reaction_count >= :least AND status = 'published' AND deleted_at IS NULL"
    )),
)  # fmt: skip


async def look(session: AsyncSession) -> int:
    """Find what was reached since the last look, and state it; how many things there were."""
    told = 0
    for what, kind, amounts, statement in _SOURCES:
        rows = await session.execute(
            statement,
            {"what": what, "kind": kind, "amounts": list(amounts), "least": amounts[0], "now": clock.now()},
        )
        facts = [MilestoneReached(row.person_id, what, kind, row.subject_id, row.amount) for row in rows]
        told += len(facts)
        await publish(session, *facts)
    return told
