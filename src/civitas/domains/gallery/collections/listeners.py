"""What collections do about facts: their copies follow the things that they hold."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import ModelChanged, ModelEngaged
from civitas.contracts.events.gallery import (
    CollectionItemReviewed,
    ImageChanged,
    ImageReady,
    ImageRemoved,
    PostChanged,
    PostPublished,
    PostRemoved,
)
from civitas.domains.gallery.collections import bookmarks, giving, levels
from civitas.domains.gallery.collections.messages import CountCollections
from civitas.domains.gallery.collections.types import State
from civitas.domains.gallery.tables import Image
from civitas.infra.queue.outbox import defer
from civitas.infra.queue.registry import on


async def _follow(session: AsyncSession, kind: str, ids: list[int]) -> None:
    changed = await levels.keep(session, kind, ids)
    for start in range(0, len(changed), levels.COUNTED):
        await defer(session, CountCollections(changed[start : start + levels.COUNTED]))


async def _follow_post(session: AsyncSession, post_id: int) -> None:
    images = await session.scalars(select(Image.id).where(Image.post_id == post_id))
    await _follow(session, "image", list(images))
    await _follow(session, "post", [post_id])


@on(ModelChanged)
async def follow_model(session: AsyncSession, event: ModelChanged) -> None:
    """Show a model in collections as mature and as public as it is now."""
    await _follow(session, "model", [event.model_id])


@on(ImageChanged)
async def follow_image(session: AsyncSession, event: ImageChanged) -> None:
    """Show a picture, and its post, as mature as they are now."""
    await _follow(session, "image", [event.image_id])
    await _follow(session, "post", [event.post_id])


@on(ImageReady)
async def follow_new_image(session: AsyncSession, event: ImageReady) -> None:
    """A picture can be shown from now on."""
    await _follow(session, "image", [event.image_id])
    await _follow(session, "post", [event.post_id])


@on(ImageRemoved)
async def drop_image(session: AsyncSession, event: ImageRemoved) -> None:
    """A picture that was taken away is shown nowhere."""
    await _follow(session, "image", [event.image_id])


@on(PostPublished)
async def follow_published_post(session: AsyncSession, event: PostPublished) -> None:
    """A post and its pictures can be seen from now on."""
    await _follow_post(session, event.post_id)


@on(PostChanged)
async def follow_post(session: AsyncSession, event: PostChanged) -> None:
    """A post may be hidden again, or shown."""
    await _follow_post(session, event.post_id)


@on(PostRemoved)
async def drop_post(session: AsyncSession, event: PostRemoved) -> None:
    """A post that was taken away is shown nowhere, nor are its pictures."""
    await _follow_post(session, event.post_id)


@on(ModelEngaged)
async def follow_favourite(session: AsyncSession, event: ModelEngaged) -> None:
    """A favourite is among the bookmarks of models, and no longer when it is none."""
    if event.kind == "favourite":
        await bookmarks.mirror(session, person_id=event.person_id, model_id=event.model_id)


@on(CollectionItemReviewed)
async def give_for_entry(session: AsyncSession, event: CollectionItemReviewed) -> None:
    """A board gives for what somebody accepted."""
    if event.state == State.ACCEPTED:
        await giving.give(session, collection_id=event.collection_id, item_id=event.item_id, by=event.by)
