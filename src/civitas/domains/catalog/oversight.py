"""What staff, and owners for their own part, keep an eye on: files that a scan holds back, models that wait for a ruling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import audit
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import files, publishing, removal
from civitas.domains.catalog.tables import FileScan, Model, ModelEvent, ModelFile, ModelVersion
from civitas.domains.catalog.types import ScanStatus, Status
from civitas.kit import paging
from civitas.kit.errors import Conflict
from civitas.kit.paging import Page

PAGE = 30
HELD = (ScanStatus.DANGEROUS, ScanStatus.SUSPICIOUS, ScanStatus.ERROR)


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A file that others cannot download, with what its newest scan found. `size` in bytes."""

    id: int
    name: str
    size: int
    format: str
    scan_status: str
    scan_message: str | None
    scanned_at: datetime | None
    version_id: int
    version_name: str
    model_id: int
    model_name: str
    model_status: str
    person_id: int
    username: str | None
    checks: Sequence[Any]
    imports: Sequence[Any]


async def held_files(
    session: AsyncSession, actor: Actor, *, state: ScanStatus | None = None, cursor: str | None = None
) -> Page[HeldFile]:
    """Everybody's files that a scan holds back, or of one `state`, the newest first; for staff."""
    actor.require_moderator()
    wanted = (state,) if state in HELD else HELD
    return await _held(session, _held_query(wanted), cursor, PAGE)


async def own_held_files(session: AsyncSession, actor: Actor, *, limit: int = 20) -> Sequence[HeldFile]:
    """The actor's own files that a scan holds back, the newest first."""
    query = _held_query(HELD).where(Model.person_id == actor.require())
    return (await _held(session, query, None, limit)).items


def _held_query(states: Sequence[str]) -> Any:
    newest = (
        select(FileScan.checks, FileScan.imports)
        .where(FileScan.file_id == ModelFile.id)
        .order_by(FileScan.id.desc())
        .limit(1)
        .lateral()
    )
    return (
        select(
            ModelFile.id, ModelFile.name, ModelFile.size, ModelFile.format, ModelFile.scan_status,
            ModelFile.scan_message, ModelFile.scanned_at, ModelVersion.id, ModelVersion.name, Model.id,
            Model.name, Model.status, Model.person_id, Person.username, newest.c.checks, newest.c.imports,
        )
        .join(ModelVersion, ModelVersion.id == ModelFile.version_id)
        .join(Model, Model.id == ModelVersion.model_id)
        .outerjoin(Person, Person.id == Model.person_id)
        .outerjoin(newest, ModelFile.id == ModelFile.id)
        .where(
            ModelFile.scan_status.in_(states),
            ModelFile.removed_at.is_(None),
            ModelVersion.status != Status.DELETED,
            Model.status != Status.DELETED,
        )
        .order_by(ModelFile.id.desc())
    )  # fmt: skip


async def _held(session: AsyncSession, query: Any, cursor: str | None, limit: int) -> Page[HeldFile]:
    if cursor:
        query = query.where(ModelFile.id < paging.decode(cursor, int)[0])
    rows = (await session.execute(query.limit(limit + 1))).all()
    items = [_held_file(list(row)) for row in rows[:limit]]
    return Page(items, paging.encode(items[-1].id) if len(rows) > limit else None)


def _held_file(values: list[Any]) -> HeldFile:
    *plain, checks, imports = values
    return HeldFile(*[*plain, checks or (), imports or ()])


@dataclass(frozen=True, slots=True)
class WaitingModel:
    """A model that staff took from view; `asked_at` is when its owner asked them to look again."""

    id: int
    name: str
    type: str
    person_id: int
    username: str | None
    reason: str | None
    note: str | None
    updated_at: datetime
    asked_at: datetime | None
    request: str


async def unpublished_by_staff(
    session: AsyncSession, actor: Actor, *, asked_only: bool = True, cursor: str | None = None
) -> Page[WaitingModel]:
    """Models that staff took from view, the newest first; with `asked_only` those whose owner waits for an answer."""
    actor.require_moderator()
    last = (
        select(ModelEvent.action, ModelEvent.details, ModelEvent.created_at)
        .where(
            ModelEvent.model_id == Model.id,
            ModelEvent.action.in_(["review_requested", "review_declined", "unpublished"]),
        )
        .order_by(ModelEvent.id.desc())
        .limit(1)
        .lateral()
    )
    query = (
        select(
            Model.id, Model.name, Model.type, Model.person_id, Person.username, Model.unpublished_reason,
            Model.unpublished_note, Model.updated_at, last.c.action, last.c.details, last.c.created_at,
        )
        .outerjoin(Person, Person.id == Model.person_id)
        .outerjoin(last, Model.id == Model.id)
        .where(Model.status == Status.UNPUBLISHED_VIOLATION)
        .order_by(Model.id.desc())
        .limit(PAGE + 1)
    )  # fmt: skip
    if asked_only:
        query = query.where(last.c.action == "review_requested")
    if cursor:
        query = query.where(Model.id < paging.decode(cursor, int)[0])
    rows = (await session.execute(query)).all()
    items = [_waiting(list(row)) for row in rows[:PAGE]]
    return Page(items, paging.encode(items[-1].id) if len(rows) > PAGE else None)


