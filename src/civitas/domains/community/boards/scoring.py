"""What articles and media add to the score of creators (FEATURES A15), by the rules of the economy."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import scoring
from civitas.domains.buzz.economy import economy

_ARTICLES = text(
    """
    SELECT person_id,
           sum(view_count * :article_view + comment_count * :article_comment + reaction_count * :article_reaction)
           AS points
      FROM articles WHERE status = 'published' AND deleted_at IS NULL GROUP BY person_id
    """
)
_IMAGES = text(
    """
    SELECT i.person_id,
           sum(c.comments * :image_comment + (c.likes + c.hearts + c.laughs + c.cries) * :image_reaction) AS points
      FROM subject_counts c JOIN images i ON i.id = c.subject_id AND i.deleted_at IS NULL AND i.status = 'ready'
     WHERE c.kind = 'image' GROUP BY i.person_id
    """
)


async def score_words_and_media(session: AsyncSession) -> None:
    """Compute the parts `articles` and `images` of everybody's score anew; doing it twice changes nothing."""
    rules = economy.current().score
    for part, statement, names in (
        ("articles", _ARTICLES, ("article_view", "article_comment", "article_reaction")),
        ("images", _IMAGES, ("image_comment", "image_reaction")),
    ):
        rows = await session.execute(statement, {name: getattr(rules, name) for name in names})
        points = {row.person_id: int(row.points) for row in rows}
        await scoring.set_part(session, part=part, points=points, whole=True)
