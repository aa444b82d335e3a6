"""What a creator sees of their own: models by status, one model for editing, its history, what its files suggest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog import lineage, policy, tagging
from civitas.domains.catalog.lineage import Origins
from civitas.domains.catalog.requirements import Checklist, checklist
from civitas.domains.catalog.tables import (
    FileHash,
    FileHeader,
    FileScan,
    Model,
    ModelEvent,
    ModelFile,
    ModelMetric,
    ModelVersion,
    VersionPreview,
)
from civitas.domains.catalog.types import Status
from civitas.kit import paging
from civitas.kit.errors import Invalid, NotFound
from civitas.kit.paging import Page

MAX_PAGE = 100


@dataclass(frozen=True, slots=True)
class MyModel:
    """One's own model in a list."""

    id: int
    name: str
    type: str
    status: str
    mode: str | None
    availability: str
    nsfw_level: int
    scheduled_at: datetime | None
    published_at: datetime | None
    updated_at: datetime
    deleted_at: datetime | None
    unpublished_reason: str | None
    versions: int
    downloads: int
    image_key: str | None
    image_name: str | None


async def my_models(
    session: AsyncSession,
    actor: Actor,
    *,
    status: Status | str | None = None,
    cursor: str | None = None,
    limit: int = 20,
) -> Page[MyModel]:
    """The actor's models of a status (without one: all that are not deleted), the last edited first.

    One statement. Raises Invalid (`bad_cursor`, `unknown_status`).
    """
    person = actor.require(Scope.MODELS_READ)
    limit = max(1, min(limit, MAX_PAGE))
    own = select(Model).where(Model.person_id == person)
    if status is None:
        own = own.where(Model.status != Status.DELETED)
    elif status in set(Status):
        own = own.where(Model.status == status)
    else:
        raise Invalid(
            f"status is one of {', '.join(Status)}.", code="unknown_status", fields={"status": "unknown"}
        )
    if cursor:
        at, last = paging.decode(cursor, datetime, int)
        moment = datetime.fromisoformat(str(at))
        own = own.where((Model.updated_at < moment) | ((Model.updated_at == moment) & (Model.id < last)))
    page = own.order_by(Model.updated_at.desc(), Model.id.desc()).limit(limit + 1).subquery()
    versions = (
        select(func.count())
        .where(ModelVersion.model_id == page.c.id, ModelVersion.status != Status.DELETED)
        .scalar_subquery()
    )
    first = (
        select(VersionPreview.key, VersionPreview.name)
        .join(ModelVersion, ModelVersion.id == VersionPreview.version_id)
        .where(ModelVersion.model_id == page.c.id, ModelVersion.status != Status.DELETED)
        .order_by(ModelVersion.position, VersionPreview.position)
        .limit(1)
        .lateral()
    )
    rows = await session.execute(
        select(
            *(page.c[name] for name in list(MyModel.__dataclass_fields__)[:12]),
            versions,
            func.coalesce(ModelMetric.downloads, 0),
            first.c.key,
            first.c.name,
        )
        .outerjoin(ModelMetric, ModelMetric.model_id == page.c.id)
        .outerjoin(first, page.c.id == page.c.id)
        .order_by(page.c.updated_at.desc(), page.c.id.desc())
    )
    items = [MyModel(*tuple(row)) for row in rows]
    more = len(items) > limit
    items = items[:limit]
    return Page(items, paging.encode(items[-1].updated_at, items[-1].id) if more else None)


async def counts_by_status(session: AsyncSession, actor: Actor) -> dict[str, int]:
    """How many models of each status the actor has; statuses without any are absent."""
    person = actor.require(Scope.MODELS_READ)
    rows = await session.execute(
        select(Model.status, func.count()).where(Model.person_id == person).group_by(Model.status)
    )
    return dict(rows.all())


@dataclass(frozen=True, slots=True)
class EditFile:
    """A file with its hashes and its newest scan."""

    row: ModelFile
    hashes: Mapping[str, str]
    scan: FileScan | None


