"""What placements do about facts: offers end when what they are about is gone, hidden, or between people apart."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import Blocked, PersonBanned, PersonDeleted
from civitas.contracts.events.gallery import ImageChanged, ImageRemoved, PostChanged, PostRemoved
from civitas.domains.gallery.placements import ending
from civitas.domains.gallery.tables import Image
from civitas.infra.queue.registry import on


@on(ImageRemoved)
async def end_with_image(session: AsyncSession, event: ImageRemoved) -> None:
    """What stands on a picture goes with it."""
    await ending.end_unfit(session, images=[event.image_id])


@on(ImageChanged)
async def end_with_changed_image(session: AsyncSession, event: ImageChanged) -> None:
    """A picture may be blocked now, or of a level that an offer does not fit."""
    await ending.end_unfit(session, images=[event.image_id])


@on(PostChanged)
async def end_with_hidden_post(session: AsyncSession, event: PostChanged) -> None:
    """A post may be a draft again: nobody can be asked about its pictures."""
    await ending.end_unfit(session, images=await _images(session, event.post_id))


@on(PostRemoved)
async def end_with_post(session: AsyncSession, event: PostRemoved) -> None:
    """What stands on the pictures of a post goes with it."""
    await ending.end_unfit(session, images=await _images(session, event.post_id))


@on(Blocked)
async def end_between(session: AsyncSession, event: Blocked) -> None:
    """Offers between two people end when one blocks the other."""
    await ending.end_unfit(session, people=[event.person_id])


@on(PersonBanned)
async def end_of_banned(session: AsyncSession, event: PersonBanned) -> None:
    """Offers to and by somebody who was banned end."""
    await ending.end_unfit(session, people=[event.person_id])


@on(PersonDeleted)
async def end_of_gone(session: AsyncSession, event: PersonDeleted) -> None:
    """Offers to and by somebody who left end."""
    await ending.end_unfit(session, people=[event.person_id])


async def _images(session: AsyncSession, post_id: int) -> list[int]:
    return list(await session.scalars(select(Image.id).where(Image.post_id == post_id)))
