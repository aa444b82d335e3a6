"""Posts as they are read: one for its page, one's own for the studio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog.naming import VersionName, version_names
from civitas.domains.catalog.tables import Tag
from civitas.domains.gallery import policy
from civitas.domains.gallery.tables import Image, Post, PostTag
from civitas.kit import clock, paging
from civitas.kit.errors import NotFound
from civitas.kit.paging import Page


class PostState(StrEnum):
    """Where a post stands, as its owner is told."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class ShownPost:
    """A post with its pictures, those only that the viewer may see."""

    row: Post
    username: str | None
    avatar_key: str | None
    tags: Sequence[str]
    images: Sequence[Image]
    version: VersionName | None
    mine: bool


@dataclass(frozen=True, slots=True)
class OwnPost:
    """A post in one's own list: its first picture stands for it."""

    row: Post
    image_count: int
    cover: Image | None


def state_of(post: Post) -> PostState:
    """Where a post stands now."""
    if post.deleted_at is not None:
        return PostState.REMOVED
    if post.published_at is None:
        return PostState.DRAFT
    return PostState.PUBLISHED if post.published_at <= clock.now() else PostState.SCHEDULED


async def one(session: AsyncSession, actor: Actor, *, post_id: int) -> ShownPost:
    """A post that the viewer may open, in four statements. Raises NotFound (`post_not_found`)."""
    row = (
        await session.execute(
            select(Post, Person.username, Person.avatar_key)
            .join(Person, Person.id == Post.person_id)
            .where(Post.id == post_id, policy.posts_visible_to(actor))
        )
    ).first()
    if row is None:
        raise NotFound("This post was not found; it may be gone, or not public yet.", code="post_not_found")
    post: Post = row[0]
    images = (
        await session.scalars(
            select(Image)
            .where(Image.post_id == post.id, policy.visible_to(actor))
            .order_by(Image.position, Image.id)
        )
    ).all()
    mine = policy.sees_own(actor) and policy.can_edit_post(actor, post)
    if not images and not mine:
        # Nothing of it is for these eyes: whether it exists is not told either.
        raise NotFound("This post was not found; it may be gone, or not public yet.", code="post_not_found")
    named = await version_names(session, actor, version_ids=[post.version_id]) if post.version_id else {}
    return ShownPost(
        row=post,
        username=row[1],
        avatar_key=row[2],
        tags=await tags_of(session, post.id),
        images=images,
        version=named.get(post.version_id or 0),
        mine=mine,
    )


async def own(session: AsyncSession, actor: Actor, *, post_id: int) -> ShownPost:
    """A post for its editor: every picture, those being read or refused included. Raises NotFound."""
    actor.require(Scope.MEDIA_READ)
    found = await one(session, actor, post_id=post_id)
    if not found.mine:
        raise NotFound("This post was not found among yours.", code="post_not_found")
    return found


async def tags_of(session: AsyncSession, post_id: int) -> Sequence[str]:
    """A post's tags by name."""
    found = await session.scalars(
        select(Tag.name)
        .join(PostTag, PostTag.tag_id == Tag.id)
        .where(PostTag.post_id == post_id)
        .order_by(Tag.name)
    )
    return found.all()


async def mine(
    session: AsyncSession,
    actor: Actor,
    *,
    state: PostState | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[OwnPost]:
    """One's own posts, the newest first, in one statement; removed ones only when asked for."""
    person = actor.require(Scope.MEDIA_READ)
    query = select(Post).where(Post.person_id == person, ~Post.showcase, ~Post.album, _of_state(state))
    if cursor:
        query = query.where(Post.id < paging.decode(cursor, int)[0])
    chosen = query.order_by(Post.id.desc()).limit(limit + 1).subquery()
    counted = (
        select(func.count().label("count"), func.min(Image.position).label("first"))
        .where(Image.post_id == chosen.c.id, Image.deleted_at.is_(None))
        .correlate(chosen)
        .lateral()
    )
    rows = (
        await session.execute(
            select(Post, counted.c.count, Image)
            .join(chosen, chosen.c.id == Post.id)
            .join(counted, true())
            .outerjoin(
                Image,
                and_(Image.post_id == Post.id, Image.position == counted.c.first, Image.deleted_at.is_(None)),
            )
            .order_by(Post.id.desc(), Image.id)
        )
    ).all()
    # Two pictures may share a place for a moment; the first stands for the post.
    posts = list({row[0].id: OwnPost(row[0], row[1], row[2]) for row in reversed(rows)}.values())[::-1]
    items = posts[:limit]
    return Page(items, paging.encode(items[-1].row.id) if len(posts) > limit and items else None)


def _of_state(state: PostState | None) -> ColumnElement[bool]:
    now = clock.now()
    if state is PostState.REMOVED:
        return Post.deleted_at.is_not(None)
    living = Post.deleted_at.is_(None)
    if state is PostState.DRAFT:
        return and_(living, Post.published_at.is_(None))
    if state is PostState.SCHEDULED:
        return and_(living, Post.published_at > now)
    if state is PostState.PUBLISHED:
        return and_(living, Post.published_at <= now)
    return living
