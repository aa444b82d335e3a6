"""What models and followers add to the score of creators (FEATURES A15), by the rules of the economy."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import scoring
from civitas.domains.buzz.economy import economy

_MODELS = text(
    """
    SELECT m.person_id,
           sum((c.thumbs_up + c.thumbs_down) * :review + c.downloads * :download + c.generations * :generation)
           AS points
      FROM model_metrics c JOIN models m ON m.id = c.model_id
     WHERE m.status = 'Published'
     GROUP BY m.person_id
    """
)
_FOLLOWERS = text(
    "SELECT id AS person_id, follower_count * :follower AS points FROM people WHERE follower_count > 0"
)


async def score_everybody(session: AsyncSession) -> None:
    """Compute the parts `models` and `users` of everybody's score anew; doing it twice changes nothing."""
    rules = economy.current().score
    models = await session.execute(
        _MODELS,
        {
            "review": rules.model_review,
            "download": rules.model_download,
            "generation": rules.model_generation,
        },
    )
    await scoring.set_part(
        session, part="models", points={row.person_id: int(row.points) for row in models}, whole=True
    )
    users = await session.execute(_FOLLOWERS, {"follower": rules.follower})
    await scoring.set_part(
        session, part="users", points={row.person_id: int(row.points) for row in users}, whole=True
    )
