"""The pictures with which a creator shows a version: adding, ordering, rating, removing.

They are one post per version and owner. The catalogue shows copies of what is ready (catalog.previews).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import case, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import ImageChanged, ImageRemoved
from civitas.domains.accounts.types import BLOCKED, PG, Actor, Scope
from civitas.domains.blobs import references, uploading
from civitas.domains.blobs.types import Purpose
from civitas.domains.catalog import policy as catalog_policy
from civitas.domains.catalog import previews as catalogue
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.gallery import adding, levels, policy
from civitas.domains.gallery.adding import LEVELS, REFERENCE
from civitas.domains.gallery.messages import ProcessImage, RemoveVariants
from civitas.domains.gallery.tables import Image, Post
from civitas.infra.queue.outbox import defer, publish
from civitas.kit import clock
from civitas.kit.errors import Forbidden, Invalid, NotFound


async def add(
    session: AsyncSession,
    actor: Actor,
    *,
    version_id: int,
    upload_id: uuid.UUID,
    nsfw_level: int | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Image:
    """Add a finished upload to the pictures of one's version; it shows once it was decoded.

    `nsfw_level` is the owner's rating, PG when none is given; `meta` a recipe that replaces what the file says.
    Raises NotFound, Forbidden, Conflict (`too_many_images`) past twenty.
    """
    person = actor.require(Scope.MEDIA_WRITE)
    adding.check_level(nsfw_level)
    adding.check_meta(meta)
    await _editable_version(session, actor, version_id)
    blob = await uploading.finished_blob(session, actor, upload_id=upload_id, purpose=Purpose.IMAGE)
    upload = await uploading.owned(session, actor, upload_id=upload_id)
    post = await _post_of(session, person, version_id)
    return await adding.append(
        session,
        post,
        person_id=person,
        blob_id=blob.id,
        name=upload.filename,
        nsfw_level=nsfw_level or PG,
        nsfw_level_locked=nsfw_level is not None,
        meta=dict(meta) if meta is not None else None,
    )


async def reorder(session: AsyncSession, actor: Actor, *, version_id: int, image_ids: Sequence[int]) -> None:
    """Put a version's pictures into this order; every one of them must be named once."""
    actor.require(Scope.MEDIA_WRITE)
    await _editable_version(session, actor, version_id)
    images = await of_version(session, version_id)
    if sorted(image.id for image in images) != sorted(image_ids):
        raise Invalid("Name every picture of this version exactly once.", code="bad_order")
    for image in images:
        image.position = image_ids.index(image.id)
    await session.flush()
    await refresh(session, version_id)


async def rate(session: AsyncSession, actor: Actor, *, image_id: int, nsfw_level: int) -> Image:
    """Say how mature one's picture is. Raises Forbidden (`image_blocked`) for what moderators blocked."""
    if nsfw_level not in (*LEVELS, BLOCKED) or (nsfw_level == BLOCKED and not actor.is_moderator):
        raise Invalid("nsfwLevel must be 1, 2, 4, 8 or 16.", code="bad_level")
    image, version_id = await editable(session, actor, image_id)
    was_blocked = bool(image.nsfw_level & BLOCKED)
    if was_blocked and not actor.is_moderator:
        raise Forbidden(
            "Moderators blocked this picture, so only they can rate it again.", code="image_blocked"
        )
    if not actor.is_moderator:
        nsfw_level = levels.stricter(nsfw_level, await levels.least(session, image))
    image.nsfw_level, image.nsfw_level_locked = nsfw_level, True
    if was_blocked != (nsfw_level == BLOCKED):
        # The copies of a blocked picture must not stay where whoever knows their address finds them.
        if was_blocked:
            await defer(session, ProcessImage(image.id), once=f"image:{image.id}", priority=3)
        else:
            await defer(session, RemoveVariants(image.key))
    await changed(session, image, version_id)
    return image


async def hide_recipe(session: AsyncSession, actor: Actor, *, image_id: int, hidden: bool) -> Image:
    """Show or hide how one's picture was made; hidden, the original file is not given out either."""
    image, version_id = await editable(session, actor, image_id)
    image.hide_meta = hidden
    await changed(session, image, version_id)
    return image


async def changed(session: AsyncSession, image: Image, version_id: int | None) -> None:
    """What lists tell of a picture changed: its post's level and the catalogue follow; `version_id` is what it shows."""
    await session.flush()
    await levels.settle(session, post_id=image.post_id)
    if version_id is not None:
        await refresh(session, version_id)
    await publish(session, ImageChanged(image.id, image.post_id))


async def remove(session: AsyncSession, actor: Actor, *, image_id: int) -> None:
    """Take a picture away; its bytes go after the grace, its variants at once."""
    image, version_id = await editable(session, actor, image_id)
    await let_go(session, image)
    await session.flush()
    await levels.settle(session, post_id=image.post_id)
    if version_id is not None:
        await refresh(session, version_id)
    await publish(session, ImageRemoved(image.id, image.person_id, version_id))


