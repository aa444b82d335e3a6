"""Comments for tests."""

from __future__ import annotations

from itertools import count

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_actor
from tests.factories.catalog import make_published_model

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.domains.community.comments import writing
from civitas.domains.community.comments.tables import Comment

_numbers = count(1)


async def trusted(session: AsyncSession, actor: Actor) -> Actor:
    """Let a person say as much as anybody may."""
    await session.execute(update(Person).where(Person.id == actor.id).values(score=10_000))
    return actor


async def make_topic(session: AsyncSession) -> tuple[Subject, Actor]:
    """A public model to speak about, and its creator."""
    owner = await make_actor(session)
    model_id, _ = await make_published_model(session, owner.id)
    return Subject("model", model_id), owner


async def say(
    session: AsyncSession, actor: Actor, subject: Subject, content: str = "", *, below: int | None = None
) -> Comment:
    """A comment, with words of its own unless some are given."""
    words = content or f"Words number {next(_numbers)}"
    return await writing.write(session, actor, subject=subject, content=words, parent_id=below)
