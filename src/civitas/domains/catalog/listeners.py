"""What the catalogue does about facts: its documents follow the models, its counters the people, its letters both."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import PersonDeleted, PersonRenamed, PersonRestored, ProfileChanged
from civitas.contracts.events.buzz import TipGiven
from civitas.contracts.events.catalog import (
    DraftAging,
    EarlyAccessEnded,
    ModelChanged,
    ModelDeleted,
    ModelEngaged,
    ModelModeChanged,
    ModelUnpublished,
    ScheduleFailed,
    VersionDeleted,
    VersionPublished,
    VersionUnpublished,
)
from civitas.contracts.events.orchestration import VersionsUsed
from civitas.domains.accounts import notices
from civitas.domains.catalog import access_windows, collaborators, metrics, rebuilding, removal
from civitas.domains.catalog.tables import Model, ModelVersion
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


# What publishing still needs (requirements.py), in the words of a letter.
_MISSING = {
    "name": "a name",
    "tags": "a category or a tag",
    "no-versions": "a version",
    "no-files": "a file",
    "scan-pending": "the safety check of a file, which was not done yet",
    "scan-failed": "a file that passes its safety check",
    "no-posts": "a picture",
    "base-model": "a base model from the list",
    "licence-forbids-mature": "content that the licence of the base model allows",
    "barred": "the leave of the moderators",
}


@on(DraftAging)
async def tell_of_aging(session: AsyncSession, event: DraftAging) -> None:
    """Mail the owner of a forgotten draft that it goes soon."""
    name = await session.scalar(select(Model.name).where(Model.id == event.model_id))
    if name is not None:
        day = f"{event.removed_at:%d %B %Y}".lstrip("0")
        await notices.tell(
            session,
            event.person_id,
            "draft-aging",
            detail=name or "without a name",
            more=day,
            path=f"/models/{event.model_id}",
        )


@on(ScheduleFailed)
async def tell_of_failed_schedule(session: AsyncSession, event: ScheduleFailed) -> None:
    """Mail the owner that what was planned did not become public, and what is missing."""
    row = (
        await session.execute(
            select(Model.name, ModelVersion.name)
            .outerjoin(ModelVersion, ModelVersion.id == event.version_id)
            .where(Model.id == event.model_id)
        )
    ).first()
    if row is not None:
        missing = dict.fromkeys(_MISSING.get(code, code) for code in event.missing)
        await notices.tell(
            session,
            event.person_id,
            "schedule-failed",
            detail=" ".join(part for part in row if part) or "Your model",
            more=", ".join(missing) or "a version that is ready",
            path=f"/models/{event.model_id}",
        )


@on(TipGiven)
async def count_tipped(session: AsyncSession, event: TipGiven) -> None:
    """Add what a model or one of its versions was tipped to the model's counters."""
    if event.subject_kind in ("model", "model_version"):
        await metrics.count_tip(
            session, kind=event.subject_kind, subject_id=event.subject_id, amount=event.amount
        )


@on(VersionsUsed)
async def count_generated(session: AsyncSession, event: VersionsUsed) -> None:
    """Add what was generated with versions to their counters."""
    await metrics.count_generations(session, event.versions)


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
    await collaborators.forget(session, person_id=event.person_id)
    await removal.owner_left(session, person_id=event.person_id, remove=event.remove_models)


@on(PersonRestored)
async def give_back(session: AsyncSession, event: PersonRestored) -> None:
    """Give a person who came back their models again."""
    await removal.owner_returned(session, person_id=event.person_id)


@on(VersionPublished)
async def begin_access(session: AsyncSession, event: VersionPublished) -> None:
    """A gate that was set up for the version is in force from now on."""
    await access_windows.opened(session, version_id=event.version_id)


@on(EarlyAccessEnded)
async def show_end_of_access(session: AsyncSession, event: EarlyAccessEnded) -> None:
    """Everybody sees that the version is open."""
    await access_windows.shown(session, version_id=event.version_id)


@on(VersionUnpublished)
async def return_payments(session: AsyncSession, event: VersionUnpublished) -> None:
    """What lies in escrow for a version that was taken from view goes back."""
    await access_windows.withdraw(session, version_id=event.version_id)


@on(VersionDeleted)
async def return_payments_of_deleted(session: AsyncSession, event: VersionDeleted) -> None:
    """What lies in escrow for a version that was deleted goes back."""
    await access_windows.withdraw(session, version_id=event.version_id)


@on(ModelUnpublished)
async def return_payments_of_model(session: AsyncSession, event: ModelUnpublished) -> None:
    """What lies in escrow for any version of a model that was taken from view goes back."""
    await access_windows.withdraw_model(session, model_id=event.model_id)


@on(ModelDeleted)
async def return_payments_of_deleted_model(session: AsyncSession, event: ModelDeleted) -> None:
    """What lies in escrow for any version of a model that was deleted goes back."""
    await access_windows.withdraw_model(session, model_id=event.model_id)


@on(ModelModeChanged)
async def return_payments_of_archived(session: AsyncSession, event: ModelModeChanged) -> None:
    """Files that are withheld are not what was paid for."""
    if event.mode is not None:
        await access_windows.withdraw_model(session, model_id=event.model_id)
