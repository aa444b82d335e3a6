"""How much one person may say in an hour and a day, by how far they are trusted (FEATURES A17)."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.domains.community.comments.tables import Comment
from civitas.domains.community.comments.types import ALLOWANCES
from civitas.kit import clock
from civitas.kit.errors import Limited

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended('comments', :person))")


async def take_turn(session: AsyncSession, actor: Actor, person_id: int) -> None:
    """Let one person's comments come one after another, and refuse those beyond the allowance with Limited.

    Staff are not counted.
    """
    await session.execute(_TURN, {"person": person_id})
    if actor.is_moderator:
        return
    now = clock.now()
    row = (
        await session.execute(
            select(
                select(Person.score).where(Person.id == person_id).scalar_subquery(),
                func.count().filter(Comment.created_at > now - HOUR),
                func.count(),
                func.min(Comment.created_at).filter(Comment.created_at > now - HOUR),
                func.min(Comment.created_at),
            ).where(Comment.person_id == person_id, Comment.created_at > now - DAY)
        )
    ).one()
    score, in_hour, in_day, first_of_hour, first_of_day = row
    hourly, daily = next((hour, day) for least, hour, day in ALLOWANCES if (score or 0) >= least)
    if in_day >= daily:
        raise _limited(daily, "day", (first_of_day + DAY - now).total_seconds())
    if in_hour >= hourly:
        raise _limited(hourly, "hour", (first_of_hour + HOUR - now).total_seconds())


def _limited(most: int, span: str, wait_s: float) -> Limited:
    return Limited(
        f"You have written {most} comments within {'an hour' if span == 'hour' else 'a day'}; "
        "give the others a chance to answer.",
        retry_after=max(1, int(wait_s)),
        code="too_many_comments",
    )
