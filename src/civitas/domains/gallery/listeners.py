"""What the gallery does about facts of other domains."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import PersonDeleted
from civitas.contracts.events.catalog import PreviewRulesChanged
from civitas.domains.catalog.tables import ModelVersion
from civitas.domains.gallery import previews
from civitas.infra.queue.registry import on


@on(PersonDeleted)
async def remove_pictures(session: AsyncSession, event: PersonDeleted) -> None:
    """A person who left and asked for it takes their pictures along (FEATURES A14)."""
    if event.remove_images:
        await previews.remove_all_of(session, person_id=event.person_id)


@on(PreviewRulesChanged)
async def hand_in_again(session: AsyncSession, event: PreviewRulesChanged) -> None:
    """Which pictures a model may show changed: the catalogue chooses anew among all of them."""
    versions = await session.scalars(select(ModelVersion.id).where(ModelVersion.model_id == event.model_id))
    for version_id in versions.all():
        await previews.refresh(session, version_id)
