"""Writing posts: drafts, their words, tags and version; removing and putting back (FEATURES C1)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, insert, literal, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import PostChanged, PostRemoved
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog import policy as catalog_policy
from civitas.domains.catalog import tagging
from civitas.domains.catalog.tables import Model, ModelVersion, Tag
from civitas.domains.gallery import policy, previews
from civitas.domains.gallery.tables import Image, Post, PostTag
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Gone, Invalid, NotFound
from civitas.kit.text import clean_line

MAX_TITLE: Final = 150
MAX_DETAIL: Final = 50_000
MAX_TAGS: Final = 5
# How long a removal can be undone; then the bytes are let go.
UNDO: Final = timedelta(days=30)
_LET_GO_AT_ONCE: Final = 100


async def create(
    session: AsyncSession,
    actor: Actor,
    *,
    title: str | None = None,
    detail: str | None = None,
    tags: Iterable[str] = (),
    version_id: int | None = None,
) -> Post:
    """A draft; nobody else sees it. Raises as `change`."""
    person = require_voice(actor)
    actor.require(Scope.MEDIA_WRITE)
    post = Post(
        person_id=person,
        title=_title(title),
        detail=_detail(detail),
        version_id=await _version(session, actor, version_id),
    )
    session.add(post)
    await session.flush()
    await _set_tags(session, post, tags)
    return post


async def change(
    session: AsyncSession,
    actor: Actor,
    *,
    post_id: int,
    title: str | None = None,
    detail: str | None = None,
    tags: Iterable[str] | None = None,
    version_id: int | None = None,
) -> Post:
    """Change a post's words; what is None stays, an empty text or a version of 0 takes it away.

    Raises NotFound, Forbidden, Invalid (`title_too_long`, `detail_too_long`, `too_many_tags`, `version_not_found`).
    """
    post = await editable(session, actor, post_id=post_id)
    require_voice(actor)
    if title is not None:
        post.title = _title(title)
    if detail is not None:
        post.detail = _detail(detail)
    if version_id is not None:
        post.version_id = await _version(session, actor, version_id or None)
    if tags is not None:
        await _set_tags(session, post, tags)
    await session.flush()
    await publish(session, PostChanged(post.id, post.person_id))
    return post


async def remove(session: AsyncSession, actor: Actor, *, post_id: int) -> Post:
    """Take a post away with its pictures; for thirty days it can be put back. Doing it twice changes nothing."""
    actor.require(Scope.MEDIA_DELETE)
    post = await editable(session, actor, post_id=post_id, removed=True)
    if post.deleted_at is None:
        post.deleted_at = clock.now()
        await session.flush()
        await publish(session, PostRemoved(post.id, post.person_id))
    return post


async def restore(session: AsyncSession, actor: Actor, *, post_id: int) -> Post:
    """Put a removed post back, as a draft when its time was still to come.

    Raises Conflict (`nothing_to_restore`), Gone (`undo_expired`) after thirty days.
    """
    post = await editable(session, actor, post_id=post_id, removed=True)
    if post.deleted_at is None:
        raise Conflict("This post was not removed.", code="nothing_to_restore")
    if post.deleted_at + UNDO < clock.now():
        raise Gone("This post was removed over thirty days ago; its pictures are gone.", code="undo_expired")
    if post.published_at is not None and post.published_at > post.deleted_at:
        post.published_at = None
    post.deleted_at = None
    await session.flush()
    await publish(session, PostChanged(post.id, post.person_id))
    return post


async def forget(session: AsyncSession) -> int:
    """Let the bytes go of posts that were removed over thirty days ago; how many pictures."""
    images = (
        await session.scalars(
            select(Image)
            .join(Post, Post.id == Image.post_id)
            .where(Post.deleted_at < clock.now() - UNDO, Image.deleted_at.is_(None))
            .order_by(Image.id)
            .limit(_LET_GO_AT_ONCE)
            .with_for_update(of=Image, skip_locked=True)
        )
    ).all()
    for image in images:
        await previews.let_go(session, image)
    await session.flush()
    return len(images)


async def editable(session: AsyncSession, actor: Actor, *, post_id: int, removed: bool = False) -> Post:
    """The post, locked, for its owner and staff; `removed` ones when asked for.

    Raises NotFound for what the actor may not know of, Forbidden (`not_owner`), Conflict (`showcase_post`,
    `album_post`) for the previews of a version and the pictures of an article, which are changed with these.
    """
    actor.require(Scope.MEDIA_WRITE)
    post = await session.scalar(
        select(Post).where(Post.id == post_id).with_for_update().execution_options(populate_existing=True)
    )
    if post is None or (post.deleted_at is not None and not (removed and policy.can_edit_post(actor, post))):
        raise NotFound("This post was not found.", code="post_not_found")
    if not policy.can_edit_post(actor, post):
        public = post.published_at is not None and post.published_at <= clock.now()
        shown = select(Image.id).where(Image.post_id == post.id, policy.visible_to(actor)).limit(1)
        if not public or await session.scalar(shown) is None:
            raise NotFound("This post was not found.", code="post_not_found")
        raise Forbidden("Only its owner can change this post.", code="not_owner")
    if post.showcase:
        raise Conflict(
            "These are the pictures of a version; change them with the version.", code="showcase_post"
        )
    if post.album:
        raise Conflict("These are the pictures of an article; change them with it.", code="album_post")
    return post


def _title(text: str | None) -> str | None:
    cleaned = clean_line(text or "")
    if len(cleaned) > MAX_TITLE:
        told = f"At most {MAX_TITLE} characters."
        raise Invalid(f"The title is too long. {told}", code="title_too_long", fields={"title": told})
    return cleaned or None


def _detail(text: str | None) -> str | None:
    cleaned = (text or "").replace("\r\n", "\n").replace("\x00", "").strip()
    if len(cleaned) > MAX_DETAIL:
        told = f"At most {MAX_DETAIL:,} characters."
        raise Invalid(f"The text is too long. {told}", code="detail_too_long", fields={"detail": told})
    return cleaned or None


async def _version(session: AsyncSession, actor: Actor, version_id: int | None) -> int | None:
    if version_id is None:
        return None
    found = await session.scalar(
        select(ModelVersion.id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(ModelVersion.id == version_id, catalog_policy.versions_visible_to(actor))
    )
    if found is None:
        raise Invalid(
            "This version was not found; choose another one, or none.",
            code="version_not_found",
            fields={"versionId": "not found"},
        )
    return found


async def _set_tags(session: AsyncSession, post: Post, tags: Iterable[str]) -> None:
    wanted = tagging.fold_tags(tags)
    if len(wanted) > MAX_TAGS:
        told = f"At most {MAX_TAGS} tags."
        raise Invalid(f"A post carries at most {MAX_TAGS} tags.", code="too_many_tags", fields={"tags": told})
    await session.execute(delete(PostTag).where(PostTag.post_id == post.id))
    if wanted:
        await session.execute(
            upsert(Tag).values([{"name": name} for name in wanted]).on_conflict_do_nothing()
        )
        await session.execute(
            insert(PostTag).from_select(
                ["post_id", "tag_id"], select(literal(post.id), Tag.id).where(Tag.name.in_(wanted))
            )
        )
