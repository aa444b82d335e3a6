"""Many of one's own pictures at once: tags, taking away, and putting back what was just taken away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import ImageAdded, ImageChanged, ImageRemoved
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.types import BLOCKED, Actor, Scope
from civitas.domains.blobs import references
from civitas.domains.blobs.tables import Blob
from civitas.domains.catalog import tagging
from civitas.domains.catalog.tables import Tag
from civitas.domains.gallery import adding, image_tags, levels, previews
from civitas.domains.gallery.messages import ProcessImage
from civitas.domains.gallery.tables import Image, ImageTag, Post
from civitas.infra.queue.outbox import defer, publish
from civitas.kit import clock, paging
from civitas.kit.errors import Invalid
from civitas.kit.paging import Page

MOST: Final = 200


async def mine(
    session: AsyncSession, actor: Actor, *, private: bool, cursor: str | None, limit: int
) -> Page[int]:
    """Ids of one's own pictures that were read, the newest first; with `private` those that nobody else sees.

    Those that stand in articles are left out: they go with their article.
    """
    person = actor.require(Scope.MEDIA_READ)
    query = (
        select(Image.id)
        .join(Post, Post.id == Image.post_id)
        .where(
            Image.person_id == person,
            Image.status == "ready",
            Image.deleted_at.is_(None),
            Post.deleted_at.is_(None),
            ~Post.album,
        )
        .order_by(Image.id.desc())
        .limit(limit + 1)
    )
    if private:
        query = query.where(
            or_(
                Post.published_at.is_(None),
                Post.published_at > clock.now(),
                Image.nsfw_level == 0,
                Image.nsfw_level.op("&")(BLOCKED) != 0,
            )
        )
    if cursor:
        query = query.where(Image.id < paging.decode(cursor, int)[0])
    found = (await session.scalars(query)).all()
    return Page(found[:limit], paging.encode(found[limit - 1]) if len(found) > limit else None)


async def tag(
    session: AsyncSession, actor: Actor, *, image_ids: Sequence[int], tags: Iterable[str]
) -> list[int]:
    """Put tags on those of these pictures that are the actor's own, besides what they carry; which those are.

    Pictures that carry the most already stay as they are. Raises Invalid (`bad_tags`, `too_many_at_once`).
    """
    wanted = tagging.fold_tags(tags)
    if not wanted:
        raise Invalid("Write a tag first.", code="bad_tags")
    require_voice(actor)
    carried = select(func.count()).where(ImageTag.image_id == Image.id).correlate(Image).scalar_subquery()
    images = await _own(session, actor, image_ids, carried + len(wanted) <= image_tags.MOST)
    if images:
        await session.execute(
            insert(Tag).values([{"name": name} for name in wanted]).on_conflict_do_nothing()
        )
        kept = (await session.scalars(select(Tag.id).where(Tag.name.in_(wanted)))).all()
        await session.execute(
            insert(ImageTag)
            .values(
                [
                    {"image_id": image.id, "tag_id": tag_id, "source": "person", "hidden": False}
                    for image in images
                    for tag_id in kept
                ]
            )
            .on_conflict_do_nothing()
        )
        await publish(session, *(ImageChanged(image.id, image.post_id) for image in images))
    return [image.id for image in images]


async def remove(session: AsyncSession, actor: Actor, *, image_ids: Sequence[int]) -> list[int]:
    """Take those of these pictures away that are the actor's own; which those are. `restore` puts them back."""
    actor.require(Scope.MEDIA_DELETE)
    images = await _own(session, actor, image_ids)
    for image in images:
        await previews.let_go(session, image)
    await _settled(session, images)
    await publish(session, *(ImageRemoved(image.id, image.person_id, None) for image in images))
    return [image.id for image in images]


async def restore(session: AsyncSession, actor: Actor, *, image_ids: Sequence[int]) -> list[int]:
    """Put one's pictures back that were just taken away, as far as their bytes and room in their posts are there.

    They are decoded anew. The caller knows that it was the actor who took them away; which came back.
    """
    person = actor.require(Scope.MEDIA_WRITE)
    images = (
        await session.scalars(
            select(Image)
            .join(Post, Post.id == Image.post_id)
            .join(Blob, Blob.id == Image.blob_id)
            .where(
                Image.id.in_(_bounded(image_ids)),
                Image.person_id == person,
                Image.deleted_at.is_not(None),
                Post.deleted_at.is_(None),
            )
            .order_by(Image.id)
            .with_for_update(of=Image)
        )
    ).all()
    back = []
    for image in images:
        alive = await session.scalar(
            select(func.count()).where(Image.post_id == image.post_id, Image.deleted_at.is_(None))
        )
        if (alive or 0) >= adding.MAX_PER_POST:
            continue
        image.deleted_at, image.status = None, "pending"
        await session.flush()
        await references.add(session, blob_id=image.blob_id, kind=adding.REFERENCE, subject_id=image.id)
        await defer(session, ProcessImage(image.id), once=f"image:{image.id}", priority=3)
        await publish(session, ImageAdded(image.id, image.post_id, image.person_id, None))
        back.append(image)
    await _settled(session, back)
    return [image.id for image in back]


async def _own(
    session: AsyncSession, actor: Actor, image_ids: Sequence[int], *further: ColumnElement[bool]
) -> Sequence[Image]:
    person = actor.require(Scope.MEDIA_WRITE)
    found = await session.scalars(
        select(Image)
        .join(Post, Post.id == Image.post_id)
        .where(
            Image.id.in_(_bounded(image_ids)),
            Image.person_id == person,
            Image.deleted_at.is_(None),
            Post.deleted_at.is_(None),
            *further,
        )
        .order_by(Image.id)
        .with_for_update(of=Image)
    )
    return found.all()


async def _settled(session: AsyncSession, images: Sequence[Image]) -> None:
    """The posts and versions of these pictures tell what they hold now."""
    await session.flush()
    posts = {image.post_id for image in images}
    for post_id in sorted(posts):
        await levels.settle(session, post_id=post_id)
    shows = await session.scalars(
        select(Post.version_id)
        .where(Post.id.in_(posts), Post.showcase, Post.version_id.is_not(None))
        .distinct()
    )
    for version_id in shows.all():
        await previews.refresh(session, version_id or 0)


def _bounded(image_ids: Sequence[int]) -> list[int]:
    if len(image_ids) > MOST:
        raise Invalid(f"At most {MOST} at once.", code="too_many_at_once")
    return sorted(set(image_ids))
