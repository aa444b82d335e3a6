"""Making models and versions public: now, or at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import ModelPublished, ScheduleFailed, VersionPublished
from civitas.domains.accounts.types import SYSTEM, Actor
from civitas.domains.catalog import editing, licensing, policy
from civitas.domains.catalog.requirements import checklist
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.catalog.types import Status
from civitas.infra.queue.outbox import publish as state
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid

# FEATURES B3; a year at most, so that a slip of the keyboard shows.
SCHEDULE_AHEAD = timedelta(minutes=60)
SCHEDULE_AT_MOST = timedelta(days=366)

_WAITING = (Status.DRAFT, Status.TRAINING, Status.SCHEDULED)


async def publish(
    session: AsyncSession,
    actor: Actor,
    *,
    model_id: int,
    publish_at: datetime | None = None,
    version_ids: Sequence[int] | None = None,
) -> Model:
    """Make the model public with every version that is ready (or with `version_ids`), now or at `publish_at`.

    Publishing what is public changes nothing. Raises Invalid (`not_ready` with `missing`, `schedule_too_soon`,
    `schedule_too_late`), Forbidden (`publishing_barred`), Conflict (`already_published` when scheduling).
    """
    model = await editing.model_for_edit(session, actor, model_id=model_id)
    _require_allowed(actor, model)
    if publish_at is not None:
        check_schedule(publish_at)
    if model.status == Status.PUBLISHED and not version_ids:
        if publish_at is not None:
            raise Conflict("This model is already public.", code="already_published")
        return model
    found = await checklist(session, model)
    wanted = await _wanted(session, model, version_ids)
    for version in wanted:
        if version_ids is not None and not found.version_ready(version.id):
            raise found.refusal(version.id)
    ready = [version for version in wanted if found.version_ready(version.id)]
    if not found.model_ready or not (ready or found.going):
        raise found.refusal()
    if publish_at is not None:
        await _schedule(session, actor, model, ready, publish_at)
    else:
        await _go_public(session, actor, model, ready)
    return model


async def publish_version(
    session: AsyncSession, actor: Actor, *, version_id: int, publish_at: datetime | None = None
) -> ModelVersion:
    """Make one version of a public model public, now or at `publish_at`.

    Publishing what is public changes nothing. Raises as `publish`, and Conflict (`publish_model_first`).
    """
    model, version = await editing.version_for_edit(session, actor, version_id=version_id)
    _require_allowed(actor, model)
    if publish_at is not None:
        check_schedule(publish_at)
    if version.status == Status.PUBLISHED:
        if publish_at is not None:
            raise Conflict("This version is already public.", code="already_published")
        return version
    if model.status != Status.PUBLISHED:
        raise Conflict(
            "The model itself is not public; publish it, and its ready versions go along.",
            code="publish_model_first",
        )
    found = await checklist(session, model)
    if not found.version_ready(version_id):
        raise found.refusal(version_id)
    if publish_at is None:
        await _go_public(session, actor, model, [version])
        return version
    version.status, version.scheduled_at = Status.SCHEDULED, publish_at
    editing.note(
        session, actor, model, "version_scheduled", version_id=version_id, at=clock.rfc3339(publish_at)
    )
    await editing.changed(session, model, version=version)
    return version


def check_schedule(publish_at: datetime) -> None:
    """Raises Invalid unless the moment lies between an hour and a year from now."""
    if publish_at.tzinfo is None:
        raise Invalid("Give the time with its offset from UTC.", code="schedule_without_zone")
    ahead = publish_at - clock.now()
    if ahead < SCHEDULE_AHEAD:
        raise Invalid(
            "Schedule at least an hour ahead, or publish now.",
            code="schedule_too_soon",
            fields={"publishAt": "at least 60 minutes ahead"},
        )
    if ahead > SCHEDULE_AT_MOST:
        raise Invalid(
            "Schedule at most a year ahead.",
            code="schedule_too_late",
            fields={"publishAt": "at most a year ahead"},
        )


def _require_allowed(actor: Actor, model: Model) -> None:
    if not policy.can_publish(actor, model):
        raise Forbidden(
            "The moderators have taken this model from view; ask them to review it.", code="publishing_barred"
        )


async def _wanted(
    session: AsyncSession, model: Model, version_ids: Sequence[int] | None
) -> list[ModelVersion]:
    query = select(ModelVersion).where(ModelVersion.model_id == model.id)
    if version_ids is not None:
        query = query.where(ModelVersion.id.in_(version_ids), ModelVersion.status != Status.DELETED)
    else:
        query = query.where(ModelVersion.status.in_(_WAITING))
    found = await session.scalars(
        query.order_by(ModelVersion.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    versions = list(found.all())
    if version_ids is not None and {version.id for version in versions} != set(version_ids):
        raise Invalid("Some of these versions do not belong to this model.", code="foreign_version")
    return [version for version in versions if version.status != Status.PUBLISHED]


async def _schedule(
    session: AsyncSession,
    actor: Actor,
    model: Model,
    versions: Sequence[ModelVersion],
    publish_at: datetime,
) -> None:
    model.status, model.scheduled_at = Status.SCHEDULED, publish_at
    for version in versions:
        version.status, version.scheduled_at = Status.SCHEDULED, publish_at
    editing.note(
        session,
        actor,
        model,
        "scheduled",
        at=clock.rfc3339(publish_at),
        versions=[version.id for version in versions],
    )
    await editing.changed(session, model)


async def _go_public(
    session: AsyncSession, actor: Actor, model: Model, versions: Sequence[ModelVersion]
) -> None:
    await licensing.enforce(session, actor, model)
    now = clock.now()
    events: list[object] = []
    if model.status != Status.PUBLISHED:
        first = model.published_at is None
        model.status, model.scheduled_at, model.previous_status = Status.PUBLISHED, None, None
        model.unpublished_reason = model.unpublished_note = None
        model.published_at = model.published_at or now
        events.append(ModelPublished(model.id, model.person_id, first))
        editing.note(session, actor, model, "published")
    for version in versions:
        first = version.published_at is None
        version.status, version.scheduled_at, version.previous_status = Status.PUBLISHED, None, None
        version.updated_at = now
        if first:
            version.published_at = model.last_version_at = now
        events.append(VersionPublished(version.id, model.id, model.person_id, first))
        editing.note(session, actor, model, "version_published", version_id=version.id)
    model.last_version_at = model.last_version_at or now
    await editing.changed(session, model, *events)


async def due_models(session: AsyncSession, *, limit: int = 100) -> Sequence[int]:
    """Ids of models whose time has come or that have a version whose time has come."""
    now = clock.now()
    due = (Model.status == Status.SCHEDULED) & (Model.scheduled_at <= now)
    by_version = (
        select(ModelVersion.model_id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(
            ModelVersion.status == Status.SCHEDULED,
            ModelVersion.scheduled_at <= now,
            Model.status == Status.PUBLISHED,
        )
    )
    found = await session.scalars(select(Model.id).where(due).union(by_version).limit(limit))
    return found.all()


async def publish_due(session: AsyncSession, *, model_id: int) -> None:
    """Publish a model, or its versions, whose time has come; what lacks something is a draft again.

    Safe to run twice and beside an edit: the row is locked and its status read again.
    """
    now = clock.now()
    model = await session.scalar(
        select(Model)
        .where(Model.id == model_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if model is None:
        return
    model_due = (
        model.status == Status.SCHEDULED and model.scheduled_at is not None and model.scheduled_at <= now
    )
    if not model_due and model.status != Status.PUBLISHED:
        return
    found = await session.scalars(
        select(ModelVersion)
        .where(
            ModelVersion.model_id == model_id,
            ModelVersion.status == Status.SCHEDULED,
            ModelVersion.scheduled_at <= now,
        )
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    versions = list(found.all())
    if model_due or versions:
        await _publish_or_fail(session, model, versions, model_due=model_due)


async def _publish_or_fail(
    session: AsyncSession, model: Model, versions: list[ModelVersion], *, model_due: bool
) -> None:
    wanting = await checklist(session, model)
    ready = [version for version in versions if wanting.version_ready(version.id)]
    late = [version for version in versions if not wanting.version_ready(version.id)]
    public = set(wanting.going) - {version.id for version in versions}
    whole = model_due and not (wanting.model_ready and (ready or await _any_public(session, public)))
    for version in late:
        missing = [item.code for item in wanting.missing if item.version_id == version.id]
        # When the model fails with its versions, one fact says it all.
        await _fail(session, model, version, missing, stated=not whole)
    if whole:
        for version in ready:
            version.status, version.scheduled_at = Status.DRAFT, None
        await _fail(session, model, None, [item.code for item in wanting.missing])
    elif model_due or ready:
        await _go_public(session, SYSTEM, model, ready)


async def _any_public(session: AsyncSession, version_ids: set[int]) -> bool:
    found = await session.scalar(
        select(ModelVersion.id)
        .where(ModelVersion.id.in_(version_ids), ModelVersion.status == Status.PUBLISHED)
        .limit(1)
    )
    return found is not None


async def _fail(
    session: AsyncSession,
    model: Model,
    version: ModelVersion | None,
    missing: list[str],
    *,
    stated: bool = True,
) -> None:
    if version is None:
        model.status, model.scheduled_at = Status.DRAFT, None
    else:
        version.status, version.scheduled_at = Status.DRAFT, None
    version_id = version.id if version else None
    editing.note(session, SYSTEM, model, "schedule_failed", version_id=version_id, missing=missing)
    if stated:
        await state(session, ScheduleFailed(model.id, version_id, model.person_id, missing))
    await editing.changed(session, model, version=version)
