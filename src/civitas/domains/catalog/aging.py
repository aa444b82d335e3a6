"""Drafts that were forgotten: their owner is told, and later they go (FEATURES B4)."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import DraftAging, ModelChanged, ModelDeleted
from civitas.domains.accounts.types import SYSTEM, SYSTEM_ID
from civitas.domains.catalog import editing
from civitas.domains.catalog.tables import Model, ModelEvent, ModelMetric
from civitas.domains.catalog.types import Status
from civitas.infra.queue.outbox import publish
from civitas.kit import clock

OLD = timedelta(days=30)
NOTICE = timedelta(days=7)
FEW_DOWNLOADS = 10
BATCH = 200
REASON = "old-draft"


async def warn(session: AsyncSession) -> int:
    """Tell the owners of drafts untouched for thirty days that they go in a week; how many."""
    now = clock.now()
    models = await _forgotten(session, warned=False)
    for model in models:
        editing.note(session, SYSTEM, model, "draft_aging")
    await session.flush()
    await publish(session, *(DraftAging(model.id, model.person_id, now + NOTICE) for model in models))
    return len(models)


async def remove_warned(session: AsyncSession) -> int:
    """Delete drafts whose owner was told a week ago and has not touched them since; how many.

    They can be restored like anything that was deleted.
    """
    now = clock.now()
    models = await _forgotten(session, warned=True)
    events: list[object] = []
    for model in models:
        model.previous_status, model.status, model.deleted_at = model.status, Status.DELETED, now
        model.deleted_by, model.unpublished_reason = model.person_id, REASON
        editing.note(session, SYSTEM, model, "deleted", reason=REASON)
        events += [ModelDeleted(model.id, model.person_id, SYSTEM_ID, REASON), ModelChanged(model.id)]
    await session.flush()
    await publish(session, *events)
    return len(models)


async def _forgotten(session: AsyncSession, *, warned: bool) -> list[Model]:
    now = clock.now()
    told = (
        select(func.max(ModelEvent.created_at))
        .where(ModelEvent.model_id == Model.id, ModelEvent.action == "draft_aging")
        .scalar_subquery()
    )
    few = ~exists().where(ModelMetric.model_id == Model.id, ModelMetric.downloads >= FEW_DOWNLOADS)
    # A warning older than the last edit was about another silence.
    due = (
        told.between(Model.updated_at, now - NOTICE)
        if warned
        else (told.is_(None) | (told < Model.updated_at))
    )
    found = await session.scalars(
        select(Model)
        .where(Model.status == Status.DRAFT, Model.updated_at < now - OLD, few, due)
        .order_by(Model.id)
        .limit(BATCH)
        .with_for_update(of=Model, skip_locked=True, key_share=True)
        .execution_options(populate_existing=True)
    )
    return list(found.all())
