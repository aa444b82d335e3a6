"""What the gallery does about facts of other domains."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import PersonDeleted
from civitas.domains.gallery import previews
from civitas.infra.queue.registry import on


@on(PersonDeleted)
async def remove_pictures(session: AsyncSession, event: PersonDeleted) -> None:
    """A person who left and asked for it takes their pictures along (FEATURES A14)."""
    if event.remove_images:
        await previews.remove_all_of(session, person_id=event.person_id)
