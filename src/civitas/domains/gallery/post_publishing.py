"""Posts becoming visible: now, at a time, and back to drafts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import PostChanged, PostPublished
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.types import ALL_MASK, BLOCKED, Actor
from civitas.domains.catalog.publishing import check_schedule
from civitas.domains.gallery import levels, posting
from civitas.domains.gallery.messages import ShowPost
from civitas.domains.gallery.tables import Image, Post
from civitas.infra.queue.outbox import defer
from civitas.infra.queue.outbox import publish as state
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid


async def publish(
    session: AsyncSession, actor: Actor, *, post_id: int, publish_at: datetime | None = None
) -> Post:
    """Make a post visible now, or at a time between an hour and a year ahead.

    Publishing what is visible changes nothing. Raises Invalid (`no_picture`, `pictures_pending`, `pictures_unrated`,
    `schedule_too_soon`, `schedule_too_late`), Conflict (`already_published` when scheduling).
    """
    post = await posting.editable(session, actor, post_id=post_id)
    require_voice(actor)
    now = clock.now()
    if post.published_at is not None and post.published_at <= now:
        if publish_at is not None:
            raise Conflict("This post is already public.", code="already_published")
        return post
    if publish_at is not None:
        check_schedule(publish_at)
    shown = await _require_pictures(session, post)
    await levels.settle(session, post_id=post.id)
    post.published_at = publish_at or now
    await session.flush()
    if publish_at is None:
        await state(session, PostPublished(post.id, post.person_id, shown))
    else:
        await defer(session, ShowPost(post.id, publish_at), at=publish_at)
        await state(session, PostChanged(post.id, post.person_id))
    return post


async def unpublish(session: AsyncSession, actor: Actor, *, post_id: int) -> Post:
    """Make a post a draft again, or take back its time. What is a draft stays one."""
    post = await posting.editable(session, actor, post_id=post_id)
    if post.published_at is not None:
        post.published_at = None
        await session.flush()
        await state(session, PostChanged(post.id, post.person_id))
    return post


async def due(session: AsyncSession, *, post_id: int, at: datetime) -> bool:
    """A post's time has come: say so, unless it was moved, taken back or removed meanwhile."""
    post = await session.scalar(select(Post).where(Post.id == post_id).with_for_update())
    if post is None or post.deleted_at is not None or post.published_at != at:
        return False
    await state(session, PostPublished(post.id, post.person_id, await _shown(session, post)))
    return True


async def _require_pictures(session: AsyncSession, post: Post) -> int:
    shown = await _shown(session, post)
    if shown:
        return shown
    row = (
        await session.execute(
            select(
                func.count().filter(Image.status == "pending"),
                func.count().filter((Image.status == "ready") & (Image.nsfw_level == 0)),
            ).where(Image.post_id == post.id, Image.deleted_at.is_(None))
        )
    ).one()
    if row[1]:
        raise Invalid(
            "Say how mature at least one picture is; what is not rated, nobody else sees.",
            code="pictures_unrated",
        )
    if row[0]:
        raise Invalid("Its pictures are still being read; try again in a moment.", code="pictures_pending")
    raise Invalid("A post needs at least one picture, video or sound to show.", code="no_picture")


async def _shown(session: AsyncSession, post: Post) -> int:
    """How many of its pictures others can see."""
    found = await session.scalar(
        select(func.count()).where(
            Image.post_id == post.id,
            Image.deleted_at.is_(None),
            Image.status == "ready",
            Image.nsfw_level.op("&")(ALL_MASK) != 0,
            Image.nsfw_level.op("&")(BLOCKED) == 0,
        )
    )
    return found or 0
