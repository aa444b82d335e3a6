"""The pictures with which a creator shows a version: adding, ordering, rating, removing.

They are one post per version and owner. The catalogue shows copies of what is ready (catalog.previews).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import ImageAdded, ImageRemoved
from civitas.domains.accounts.types import BLOCKED, PG, PG13, XXX, Actor, R, Scope, X
from civitas.domains.blobs import references, uploading
from civitas.domains.blobs.types import Purpose
from civitas.domains.catalog import policy as catalog_policy
from civitas.domains.catalog import previews as catalogue
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.gallery import policy
from civitas.domains.gallery.messages import ProcessImage, RemoveVariants
from civitas.domains.gallery.tables import Image, Post
from civitas.infra.queue.outbox import defer, publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound
from civitas.kit.text import clean_line

REFERENCE = "image"
MAX_PER_POST = 20
LEVELS = (PG, PG13, R, X, XXX)
MAX_META = 64 * 1024


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
    if nsfw_level is not None and nsfw_level not in LEVELS:
        raise Invalid("nsfwLevel must be 1, 2, 4, 8 or 16.", code="bad_level")
    if meta is not None and len(str(meta)) > MAX_META:
        raise Invalid("This recipe is too long to keep.", code="meta_too_long")
    await _editable_version(session, actor, version_id)
    blob = await uploading.finished_blob(session, actor, upload_id=upload_id, purpose=Purpose.IMAGE)
    upload = await uploading.owned(session, actor, upload_id=upload_id)
    post = await _post_of(session, person, version_id)
    count, last = (
        await session.execute(
            select(func.count(), func.coalesce(func.max(Image.position), -1)).where(
                Image.post_id == post.id, Image.deleted_at.is_(None)
            )
        )
    ).one()
    if count >= MAX_PER_POST:
        raise Conflict(
            f"A version shows at most {MAX_PER_POST} pictures; remove one first.", code="too_many_images"
        )
    image = Image(
        post_id=post.id,
        person_id=person,
        blob_id=blob.id,
        key=str(uuid.uuid4()),
        name=clean_line(upload.filename),
        position=last + 1,
        nsfw_level=nsfw_level or PG,
        nsfw_level_locked=nsfw_level is not None,
        meta=dict(meta) if meta is not None else None,
    )
    session.add(image)
    await session.flush()
    await references.add(session, blob_id=blob.id, kind=REFERENCE, subject_id=image.id)
    await defer(session, ProcessImage(image.id), once=f"image:{image.id}", priority=3)
    await publish(session, ImageAdded(image.id, post.id, person, version_id))
    return image


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
    """Say how mature one's picture is; a level that a moderator locked stays for others."""
    if nsfw_level not in (*LEVELS, BLOCKED) or (nsfw_level == BLOCKED and not actor.is_moderator):
        raise Invalid("nsfwLevel must be 1, 2, 4, 8 or 16.", code="bad_level")
    image, version_id = await _editable(session, actor, image_id)
    image.nsfw_level, image.nsfw_level_locked = nsfw_level, True
    await session.flush()
    if version_id is not None:
        await refresh(session, version_id)
    return image


async def remove(session: AsyncSession, actor: Actor, *, image_id: int) -> None:
    """Take a picture away; its bytes go after the grace, its variants at once."""
    image, version_id = await _editable(session, actor, image_id)
    await _remove(session, image)
    await session.flush()
    if version_id is not None:
        await refresh(session, version_id)
    await publish(session, ImageRemoved(image.id, image.person_id, version_id))


async def remove_all_of(session: AsyncSession, *, person_id: int) -> None:
    """Take every picture of a person away, who asked for it on leaving."""
    images = (
        await session.scalars(select(Image).where(Image.person_id == person_id, Image.deleted_at.is_(None)))
    ).all()
    for image in images:
        await _remove(session, image)
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


async def _remove(session: AsyncSession, image: Image) -> None:
    image.deleted_at = clock.now()
    await references.drop(session, blob_id=image.blob_id, kind=REFERENCE, subject_id=image.id)
    await defer(session, RemoveVariants(image.key))


async def _editable(session: AsyncSession, actor: Actor, image_id: int) -> tuple[Image, int | None]:
    """The picture, locked, for its owner, staff, and whoever owns the model that it shows now."""
    actor.require(Scope.MEDIA_WRITE)
    row = (
        await session.execute(
            select(Image, Post.version_id, Model)
            .join(Post, Post.id == Image.post_id)
            .outerjoin(ModelVersion, (ModelVersion.id == Post.version_id) & Post.showcase)
            .outerjoin(Model, Model.id == ModelVersion.model_id)
            .where(Image.id == image_id, Image.deleted_at.is_(None))
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
