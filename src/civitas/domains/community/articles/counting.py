"""The figures of articles: who read them, and what others did with them."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.community.articles.tables import Article, ArticleView
from civitas.kit import clock

# How long it is kept who read what; boards look back thirty days.
KEPT: Final = timedelta(days=100)
_LOCK = text("SELECT id FROM articles WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR UPDATE")
# Views are remembered for a while only, so they are never fewer than what is remembered, and otherwise as they were.
_RECOUNT = text(
    """
    WITH facts AS (
        SELECT a.id,
               (SELECT count(*) FROM reactions r WHERE r.kind = 'article' AND r.subject_id = a.id) AS reactions,
               coalesce((SELECT t.comment_count FROM comment_threads t
                          WHERE t.kind = 'article' AND t.subject_id = a.id), 0) AS comments,
               k.collected, k.bookmarks,
               greatest(a.view_count, (SELECT count(*) FROM article_views v
                                        WHERE v.article_id = a.id AND v.folded)) AS views
          FROM articles a CROSS JOIN LATERAL (
               SELECT count(DISTINCT i.person_id) AS collected,
                      count(*) FILTER (WHERE c.mode = 'bookmark') AS bookmarks
                 FROM collection_items i JOIN collections c ON c.id = i.collection_id
                WHERE i.kind = 'article' AND i.subject_id = a.id AND i.state = 'accepted'
                  AND c.deleted_at IS NULL) k
         WHERE a.id = ANY(CAST(:ids AS bigint[]))
    )
    UPDATE articles a
       SET reaction_count = f.reactions, comment_count = f.comments, collected_count = f.collected,
           bookmark_count = f.bookmarks, view_count = f.views
      FROM facts f
     WHERE f.id = a.id
       AND (a.reaction_count, a.comment_count, a.collected_count, a.bookmark_count, a.view_count)
           IS DISTINCT FROM (f.reactions, f.comments, f.collected, f.bookmarks, f.views)
    RETURNING a.id
    """
)
_FOLD = text(
    """
    WITH batch AS (
        UPDATE article_views SET folded = true
         WHERE id IN (SELECT id FROM article_views WHERE NOT folded ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
        RETURNING article_id
    ), counted AS (
        SELECT article_id, count(*) AS views FROM batch GROUP BY article_id
    ), told AS (
        UPDATE articles a SET view_count = a.view_count + c.views
          FROM counted c WHERE a.id = c.article_id
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM batch) FROM (SELECT count(*) FROM told) AS done
    """
)


async def seen(session: AsyncSession, actor: Actor, *, article_id: int, address: str, secret: bytes) -> None:
    """Note that somebody read an article, once for a person or an address and day."""
    day = clock.now().date()
    caller = f"p:{actor.id}"
    if actor.id is None:
        told = f"articles {day.isoformat()} {address}".encode()
        caller = f"a:{hmac.digest(secret, told, hashlib.sha256).hex()[:32]}"
    await session.execute(
        insert(ArticleView).values(article_id=article_id, caller=caller, day=day).on_conflict_do_nothing()
    )


async def fold(session: AsyncSession, *, limit: int = 50_000) -> int:
    """Count views that were not counted yet; how many there were."""
    return int(await session.scalar(_FOLD, {"limit": limit}) or 0)


async def forget(session: AsyncSession, *, limit: int = 50_000) -> None:
    """Let go of who read what long ago."""
    await session.execute(
        delete(ArticleView).where(ArticleView.day < (clock.now() - KEPT).date(), ArticleView.folded)
    )


async def recount(session: AsyncSession, ids: Sequence[int]) -> int:
    """Count anew, by the rows themselves, what was done with these articles; how many told something else.

    Facts told late, twice or in another order end in the truth: the rows are locked before they are counted.
    """
    if not ids:
        return 0
    await session.flush()
    await session.execute(_LOCK, {"ids": list(ids)})
    return len((await session.execute(_RECOUNT, {"ids": list(ids)})).all())


async def audit_step(session: AsyncSession, *, after: int, limit: int = 500) -> tuple[int, int, int | None]:
    """Hold the next articles against the facts: how many were looked at and put right, and where to go on."""
    ids = list(
        await session.scalars(select(Article.id).where(Article.id > after).order_by(Article.id).limit(limit))
    )
    wrong = await recount(session, ids)
    return len(ids), wrong, ids[-1] if len(ids) == limit else None
