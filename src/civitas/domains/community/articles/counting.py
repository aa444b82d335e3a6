"""The figures of articles: who read them, and what others did with them."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.community.articles.tables import Article, ArticleView
from civitas.kit import clock

# How long it is kept who read what; boards look back thirty days.
KEPT: Final = timedelta(days=100)
COUNTERS: Final = frozenset({"reaction_count", "comment_count", "bookmark_count", "collected_count"})
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


async def change(session: AsyncSession, *, article_id: int, counter: str, by: int) -> None:
    """One more or fewer of what a counter counts; never below nothing."""
    if counter not in COUNTERS:
        raise ValueError(counter)
    column = getattr(Article, counter)
    await session.execute(
        update(Article)
        .where(Article.id == article_id)
        .values({counter: func.greatest(0, column + by)})
        .execution_options(synchronize_session=False)
    )