async def remove_all_of(session: AsyncSession, *, person_id: int) -> None:
    """Take every picture of a person away, who asked for it on leaving."""
    images = (
        await session.scalars(select(Image).where(Image.person_id == person_id, Image.deleted_at.is_(None)))
    ).all()
    for image in images:
        await let_go(session, image)
    await session.flush()
    posts = {image.post_id for image in images}
    versions = await session.scalars(
        select(Post.version_id).where(Post.id.in_(posts), Post.version_id.is_not(None))
    )
    for version_id in versions.unique().all():
        if version_id is not None:
            await refresh(session, version_id)


async def of_version(session: AsyncSession, version_id: int) -> Sequence[Image]:
    """The pictures of a version's own posts, in order, those not ready included."""
    found = await session.scalars(
        select(Image)
        .join(Post, Post.id == Image.post_id)
        .where(
            Post.version_id == version_id,
            Post.showcase,
            Post.deleted_at.is_(None),
            Image.deleted_at.is_(None),
        )
        .order_by(Image.position, Image.id)
    )
    return found.all()


async def own_of_version(session: AsyncSession, actor: Actor, *, version_id: int) -> Sequence[Image]:
    """The pictures of one's own version, those being decoded or refused included."""
    actor.require(Scope.MEDIA_READ)
    model = await session.scalar(
        select(Model)
        .join(ModelVersion, ModelVersion.model_id == Model.id)
        .where(ModelVersion.id == version_id)
    )
    if model is None or not catalog_policy.can_edit(actor, model):
        raise NotFound("This version was not found among yours.", code="version_not_found")
    return await of_version(session, version_id)


async def refresh(session: AsyncSession, version_id: int) -> None:
    """Tell the catalogue what a version's pictures are now."""
    ready = [image for image in await of_version(session, version_id) if image.status == "ready"]
    await catalogue.replace(
        session,
        version_id=version_id,
        previews=[
            catalogue.Preview(
                image_id=image.id,
                position=place,
                key=image.key,
                name=image.name,
                kind=image.kind,
                width=image.width or 1,
                height=image.height or 1,
                blurhash=image.blurhash,
                nsfw_level=image.nsfw_level,
                person_id=image.person_id,
                meta=None if image.hide_meta else image.meta,
            )
            for place, image in enumerate(ready)
        ],
    )


async def let_go(session: AsyncSession, image: Image) -> None:
    """Mark a picture as gone, let its bytes go and have its copies removed."""
    image.deleted_at = clock.now()
    await references.drop(session, blob_id=image.blob_id, kind=REFERENCE, subject_id=image.id)
    await defer(session, RemoveVariants(image.key))


async def editable(session: AsyncSession, actor: Actor, image_id: int) -> tuple[Image, int | None]:
    """The picture, locked, for its owner, staff, and whoever owns the model that it shows now; with what it shows.

    Raises NotFound, Forbidden.
    """
    actor.require(Scope.MEDIA_WRITE)
    row = (
        await session.execute(
            select(Image, case((Post.showcase, Post.version_id)), Model)
            .join(Post, Post.id == Image.post_id)
            .outerjoin(ModelVersion, (ModelVersion.id == Post.version_id) & Post.showcase)
            .outerjoin(Model, Model.id == ModelVersion.model_id)
            .where(Image.id == image_id, Image.deleted_at.is_(None), Post.deleted_at.is_(None))
            .with_for_update(of=Image)
        )
    ).first()
    if row is None:
        raise NotFound("This picture was not found.", code="image_not_found")
    image: Image = row[0]
    model: Model | None = row[2]
    if not policy.can_edit(actor, image) and not (
        model is not None and catalog_policy.can_edit(actor, model)
    ):
        raise Forbidden("Only its owner can change this picture.", code="not_owner")
    return image, row[1]


async def _editable_version(session: AsyncSession, actor: Actor, version_id: int) -> Model:
    model = await session.scalar(
        select(Model)
        .join(ModelVersion, ModelVersion.model_id == Model.id)
        .where(ModelVersion.id == version_id, ModelVersion.deleted_at.is_(None), Model.deleted_at.is_(None))
        .with_for_update(of=ModelVersion)
    )
    if model is None:
        raise NotFound("This version was not found.", code="version_not_found")
    if not catalog_policy.can_edit(actor, model):
        raise Forbidden("Only its creator can change the pictures of this version.", code="not_owner")
    return model


async def _post_of(session: AsyncSession, person_id: int, version_id: int) -> Post:
    post = await session.scalar(
        select(Post).where(Post.version_id == version_id, Post.showcase, Post.deleted_at.is_(None))
    )
    if post is None:
        post = Post(person_id=person_id, version_id=version_id, showcase=True, published_at=clock.now())
        session.add(post)
        await session.flush()
    return post
