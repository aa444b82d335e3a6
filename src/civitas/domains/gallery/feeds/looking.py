"""One picture by its own address: whoever may see it, in the feed or not."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import BLOCKED, Actor
from civitas.domains.gallery import policy
from civitas.domains.gallery.tables import Image, Post
from civitas.kit.errors import NotFound


@dataclass(frozen=True, slots=True)
class Looked:
    """A picture with its post and who made it; `listed` is whether pages for finding may name it."""

    image: Image
    post: Post
    username: str
    avatar_key: str | None
    listed: bool


async def at(session: AsyncSession, actor: Actor, *, image_id: int) -> Looked:
    """A ready picture that the viewer may see. Raises NotFound (`image_not_found`)."""
    row = (
        await session.execute(
            select(Image, Post, Person.username, Person.avatar_key)
            .join(Post, Post.id == Image.post_id)
            .join(Person, Person.id == Image.person_id)
            .where(
                Image.id == image_id,
                Image.status == "ready",
                Image.nsfw_level.op("&")(BLOCKED) == 0,
                policy.visible_to(actor),
                policy.posts_visible_to(actor),
            )
        )
    ).first()
    if row is None:
        raise NotFound(
            "This picture was not found; it may be gone, or not public yet.", code="image_not_found"
        )
    post: Post = row[1]
    return Looked(row[0], post, row[2] or "", row[3], post.availability == "public")
