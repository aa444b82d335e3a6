"""How articles are found when others point at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject, SubjectFacts, resolves
from civitas.domains.accounts.types import SAFE_MASK
from civitas.domains.community.articles.tables import Article, ArticleRevision
from civitas.domains.community.articles.types import Status
from civitas.kit.text import slug


@resolves("article")
async def articles(session: AsyncSession, ids: Sequence[int]) -> Mapping[int, SubjectFacts]:
    """Articles that were not removed; drafts are their writers' and not public."""
    written = (
        select(ArticleRevision.title)
        .where(ArticleRevision.article_id == Article.id)
        .order_by(ArticleRevision.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = await session.execute(
        select(
            Article.id,
            Article.person_id,
            func.coalesce(func.nullif(Article.title, ""), written, "").label("title"),
            Article.status,
            Article.nsfw_level,
        ).where(Article.id.in_(ids), Article.deleted_at.is_(None))
    )
    return {
        row.id: SubjectFacts(
            subject=Subject("article", row.id),
            owner_id=row.person_id,
            title=row.title or "An article without a title",
            path=f"/articles/{row.id}/{slug(row.title)}",
            mature=bool(row.nsfw_level & ~SAFE_MASK),
            public=row.status == Status.PUBLISHED,
        )
        for row in rows
    }