def _waiting(values: list[Any]) -> WaitingModel:
    *plain, action, details, at = values
    asked = action == "review_requested"
    request = str((details or {}).get("note") or "") if asked else ""
    return WaitingModel(*[*plain, at if asked else None, request])


async def approve_review(session: AsyncSession, actor: Actor, *, model_id: int, reason: str) -> Model:
    """Put a model back into view and write why into the staff's log. Raises what `publishing.publish` raises."""
    actor.require_moderator()
    model = await publishing.publish(session, actor, model_id=model_id)
    await _log(session, actor, model, "model.restore", reason)
    return model


async def decline_review(session: AsyncSession, actor: Actor, *, model_id: int, reason: str) -> None:
    """Leave a model out of view; the owner reads why. Raises Conflict (`nothing_to_review`), Invalid."""
    actor.require_moderator()
    model = await session.get(Model, model_id)
    if model is None or model.status != Status.UNPUBLISHED_VIOLATION:
        raise Conflict("This model is not waiting for a review.", code="nothing_to_review")
    await removal.decline_review(session, actor, model_id=model_id, note=reason)
    await _log(session, actor, model, "model.decline_review", reason)


async def unpublish(
    session: AsyncSession, actor: Actor, *, model_id: int, reason: str, note: str = ""
) -> Model:
    """Take somebody's model from view with a code of `removal.UNPUBLISH_REASONS`, and log it."""
    actor.require_moderator()
    model = await removal.unpublish(session, actor, model_id=model_id, reason=reason, note=note or None)
    await _log(session, actor, model, "model.unpublish", f"{reason}. {note}".strip())
    return model


async def rescan(session: AsyncSession, actor: Actor, *, file_id: int, reason: str) -> ModelFile:
    """Scan anybody's file again, and log it."""
    actor.require_moderator()
    file = await files.rescan(session, actor, file_id=file_id)
    model = await session.scalar(
        select(Model)
        .join(ModelVersion, ModelVersion.model_id == Model.id)
        .where(ModelVersion.id == file.version_id)
    )
    await audit.record(
        session,
        actor,
        action="file.rescan",
        reason=reason,
        person_id=model.person_id if model else None,
        subject_kind="model_file",
        subject_id=file_id,
        details={"name": file.name},
    )
    return file


async def transfer(
    session: AsyncSession, actor: Actor, *, model_id: int, to_person_id: int, reason: str
) -> Model:
    """Give a model to another person, and log it; administrators only."""
    model = await removal.transfer(session, actor, model_id=model_id, to_person_id=to_person_id)
    await _log(session, actor, model, "model.transfer", reason, to=to_person_id)
    return model


async def _log(
    session: AsyncSession, actor: Actor, model: Model, action: str, reason: str, **details: Any
) -> None:
    await audit.record(
        session,
        actor,
        action=action,
        reason=reason,
        person_id=model.person_id,
        subject_kind="model",
        subject_id=model.id,
        details={"name": model.name} | details,
    )


@dataclass(frozen=True, slots=True)
class Load:
    """What waits for staff, in numbers."""

    held: dict[str, int]
    reviews: int


async def load(session: AsyncSession, actor: Actor) -> Load:
    """How many files are held back, by state, and how many models wait for an answer."""
    actor.require_moderator()
    rows = await session.execute(
        select(ModelFile.scan_status, func.count())
        .join(ModelVersion, ModelVersion.id == ModelFile.version_id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(
            ModelFile.scan_status.in_(HELD),
            ModelFile.removed_at.is_(None),
            ModelVersion.status != Status.DELETED,
            Model.status != Status.DELETED,
        )
        .group_by(ModelFile.scan_status)
    )
    waiting = await unpublished_by_staff(session, actor)
    return Load({str(state): number for state, number in rows.all()}, len(waiting.items))
