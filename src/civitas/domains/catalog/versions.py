"""Versions of a model: adding, editing, ordering, taking from view, deleting."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import (
    PreviewRulesChanged,
    VersionChanged,
    VersionDeleted,
    VersionPublished,
    VersionUnpublished,
)
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog import access_terms, base_models, editing, licensing, policy, previews
from civitas.domains.catalog.forms import VersionForm, VersionPatch
from civitas.domains.catalog.removal import UNDO
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.catalog.types import Status
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Gone, Invalid, NotFound

MAX_VERSIONS = 200


async def add(session: AsyncSession, actor: Actor, *, model_id: int, form: VersionForm) -> ModelVersion:
    """Add a draft version, shown before the others once it is public.

    Raises Invalid (`unknown_base_model`, `bad_strength`, `vae_not_found`), Conflict (`too_many_versions`).
    """
    model = await editing.model_for_edit(session, actor, model_id=model_id)
    count = await session.scalar(
        select(func.count()).where(ModelVersion.model_id == model_id, ModelVersion.status != Status.DELETED)
    )
    if (count or 0) >= MAX_VERSIONS:
        raise Conflict(f"A model has at most {MAX_VERSIONS} versions.", code="too_many_versions")
    values = form.model_dump(exclude={"settings"})
    settings = form.settings
    values |= {
        "base_model": base_models.current().get(form.base_model).name,
        "trained_words": _words(form.trained_words),
        "strength": settings.strength if settings else None,
        "min_strength": settings.min_strength if settings else None,
        "max_strength": settings.max_strength if settings else None,
    }
    version = ModelVersion(model_id=model_id, position=0, nsfw_level=model.nsfw_level, **values)
    _check(version)
    await _check_vae(session, actor, version.vae_version_id)
    await session.execute(
        update(ModelVersion)
        .where(ModelVersion.model_id == model_id)
        .values(position=ModelVersion.position + 1)
        .execution_options(synchronize_session="fetch")
    )
    session.add(version)
    await session.flush()
    await previews.relevel(session, model)
    editing.note(session, actor, model, "version_added", version_id=version.id, name=version.name)
    await editing.changed(session, model, VersionChanged(version.id, model_id), version=version)
    return version


async def update_version(
    session: AsyncSession,
    actor: Actor,
    *,
    version_id: int,
    patch: VersionPatch,
    seen: datetime | None = None,
) -> ModelVersion:
    """Change the fields that the patch holds; `seen` is the `updated_at` that the editor started from.

    Raises Conflict (`edited_elsewhere`) and what `add` raises.
    """
    model, version = await editing.version_for_edit(session, actor, version_id=version_id)
    editing.require_unchanged(version, seen)
    given = patch.given()
    if "base_model" in given:
        given["base_model"] = base_models.current().get(given["base_model"]).name
    if "trained_words" in given:
        given["trained_words"] = _words(given["trained_words"])
    if "settings" in given:
        given.pop("settings")
        sent = patch.settings.given() if patch.settings else dict.fromkeys(_STRENGTHS)
        given |= sent
    before = editing.assign(version, given)
    if not before:
        return version
    _check(version)
    if "vae_version_id" in before:
        await _check_vae(session, actor, version.vae_version_id)
    if {"base_model", "usage_control"} & before.keys():
        await access_terms.version_edited(session, model, version)
    if "base_model" in before:
        await session.flush()
        if model.status == Status.PUBLISHED:
            await licensing.enforce(session, actor, model)
        await previews.drop_forbidden(session, model)
        await previews.relevel(session, model)
        await publish(session, PreviewRulesChanged(model.id))
    editing.note(session, actor, model, "version_edited", version_id=version_id, fields=sorted(before))
    await editing.changed(session, model, VersionChanged(version_id, model.id), version=version)
    return version


_STRENGTHS = ("strength", "min_strength", "max_strength")


def _words(words: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(word for word in words if word))


def _check(version: ModelVersion) -> None:
    low, high, best = version.min_strength, version.max_strength, version.strength
    wrong = (
        (low is not None and high is not None and low > high)
        or (best is not None and low is not None and best < low)
        or (best is not None and high is not None and best > high)
    )
    if wrong:
        raise Invalid(
            "The suggested strength must lie between the smallest and the largest one.",
            code="bad_strength",
            fields={"settings": "minStrength <= strength <= maxStrength"},
        )


async def _check_vae(session: AsyncSession, actor: Actor, vae_version_id: int | None) -> None:
    if vae_version_id is None:
        return
    found = await session.scalar(
        select(ModelVersion.id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(ModelVersion.id == vae_version_id, policy.versions_visible_to(actor))
    )
    if found is None:
        raise Invalid(
            "The VAE named here was not found.", code="vae_not_found", fields={"vaeVersionId": "not found"}
        )


async def reorder(session: AsyncSession, actor: Actor, *, model_id: int, version_ids: Sequence[int]) -> None:
    """Show the versions in this order; each that is not deleted must be named once (Invalid, `bad_order`)."""
    model = await editing.model_for_edit(session, actor, model_id=model_id)
    found = await session.scalars(
        select(ModelVersion)
        .where(ModelVersion.model_id == model_id, ModelVersion.status != Status.DELETED)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    versions = {version.id: version for version in found.all()}
    if len(version_ids) > MAX_VERSIONS or sorted(versions) != sorted(version_ids):
        raise Invalid("Name every version of this model exactly once.", code="bad_order")
    for position, version_id in enumerate(version_ids):
        versions[version_id].position = position
    editing.note(session, actor, model, "versions_ordered", ids=list(version_ids))
    await editing.changed(session, model)


async def unpublish(session: AsyncSession, actor: Actor, *, version_id: int) -> ModelVersion:
    """Take a version from view; a scheduled one is a draft again. Doing it twice changes nothing.

    Raises Conflict (`last_version`) for the last public version of a public model.
    """
    model, version = await editing.version_for_edit(session, actor, version_id=version_id)
    if version.status == Status.SCHEDULED:
        version.status, version.scheduled_at = Status.DRAFT, None
        editing.note(session, actor, model, "version_unscheduled", version_id=version_id)
        await editing.changed(session, model, VersionChanged(version_id, model.id), version=version)
        return version
    if version.status != Status.PUBLISHED:
        return version
    await _require_another(session, model, version)
    version.previous_status, version.status = version.status, Status.UNPUBLISHED
    editing.note(session, actor, model, "version_unpublished", version_id=version_id)
    event = VersionUnpublished(version_id, model.id, actor.require())
    await _take_from_view(session, model, version, event)
    return version


async def delete(session: AsyncSession, actor: Actor, *, version_id: int) -> None:
    """Delete a version; for thirty days it can be restored. Raises Conflict (`last_version`)."""
    model, version = await editing.version_for_edit(
        session, actor, version_id=version_id, scope=Scope.MODELS_DELETE
    )
    await _require_another(session, model, version)
    version.previous_status, version.status = version.status, Status.DELETED
    version.deleted_at, version.scheduled_at = clock.now(), None
    editing.note(session, actor, model, "version_deleted", version_id=version_id, name=version.name)
    await _take_from_view(session, model, version, VersionDeleted(version_id, model.id, actor.require()))


async def restore(session: AsyncSession, actor: Actor, *, version_id: int) -> ModelVersion:
    """Undo the deletion of a version, or publish again one that was unpublished.

    Raises Gone (`undo_expired`), Conflict (`nothing_to_restore`), NotFound.
    """
    version = await session.get(ModelVersion, version_id, populate_existing=True)
    if version is None:
        raise NotFound("This version was not found.", code="version_not_found")
    model = await editing.model_for_edit(session, actor, model_id=version.model_id)
    await session.refresh(version, with_for_update={"key_share": True})
    before = version.previous_status
    if version.status not in (Status.DELETED, Status.UNPUBLISHED) or before is None:
        raise Conflict("This version was neither deleted nor unpublished.", code="nothing_to_restore")
    if version.deleted_at is not None and version.deleted_at + UNDO < clock.now():
        raise Gone("This version was deleted over thirty days ago; its files are gone.", code="undo_expired")
    if before == Status.PUBLISHED and not policy.can_publish(actor, model):
        raise Forbidden("The moderators have taken this model from view.", code="publishing_barred")
    version.status = Status.DRAFT if before == Status.SCHEDULED else before
    version.previous_status = version.deleted_at = None
    editing.note(session, actor, model, "version_restored", version_id=version_id)
    await previews.relevel(session, model)
    events: list[Any] = [VersionChanged(version_id, model.id)]
    if version.status == Status.PUBLISHED:
        events = [VersionPublished(version_id, model.id, model.person_id, False)]
    await editing.changed(session, model, *events, version=version)
    return version


async def _require_another(session: AsyncSession, model: Model, version: ModelVersion) -> None:
    if model.status != Status.PUBLISHED or version.status != Status.PUBLISHED:
        return
    other = await session.scalar(
        select(ModelVersion.id)
        .where(
            ModelVersion.model_id == model.id,
            ModelVersion.id != version.id,
            ModelVersion.status == Status.PUBLISHED,
        )
        .limit(1)
    )
    if other is None:
        raise Conflict(
            "This is the only public version; unpublish or delete the model instead.", code="last_version"
        )


async def _take_from_view(session: AsyncSession, model: Model, version: ModelVersion, event: Any) -> None:
    await session.flush()
    model.last_version_at = (
        await session.scalar(
            select(func.max(ModelVersion.published_at)).where(
                ModelVersion.model_id == model.id, ModelVersion.status == Status.PUBLISHED
            )
        )
        or model.last_version_at
    )
    await previews.relevel(session, model)
    await editing.changed(session, model, event, version=version)