@dataclass(frozen=True, slots=True)
class EditVersion:
    """A version with its files and pictures."""

    row: ModelVersion
    files: tuple[EditFile, ...]
    previews: tuple[VersionPreview, ...]


@dataclass(frozen=True, slots=True)
class EditModel:
    """Everything a creator edits of one model; rows are not tied to the session any more than by reading."""

    row: Model
    owner: str | None
    tags: tuple[str, ...]
    versions: tuple[EditVersion, ...]
    checklist: Checklist


async def model_for_editing(session: AsyncSession, actor: Actor, *, model_id: int) -> EditModel:
    """One's own model with versions, files, hashes, scans, pictures and what it lacks.

    Nine statements, whatever the model holds. NotFound for others' models, and for deleted ones except to staff.
    """
    row = (
        await session.execute(
            select(Model, Person.username)
            .outerjoin(Person, Person.id == Model.person_id)
            .where(Model.id == model_id)
        )
    ).first()
    if row is None or not policy.can_edit(actor, row[0]):
        raise NotFound("This model was not found.", code="model_not_found")
    model: Model = row[0]
    versions = (
        await session.scalars(
            select(ModelVersion)
            .where(ModelVersion.model_id == model_id, ModelVersion.status != Status.DELETED)
            .order_by(ModelVersion.position, ModelVersion.id)
        )
    ).all()
    ids = [version.id for version in versions]
    files = await _files(session, ids)
    previews: dict[int, list[VersionPreview]] = {}
    found = await session.scalars(
        select(VersionPreview)
        .where(VersionPreview.version_id.in_(ids))
        .order_by(VersionPreview.position, VersionPreview.image_id)
    )
    for preview in found.all():
        previews.setdefault(preview.version_id, []).append(preview)
    return EditModel(
        row=model,
        owner=row[1],
        tags=tuple(await tagging.tags_of(session, model_id)),
        versions=tuple(
            EditVersion(version, tuple(files.get(version.id, ())), tuple(previews.get(version.id, ())))
            for version in versions
        ),
        checklist=await checklist(session, model),
    )


async def _files(session: AsyncSession, version_ids: Sequence[int]) -> dict[int, list[EditFile]]:
    rows = (
        await session.scalars(
            select(ModelFile)
            .where(ModelFile.version_id.in_(version_ids), ModelFile.removed_at.is_(None))
            .order_by(ModelFile.is_primary.desc(), ModelFile.id)
        )
    ).all()
    ids = [file.id for file in rows]
    hashes: dict[int, dict[str, str]] = {}
    found = await session.execute(
        select(FileHash.file_id, FileHash.kind, FileHash.value).where(FileHash.file_id.in_(ids))
    )
    for file_id, kind, value in found:
        hashes.setdefault(file_id, {})[kind] = value
    newest = (
        select(FileScan)
        .where(FileScan.file_id.in_(ids))
        .ext(distinct_on(FileScan.file_id))
        .order_by(FileScan.file_id, FileScan.id.desc())
    )
    scans = {scan.file_id: scan for scan in (await session.scalars(newest)).all()}
    made: dict[int, list[EditFile]] = {}
    for file in rows:
        made.setdefault(file.version_id, []).append(
            EditFile(file, hashes.get(file.id, {}), scans.get(file.id))
        )
    return made


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """What happened to a model, when and by whom."""

    id: int
    action: str
    version_id: int | None
    person_id: int | None
    username: str | None
    details: Mapping[str, Any] | None
    created_at: datetime


