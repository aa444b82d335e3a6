"""What a decision of staff, a check or a clock tells whom."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events import accounts, catalog, community, gallery, orchestration
from civitas.domains.catalog.tables import Model
from civitas.domains.community.notifications.delivering import Note
from civitas.domains.community.notifications.facts import Told, about, shown
from civitas.kit import clock

ACCOUNT = "/account"


async def model_unpublished(session: AsyncSession, event: catalog.ModelUnpublished) -> Told:
    """The owner, when staff did it."""
    return await _model(session, event.model_id, event.person_id, event.by, "staff took it from view")


async def version_unpublished(session: AsyncSession, event: catalog.VersionUnpublished) -> Told:
    """The owner, when staff did it."""
    return await _version(session, event.model_id, event.by, "staff took a version of it from view")


async def version_deleted(session: AsyncSession, event: catalog.VersionDeleted) -> Told:
    """The owner, when staff did it."""
    return await _version(session, event.model_id, event.by, "staff deleted a version of it")


async def model_deleted(session: AsyncSession, event: catalog.ModelDeleted) -> Told:
    """The owner, when staff did it."""
    return await _model(session, event.model_id, event.person_id, event.by, "staff deleted it")


async def model_restored(session: AsyncSession, event: catalog.ModelRestored) -> Told:
    """The owner, when staff did it."""
    return await _model(session, event.model_id, event.person_id, event.by, "it is back")


async def model_mode_changed(session: AsyncSession, event: catalog.ModelModeChanged) -> Told:
    """The owner, when staff did it."""
    words = {"Archived": "staff archived it", "TakenDown": "staff took it down"}.get(
        event.mode or "", "it is back"
    )
    return await _model(session, event.model_id, event.person_id, event.by, words)


async def model_transferred(session: AsyncSession, event: catalog.ModelTransferred) -> Told:
    """The new owner."""
    facts = await about(session, "model", event.model_id)
    if facts is None or event.after <= 0:
        return ()
    key = f"{event.model_id}:{event.before}"
    return (Note("transferred", [event.after], key, facts.subject, None, shown(facts), once=True),)


async def model_forked(session: AsyncSession, event: catalog.ModelForked) -> Told:
    """The creator of what was forked."""
    facts = await about(session, "model", event.source_model_id)
    if facts is None:
        return ()
    key = str(event.source_model_id)
    return (Note("forked", [event.source_person_id], key, facts.subject, event.person_id, shown(facts)),)


async def draft_aging(session: AsyncSession, event: catalog.DraftAging) -> Told:
    """The owner of a forgotten draft."""
    facts = await about(session, "model", event.model_id)
    if facts is None:
        return ()
    data = shown(facts, f"/models/{event.model_id}/edit")
    key = f"{event.model_id}:{event.removed_at:%Y-%m-%d}"
    return (Note("forgotten-draft", [event.person_id], key, facts.subject, None, data, once=True),)


async def schedule_failed(session: AsyncSession, event: catalog.ScheduleFailed) -> Told:
    """The owner of what was planned."""
    facts = await about(session, "model", event.model_id)
    if facts is None:
        return ()
    key = f"{event.model_id}:{event.version_id}:{clock.now():%Y-%m-%d}"
    return (Note("missed-schedule", [event.person_id], key, facts.subject, None, shown(facts), once=True),)


async def file_scanned(session: AsyncSession, event: catalog.FileScanned) -> Told:
    """The owner of a file that is held back."""
    if event.verdict in ("clean", "error", "pending"):
        return ()
    facts = await about(session, "model", event.model_id)
    if facts is None:
        return ()
    data = shown(facts, f"/models/{event.model_id}/edit")
    return (Note("file-held", [event.person_id], str(event.file_id), facts.subject, None, data, once=True),)


async def image_failed(_: AsyncSession, event: gallery.ImageFailed) -> Told:
    """The owner of a picture that is none."""
    data = {"path": "/notifications", "note": event.reason[:200]}
    return (Note("image-failed", [event.person_id], str(event.image_id), data=data, once=True),)


async def article_unpublished(session: AsyncSession, event: community.ArticleUnpublished) -> Told:
    """The writer, when staff did it."""
    if event.reason is None:
        return ()
    facts = await about(session, "article", event.article_id)
    data = {"title": facts.title[:200] if facts else "Your article", "path": facts.path if facts else ACCOUNT}
    key = f"article:{event.article_id}:{clock.now():%Y-%m-%dT%H:%M}"
    return (
        Note("moderated", [event.person_id], key, data=data | {"note": "staff took it from view"}, once=True),
    )


async def muted(_: AsyncSession, event: accounts.PersonMuted) -> Told:
    """Who may not write, or may again."""
    note = (
        "you can write again"
        if event.until is None
        else f"you can only read until {event.until:%Y-%m-%d %H:%M} UTC"
    )
    return (_standing(event.person_id, f"muted:{event.until}:{clock.now():%Y-%m-%dT%H:%M}", note),)


async def unbanned(_: AsyncSession, event: accounts.PersonUnbanned) -> Told:
    """Whose account is open again."""
    return (_standing(event.person_id, f"unbanned:{clock.now():%Y-%m-%d}", "it is open again"),)


async def role_changed(_: AsyncSession, event: accounts.RoleChanged) -> Told:
    """Who has another role."""
    return (
        _standing(event.person_id, f"role:{clock.now():%Y-%m-%dT%H:%M}", f"your role is {event.after} now"),
    )


async def workflow_ended(_: AsyncSession, event: orchestration.WorkflowEnded) -> Told:
    """Whoever generates and wants to hear of it."""
    return (Note("generation", [event.person_id], "", data={"path": "/create"}),)


def _standing(person: int, key: str, note: str) -> Note:
    return Note("standing", [person], key, data={"path": ACCOUNT, "note": note}, once=True)


async def _version(session: AsyncSession, model_id: int, by: int, note: str) -> Told:
    owner = await session.scalar(select(Model.person_id).where(Model.id == model_id))
    return await _model(session, model_id, owner, by, note) if owner else ()


async def _model(session: AsyncSession, model_id: int, owner: int, by: int, note: str) -> Told:
    if by in (owner, 0):
        return ()
    name = await session.scalar(select(Model.name).where(Model.id == model_id))
    data = {"title": str(name or "A model")[:200], "path": f"/models/{model_id}", "note": note}
    key = f"model:{model_id}:{note}:{clock.now():%Y-%m-%dT%H:%M}"
    return (Note("moderated", [owner], key, data=data, once=True),)
