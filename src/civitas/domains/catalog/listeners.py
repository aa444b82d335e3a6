"""What the catalogue does about facts: its documents follow the models, its counters the people."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import PersonDeleted, PersonRenamed, PersonRestored, ProfileChanged
from civitas.contracts.events.catalog import ModelChanged, ModelEngaged
from civitas.domains.catalog import metrics, rebuilding, removal
from civitas.infra.queue.registry import on


@on(ModelChanged)
async def rebuild_documents(session: AsyncSession, event: ModelChanged) -> None:
    """Show the model as it is now."""
    await rebuilding.rebuild(session, [event.model_id])


@on(ModelEngaged)
async def count_favourite(session: AsyncSession, event: ModelEngaged) -> None:
    """Count favourites anew."""
    if event.kind == "favourite":
        await metrics.count_favourites(session, [event.model_id])


@on(PersonRenamed)
async def show_new_name(session: AsyncSession, event: PersonRenamed) -> None:
    """Show a creator's new name on all their models."""
    await rebuilding.rebuild_person(session, event.person_id)


@on(ProfileChanged)
async def show_new_picture(session: AsyncSession, event: ProfileChanged) -> None:
    """Show a creator's new picture on all their models."""
    await rebuilding.rebuild_person(session, event.person_id)


@on(PersonDeleted)
async def part_with_owner(session: AsyncSession, event: PersonDeleted) -> None:
    """Delete the models of a person who left, or hand them to the system's account."""
    await removal.owner_left(session, person_id=event.person_id, remove=event.remove_models)


@on(PersonRestored)
async def give_back(session: AsyncSession, event: PersonRestored) -> None:
    """Give a person who came back their models again."""
    await removal.owner_returned(session, person_id=event.person_id)
