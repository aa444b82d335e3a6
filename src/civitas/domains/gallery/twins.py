"""Pictures that look alike: the same person's same picture is told before it is shown twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import BIT
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from civitas.domains.accounts.types import Actor
from civitas.domains.gallery import posting
from civitas.domains.gallery.tables import Image, Post

# Of 64 bits; recompression and scaling turn fewer (infra.imaging.fingerprints).
NEAR: Final = 5
_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Twin:
    """A picture of a post, and an earlier one of the same person that looks like it."""

    image_id: int
    other_id: int
    other_post_id: int
    other_title: str | None
    distance: int


async def of_post(session: AsyncSession, actor: Actor, *, post_id: int) -> list[Twin]:
    """Which pictures of one's post look like others of one's own, in one statement over the index of one's hashes."""
    post = await posting.editable(session, actor, post_id=post_id)
    here, other = aliased(Image), aliased(Image)
    apart = func.bit_count(here.perceptual_hash.op("#")(other.perceptual_hash).cast(BIT(64)))
    rows = await session.execute(
        select(here.id, other.id, other.post_id, Post.title, apart)
        .join(other, (other.person_id == here.person_id) & (other.id < here.id))
        .join(Post, Post.id == other.post_id)
        .where(
            here.post_id == post.id,
            here.deleted_at.is_(None),
            here.perceptual_hash.is_not(None),
            other.person_id == post.person_id,
            other.deleted_at.is_(None),
            other.perceptual_hash.is_not(None),
            Post.deleted_at.is_(None),
            apart <= NEAR,
        )
        .order_by(here.id, apart, other.id)
        .limit(_MOST)
    )
    return [Twin(*row) for row in rows]
