"""Getting hold of what is to be changed, under lock and with the right to, and noting that it was."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import ModelChanged
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog import policy
from civitas.domains.catalog.tables import Model, ModelEvent, ModelFile, ModelVersion
from civitas.domains.catalog.types import Status
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, NotFound


async def model_for_edit(
    session: AsyncSession, actor: Actor, *, model_id: int, scope: Scope = Scope.MODELS_WRITE
) -> Model:
    """The model, locked until the transaction ends, if the actor may change it.

    Locks here leave the key alone: others may still point at the row, or two edits that name each other's
    versions would wait for ever.
    Raises NotFound for what the actor may not know of, Forbidden (`not_owner`) for others' public models.
    """
    require_voice(actor)
    actor.require(scope)
    model = await session.scalar(
        select(Model)
        .where(Model.id == model_id, Model.status != Status.DELETED)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if model is None or not policy.can_edit(actor, model):
        raise _refusal(model)
    return model


async def version_for_edit(
    session: AsyncSession, actor: Actor, *, version_id: int, scope: Scope = Scope.MODELS_WRITE
) -> tuple[Model, ModelVersion]:
    """A version and its model, both locked, the model first so that no two edits wait for each other."""
    model_id = await session.scalar(select(ModelVersion.model_id).where(ModelVersion.id == version_id))
    if model_id is None:
        raise NotFound("This version was not found.", code="version_not_found")
    model = await model_for_edit(session, actor, model_id=model_id, scope=scope)
    version = await session.scalar(
        select(ModelVersion)
        .where(ModelVersion.id == version_id, ModelVersion.status != Status.DELETED)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if version is None:
        raise NotFound("This version was not found.", code="version_not_found")
    return model, version


async def file_for_edit(
    session: AsyncSession, actor: Actor, *, file_id: int, scope: Scope = Scope.MODELS_WRITE
) -> tuple[Model, ModelVersion, ModelFile]:
    """A file that was not removed, its version and its model, all locked."""
    version_id = await session.scalar(
        select(ModelFile.version_id).where(ModelFile.id == file_id, ModelFile.removed_at.is_(None))
    )
    if version_id is None:
        raise _no_file()
    model, version = await version_for_edit(session, actor, version_id=version_id, scope=scope)
    file = await session.scalar(
        select(ModelFile)
        .where(ModelFile.id == file_id, ModelFile.removed_at.is_(None))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if file is None:
        raise _no_file()
    return model, version, file


def _no_file() -> NotFound:
    return NotFound("This file was not found.", code="file_not_found")


def _refusal(model: Model | None) -> NotFound | Forbidden:
    hidden = model is None or model.status != Status.PUBLISHED or model.availability == "Private"
    if hidden:
        return NotFound("This model was not found.", code="model_not_found")
    return Forbidden("Only its creator can change this model.", code="not_owner")


def require_unchanged(row: Model | ModelVersion, seen: datetime | None) -> None:
    """Raises Conflict (`edited_elsewhere`) when the row was changed after the caller had `seen` it."""
    if seen is not None and row.updated_at > seen:
        raise Conflict(
            "This was changed in another tab or by somebody else meanwhile; load it again, then repeat your edit.",
            code="edited_elsewhere",
            details={"updatedAt": clock.rfc3339(row.updated_at)},
        )


def assign(row: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Set the attributes that differ and return the previous values of those that did."""
    before: dict[str, Any] = {}
    for name, value in values.items():
        old = getattr(row, name)
        if old != value:
            before[name] = old
            setattr(row, name, value)
    return before


def note(
    session: AsyncSession,
    actor: Actor,
    model: Model,
    action: str,
    *,
    version_id: int | None = None,
    **details: Any,
) -> None:
    """Add a line to the model's history; `details` are JSON-ready."""
    session.add(
        ModelEvent(
            model_id=model.id,
            version_id=version_id,
            person_id=actor.id,
            action=action,
            details=details or None,
        )
    )


async def changed(
    session: AsyncSession, model: Model, *events: Any, version: ModelVersion | None = None
) -> None:
    """Note the time of change and state `events` and that the model's documents are out of date."""
    model.updated_at = clock.now()
    if version is not None:
        version.updated_at = model.updated_at
    await stated(session, model, *events)


async def stated(session: AsyncSession, model: Model, *events: Any) -> None:
    """As `changed` for what nobody edited: the time that editors compare stays."""
    await session.flush()
    await publish(session, *events, ModelChanged(model.id))
