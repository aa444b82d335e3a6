"""What the gallery does about facts of other domains."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import PersonDeleted
from civitas.contracts.events.catalog import PreviewRulesChanged
from civitas.contracts.events.gallery import ImageReady
from civitas.contracts.events.orchestration import WorkflowEnded
from civitas.domains.accounts.types import SYSTEM_ID
from civitas.domains.catalog.tables import ModelVersion
from civitas.domains.gallery import previews, sight
from civitas.domains.gallery.messages import HearOfImage, LookAtImage
from civitas.infra.queue.outbox import defer
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


@on(ImageReady)
async def let_agents_look(session: AsyncSession, event: ImageReady) -> None:
    """A picture that can be seen is shown to agents that tag or rate, where such are connected."""
    if await sight.asked(session):
        await defer(session, LookAtImage(event.image_id))


@on(WorkflowEnded)
async def hear_of_pictures(session: AsyncSession, event: WorkflowEnded) -> None:
    """What the site itself asked agents about pictures has an answer."""
    if event.person_id == SYSTEM_ID and event.status == "succeeded":
        await defer(session, HearOfImage(event.workflow_id))
