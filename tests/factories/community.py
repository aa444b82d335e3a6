"""Pictures and articles for tests of the community."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.catalog import make_blob

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.domains.community.articles import publishing, writing
from civitas.domains.community.articles.tables import Article
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import clock


async def make_picture(
    session: AsyncSession, person_id: int, *, level: int = 1, public: bool = True, **columns: Any
) -> int:
    """A ready picture in a post of its own; the id."""
    published = clock.now() - timedelta(hours=1) if public else None
    post = await session.scalar(
        insert(Post).values(person_id=person_id, published_at=published, nsfw_level=level).returning(Post.id)
    )
    values: dict[str, Any] = {
        "post_id": post,
        "person_id": person_id,
        "blob_id": await make_blob(session),
        "key": str(uuid.uuid4()),
        "name": "picture.png",
        "status": "ready",
        "width": 640,
        "height": 480,
        "content_type": "image/png",
        "nsfw_level": level,
    }
    made = await session.scalar(insert(Image).values(**(values | columns)).returning(Image.id))
    assert made is not None
    return int(made)


async def make_writer(session: AsyncSession, username: str | None = None, **columns: Any) -> Actor:
    """Somebody who joined long enough ago to publish."""
    person = await make_person(session, username, **columns)
    await session.execute(
        update(Person).where(Person.id == person).values(created_at=clock.now() - timedelta(days=30))
    )
    return actor_for(person, username or "writer")


async def make_article(
    session: AsyncSession,
    writer: Actor,
    title: str = "On light",
    content: str = "Some words about light.",
    **about: Any,
) -> Article:
    """A public article; `about` as `writing.describe` takes it."""
    article = await writing.create(session, writer, title=title, content=content)
    if about:
        await writing.describe(session, writer, article_id=article.id, **about)
    return await publishing.publish(session, writer, article_id=article.id)