async def history(
    session: AsyncSession, actor: Actor, *, model_id: int, cursor: str | None = None, limit: int = 50
) -> Page[HistoryLine]:
    """The model's history, the newest first; for its owner and staff. Two statements."""
    model = await session.get(Model, model_id)
    if model is None or not (policy.owns(actor, model) or policy.can_moderate(actor)):
        raise NotFound("This model was not found.", code="model_not_found")
    limit = max(1, min(limit, MAX_PAGE))
    query = (
        select(
            ModelEvent.id,
            ModelEvent.action,
            ModelEvent.version_id,
            ModelEvent.person_id,
            Person.username,
            ModelEvent.details,
            ModelEvent.created_at,
        )
        .outerjoin(Person, Person.id == ModelEvent.person_id)
        .where(ModelEvent.model_id == model_id)
        .order_by(ModelEvent.id.desc())
        .limit(limit + 1)
    )
    if cursor:
        query = query.where(ModelEvent.id < paging.decode(cursor, int)[0])
    lines = [HistoryLine(*row) for row in (await session.execute(query))]
    more = len(lines) > limit
    lines = lines[:limit]
    return Page(lines, paging.encode(lines[-1].id) if more else None)


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What the main file of a version says of itself; the wizard offers it, nothing is taken over unasked."""

    base_model: str | None
    model_kind: str | None
    confidence: float
    reasons: tuple[str, ...]
    trained_words: tuple[str, ...]
    frequent_tags: tuple[str, ...]
    steps: int | None
    epochs: int | None
    clip_skip: int | None


async def suggestions(session: AsyncSession, actor: Actor, *, version_id: int) -> Suggestions | None:
    """What is known from the main file's header; None while there is none. NotFound for others' versions."""
    row = (
        await session.execute(
            select(Model, FileHeader)
            .select_from(ModelVersion)
            .join(Model, Model.id == ModelVersion.model_id)
            .outerjoin(
                ModelFile,
                (ModelFile.version_id == ModelVersion.id)
                & ModelFile.is_primary
                & ModelFile.removed_at.is_(None),
            )
            .outerjoin(FileHeader, FileHeader.file_id == ModelFile.id)
            .where(ModelVersion.id == version_id, ModelVersion.status != Status.DELETED)
        )
    ).first()
    if row is None or not policy.can_edit(actor, row[0]):
        raise NotFound("This version was not found.", code="version_not_found")
    header: FileHeader | None = row[1]
    if header is None:
        return None
    guess, training = header.architecture or {}, header.training or {}
    return Suggestions(
        base_model=guess.get("baseModel"),
        model_kind=guess.get("kind"),
        confidence=float(guess.get("confidence") or 0.0),
        reasons=tuple(guess.get("reasons") or ()),
        trained_words=tuple(guess.get("triggerWords") or ()),
        frequent_tags=tuple(str(tag["tag"]) for tag in (training.get("tags") or ())[:20]),
        steps=training.get("steps"),
        epochs=training.get("epochs"),
        clip_skip=training.get("clipSkip"),
    )


async def version_origins(session: AsyncSession, actor: Actor, *, version_id: int) -> Origins:
    """Parents, recipe and recommendations of a version that the actor may see; what they may not see is left out.

    Ingredients of a recipe that the actor may not see stay, without their number.
    """
    await lineage.visible_version(session, actor, version_id=version_id)
    found = await lineage.origins(session, version_id=version_id)
    named = {parent.version_id for parent in found.parents} | {one.version_id for one in found.recommended}
    named |= {
        operand.get("version")
        for step in found.merge
        for operand in (step.a, step.b, step.c)
        if operand is not None
    }
    rows = await session.scalars(
        select(ModelVersion.id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(ModelVersion.id.in_(named - {None}), policy.versions_visible_to(actor))
    )
    seen = set(rows.all())

    def told(operand: dict[str, Any] | None) -> dict[str, Any] | None:
        hidden = operand is not None and "version" in operand and operand["version"] not in seen
        return {"name": "a model that is not public"} if hidden else operand

    return Origins(
        parents=tuple(
            parent for parent in found.parents if parent.version_id is None or parent.version_id in seen
        ),
        merge=tuple(
            replace(step, a=told(step.a) or {}, b=told(step.b) or {}, c=told(step.c)) for step in found.merge
        ),
        recommended=tuple(one for one in found.recommended if one.version_id in seen),
    )
