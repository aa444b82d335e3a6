"""Taking models from view and putting them back: unpublish, delete with undo, archive, take down, hand over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import (
    ModelChanged,
    ModelDeleted,
    ModelModeChanged,
    ModelRestored,
    ModelTransferred,
    ModelUnpublished,
    ReviewRequested,
)
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.types import SYSTEM, SYSTEM_ID, Actor, Scope
from civitas.domains.blobs import references
from civitas.domains.catalog import editing, policy, publishing
from civitas.domains.catalog.tables import Model, ModelEvent, ModelFile, ModelVersion
from civitas.domains.catalog.types import Mode, Status
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Gone, Invalid, NotFound
from civitas.kit.text import clean_line

# How long a deletion can be undone; then the bytes are let go and the tombstone stays.
UNDO = timedelta(days=30)
FILE_REFERENCE = "model_file"
OWNER_LEFT = "owner-left"
MAX_NOTE = 2000
# FEATURES B36, with the spelling that existing clients know.
UNPUBLISH_REASONS = (
    "no-posts", "no-versions", "no-files", "mature-real-person", "mature-underage", "photo-real-underage",
    "hate-speech", "scat", "violence", "beastiality", "nudify", "non-generated-image", "unintenteded-use",
    "insufficient-description", "duplicate", "spam", "other",
)  # fmt: skip


async def unpublish(
    session: AsyncSession,
    actor: Actor,
    *,
    model_id: int,
    reason: str | None = None,
    note: str | None = None,
) -> Model:
    """Take a model from view; a scheduled one is a draft again. Doing it twice changes nothing.

    The owner needs no reason. Staff give one of `UNPUBLISH_REASONS` (and a note with `other`), and then only staff
    publish again. Raises Invalid (`unknown_reason`, `reason_needed`), Conflict (`not_public`).
    """
    model = await editing.model_for_edit(session, actor, model_id=model_id)
    by_staff = actor.is_moderator and (reason is not None or not policy.owns(actor, model))
    text = clean_line(note or "")[:MAX_NOTE] or None
    if by_staff:
        _check_reason(reason, text)
    if model.status == Status.SCHEDULED and not by_staff:
        await _unschedule(session, actor, model)
        return model
    after = Status.UNPUBLISHED_VIOLATION if by_staff else Status.UNPUBLISHED
    if model.status in (after, Status.UNPUBLISHED_VIOLATION):
        return model
    if model.status != Status.PUBLISHED and not (by_staff and model.status in policy.TAKEABLE):
        raise Conflict("This model is not public.", code="not_public")
    model.previous_status, model.status, model.scheduled_at = model.status, after, None
    model.unpublished_reason, model.unpublished_note = (reason, text) if by_staff else (None, None)
    editing.note(session, actor, model, "unpublished", reason=model.unpublished_reason, note=text)
    await editing.changed(
        session, model, ModelUnpublished(model.id, model.person_id, actor.require(), model.unpublished_reason)
    )
    return model


def _check_reason(reason: str | None, note: str | None) -> None:
    if reason not in UNPUBLISH_REASONS:
        raise Invalid(
            f"Give a reason: one of {', '.join(UNPUBLISH_REASONS)}.",
            code="reason_needed" if reason is None else "unknown_reason",
            fields={"reason": f"one of {', '.join(UNPUBLISH_REASONS)}"},
        )
    if reason == "other" and not note:
        raise Invalid("Say in a note what the reason is.", code="reason_needed", fields={"note": "needed"})


async def _unschedule(session: AsyncSession, actor: Actor, model: Model) -> None:
    await session.execute(
        update(ModelVersion)
        .where(ModelVersion.model_id == model.id, ModelVersion.status == Status.SCHEDULED)
        .values(status=Status.DRAFT, scheduled_at=None)
        .execution_options(synchronize_session="fetch")
    )
    model.status, model.scheduled_at = Status.DRAFT, None
    editing.note(session, actor, model, "unscheduled")
    await editing.changed(session, model)


async def request_review(session: AsyncSession, actor: Actor, *, model_id: int, note: str = "") -> None:
    """The owner asks staff to look again at a model that they unpublished; asking twice is asking."""
    model = await editing.model_for_edit(session, actor, model_id=model_id)
    if model.status != Status.UNPUBLISHED_VIOLATION:
        raise Conflict("The moderators have not unpublished this model.", code="nothing_to_review")
    last = await session.scalar(
        select(ModelEvent.action)
        .where(
            ModelEvent.model_id == model_id,
            ModelEvent.action.in_(["review_requested", "review_declined", "unpublished"]),
        )
        .order_by(ModelEvent.id.desc())
        .limit(1)
    )
    if last == "review_requested":
        return
    editing.note(session, actor, model, "review_requested", note=clean_line(note)[:MAX_NOTE])
    await session.flush()
    await publish(session, ReviewRequested(model.id, model.person_id))


async def decline_review(session: AsyncSession, actor: Actor, *, model_id: int, note: str) -> None:
    """Staff leave a model unpublished and say why; the owner sees it in the history."""
    actor.require_moderator()
    model = await editing.model_for_edit(session, actor, model_id=model_id)
    text = clean_line(note)[:MAX_NOTE]
    if not text:
        raise Invalid("Say why.", code="reason_needed", fields={"note": "needed"})
    editing.note(session, actor, model, "review_declined", note=text)
    await session.flush()


async def delete(session: AsyncSession, actor: Actor, *, model_id: int, reason: str | None = None) -> Model:
    """Delete a model; for thirty days it can be restored, and its hashes answer for ever.

    Deleting twice changes nothing. `reason` is a word for the tombstone; staff should give one.
    """
    require_voice(actor)
    actor.require(Scope.MODELS_DELETE)
    model = await _any_for_edit(session, actor, model_id)
    if model.status == Status.DELETED:
        return model
    now = clock.now()
    model.previous_status, model.status, model.deleted_at = model.status, Status.DELETED, now
    model.deleted_by, model.scheduled_at = actor.id, None
    if reason:
        model.unpublished_reason = clean_line(reason)[:100]
    editing.note(session, actor, model, "deleted", reason=reason)
    await editing.changed(
        session, model, ModelDeleted(model.id, model.person_id, actor.require(), model.unpublished_reason)
    )
    return model


async def restore(session: AsyncSession, actor: Actor, *, model_id: int) -> Model:
    """Undo a deletion, or publish again what its owner unpublished.

    Raises Gone (`undo_expired`) after thirty days, Forbidden (`removed_by_staff`) when staff removed it, Conflict
    (`nothing_to_restore`), Invalid (`not_ready`).
    """
    require_voice(actor)
    actor.require(Scope.MODELS_WRITE)
    model = await _any_for_edit(session, actor, model_id)
    if model.status in (Status.UNPUBLISHED, Status.UNPUBLISHED_VIOLATION):
        return await publishing.publish(session, actor, model_id=model_id)
    if model.status != Status.DELETED or model.deleted_at is None:
        raise Conflict("This model was neither deleted nor unpublished.", code="nothing_to_restore")
    if model.deleted_at + UNDO < clock.now():
        raise Gone("This model was deleted over thirty days ago; its files are gone.", code="undo_expired")
    if model.deleted_by not in (actor.id, model.person_id) and not actor.is_moderator:
        raise Forbidden("This model was deleted by the moderators.", code="removed_by_staff")
    _undelete(model)
    editing.note(session, actor, model, "restored")
    await editing.changed(
        session, model, ModelRestored(model.id, model.person_id, actor.require(), model.status)
    )
    return model


def _undelete(model: Model) -> None:
    before = model.previous_status or Status.DRAFT
    # Its time may have come and gone meanwhile: the owner schedules again.
    model.status = Status.DRAFT if before == Status.SCHEDULED else before
    model.previous_status = model.deleted_at = model.deleted_by = None
    if model.status != Status.UNPUBLISHED_VIOLATION:
        model.unpublished_reason = None


async def _any_for_edit(session: AsyncSession, actor: Actor, model_id: int) -> Model:
    model = await session.scalar(
        select(Model)
        .where(Model.id == model_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if model is not None and (policy.owns(actor, model) or actor.is_moderator):
        return model
    if model is None or model.status != Status.PUBLISHED:
        raise NotFound("This model was not found.", code="model_not_found")
    raise Forbidden("Only its creator can do this.", code="not_owner")


async def set_mode(
    session: AsyncSession, actor: Actor, *, model_id: int, mode: Mode | None, reason: str | None = None
) -> Model:
    """Archive a model (owner or staff), take it down (staff), or put it back with None.

    Archived: its files are withheld, the page stays. TakenDown: its pictures too. Raises Forbidden (`staff_only`).
    """
    model = await editing.model_for_edit(session, actor, model_id=model_id)
    if Mode.TAKEN_DOWN in (mode, model.mode):
        actor.require_moderator()
    if model.mode == mode:
        return model
    model.mode = mode
    editing.note(session, actor, model, "mode_changed", mode=mode, reason=reason)
    await editing.changed(session, model, ModelModeChanged(model.id, model.person_id, actor.require(), mode))
    return model


async def transfer(session: AsyncSession, actor: Actor, *, model_id: int, to_person_id: int) -> Model:
    """Give a model to another person; administrators only."""
    actor.require_admin()
    model = await editing.model_for_edit(session, actor, model_id=model_id)
    before = model.person_id
    if before != to_person_id:
        model.person_id = to_person_id
        editing.note(session, actor, model, "transferred", before=before, after=to_person_id)
        await editing.changed(session, model, ModelTransferred(model.id, before, to_person_id))
    return model


async def owner_left(session: AsyncSession, *, person_id: int, remove: bool) -> None:
    """A person left: their models go with them, or are handed to the system's account (FEATURES A14).

    Drafts always go: nobody else ever saw them.
    """
    models = (
        await session.scalars(
            select(Model)
            .where(Model.person_id == person_id, Model.status != Status.DELETED)
            .order_by(Model.id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).all()
    now = clock.now()
    events: list[object] = []
    for model in models:
        if remove or model.published_at is None:
            model.previous_status, model.status, model.deleted_at = model.status, Status.DELETED, now
            model.deleted_by, model.scheduled_at = person_id, None
            model.unpublished_reason = model.unpublished_reason or OWNER_LEFT
            editing.note(session, SYSTEM, model, "deleted", reason=OWNER_LEFT)
            events.append(ModelDeleted(model.id, person_id, person_id, OWNER_LEFT))
        else:
            model.person_id = SYSTEM_ID
            editing.note(session, SYSTEM, model, "handed_over", before=person_id)
            events.append(ModelTransferred(model.id, person_id, SYSTEM_ID))
        model.updated_at = now
        events.append(ModelChanged(model.id))
    await session.flush()
    await publish(session, *events)


async def owner_returned(session: AsyncSession, *, person_id: int) -> None:
    """A person came back within the month: what was handed over or went with them is theirs again."""
    handed = select(ModelEvent.model_id).where(
        ModelEvent.action == "handed_over", ModelEvent.details["before"].as_integer() == person_id
    )
    mine = (Model.person_id == SYSTEM_ID) & Model.id.in_(handed)
    gone = (
        (Model.person_id == person_id)
        & (Model.status == Status.DELETED)
        & (Model.deleted_by == person_id)
        & (Model.unpublished_reason == OWNER_LEFT)
        & (Model.deleted_at > clock.now() - UNDO)
    )
    models: Sequence[Model] = (
        await session.scalars(
            select(Model)
            .where(mine | gone)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).all()
    events: list[object] = []
    for model in models:
        if model.person_id == SYSTEM_ID:
            model.person_id = person_id
            events.append(ModelTransferred(model.id, SYSTEM_ID, person_id))
            editing.note(session, SYSTEM, model, "reclaimed", after=person_id)
        if model.status == Status.DELETED and model.unpublished_reason == OWNER_LEFT:
            _undelete(model)
            events.append(ModelRestored(model.id, person_id, person_id, model.status))
            editing.note(session, SYSTEM, model, "restored")
        model.updated_at = clock.now()
        events.append(ModelChanged(model.id))
    await session.flush()
    await publish(session, *events)


async def let_bytes_go(session: AsyncSession, *, limit: int = 200) -> int:
    """Drop the bytes of models and versions that were deleted over thirty days ago; how many files.

    Names, hashes and scan results stay: they are the tombstone.
    """
    before = clock.now() - UNDO
    found = await session.scalars(
        select(ModelFile)
        .join(ModelVersion, ModelVersion.id == ModelFile.version_id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(
            ModelFile.removed_at.is_(None),
            (Model.deleted_at < before) | (ModelVersion.deleted_at < before),
        )
        .order_by(ModelFile.id)
        .limit(limit)
        .with_for_update(of=ModelFile, skip_locked=True, key_share=True)
    )
    files = found.all()
    for file in files:
        file.removed_at, file.is_primary = clock.now(), False
        if file.blob_id is not None:
            await references.drop(session, blob_id=file.blob_id, kind=FILE_REFERENCE, subject_id=file.id)
    await session.flush()
    return len(files)
