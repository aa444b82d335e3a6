"""Beginning a model and editing what its creator says of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import PreviewRulesChanged
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog import editing, licensing, previews, tagging
from civitas.domains.catalog.forms import ModelForm, ModelPatch
from civitas.domains.catalog.licences import Permissions
from civitas.domains.catalog.tables import Model
from civitas.domains.catalog.types import ModelType, Origin, Status, UploadType
from civitas.infra.queue.outbox import publish
from civitas.kit.errors import Forbidden, Invalid, Limited

MAX_DRAFTS = 500
# What staff may lock, by attribute; a locked property changes by staff only (FEATURES B5).
LOCKABLE = frozenset(
    {
        *(
            "name",
            "type",
            "category",
            "tags",
            "nsfw",
            "poi",
            "minor",
            "sfw_only",
            "availability",
            "description",
        ),
        *(*licensing.FLAGS, "license_text"),
    }
)


async def create(
    session: AsyncSession,
    actor: Actor,
    *,
    form: ModelForm,
    origin: Origin = Origin.UPLOAD,
    upload_type: UploadType = UploadType.CREATED,
) -> Model:
    """Begin a draft, which only its creator and staff see.

    Raises Invalid (`unknown_category`, `bad_tags`, `licence_contradiction`, `minor_and_mature`), Limited when
    the actor has very many drafts.
    """
    person = require_voice(actor)
    actor.require(Scope.MODELS_WRITE)
    drafts = await session.scalar(
        select(func.count()).where(Model.person_id == person, Model.status == Status.DRAFT)
    )
    if (drafts or 0) >= MAX_DRAFTS:
        raise Limited(
            f"You have {drafts} drafts; publish or delete some first.",
            retry_after=3600,
            code="too_many_drafts",
        )
    values = form.model_dump(exclude={"tags", "source"}) | {
        "allow_commercial_use": form.allow_commercial_use, "license_tier": form.license_tier,
    }  # fmt: skip
    if form.license_tier is not None and "allow_commercial_use" not in form.model_fields_set:
        values = {
            name: value
            for name, value in values.items()
            if name not in licensing.FLAGS or name in form.model_fields_set
        }
    flags, _ = licensing.from_form(values, Permissions())
    values |= flags
    values["category"] = tagging.category_key(form.category) if form.category else None
    values["checkpoint_type"] = _checkpoint_type(form.type, values["checkpoint_type"])
    values["source"] = form.source.model_dump(mode="json", exclude_none=True) if form.source else None
    model = Model(person_id=person, origin=origin, upload_type=upload_type, **values)
    _check(model)
    session.add(model)
    await session.flush()
    await tagging.set_tags(session, model, form.tags)
    await previews.relevel(session, model)
    editing.note(session, actor, model, "created")
    await editing.changed(session, model)
    return model


async def update(
    session: AsyncSession,
    actor: Actor,
    *,
    model_id: int,
    patch: ModelPatch,
    seen: datetime | None = None,
) -> Model:
    """Change the fields that the patch holds; `seen` is the `updated_at` that the editor started from.

    Raises Forbidden (`property_locked`), Conflict (`edited_elsewhere`) and what `create` raises.
    """
    model = await editing.model_for_edit(session, actor, model_id=model_id)
    editing.require_unchanged(model, seen)
    given = patch.given()
    tags: list[str] | None = given.pop("tags", None)
    if "source" in given:
        source = patch.source
        given["source"] = source.model_dump(mode="json", exclude_none=True) if source else None
    flags, asked = licensing.from_form(given, licensing.permissions(model))
    if asked:
        given |= flags
    if given.get("category"):
        given["category"] = tagging.category_key(given["category"])
    _require_unlocked(actor, model, given if tags is None else given | {"tags": tags})
    before = editing.assign(model, given)
    model.checkpoint_type = _checkpoint_type(ModelType(model.type), model.checkpoint_type)
    _check(model)
    if tags is not None or "category" in before:
        kept = tags if tags is not None else await tagging.tags_of(session, model_id)
        old = before.get("category")
        if await tagging.set_tags(session, model, [tag for tag in kept if tags is not None or tag != old]):
            before["tags"] = True
    if not before:
        return model
    licensing.record(session, actor, model, before)
    if model.status == Status.PUBLISHED and (asked or "nsfw" in before):
        await licensing.enforce(session, actor, model)
    await _follow_levels(session, model, before)
    editing.note(session, actor, model, "edited", fields=sorted(before))
    await editing.changed(session, model)
    return model


async def _follow_levels(session: AsyncSession, model: Model, before: dict[str, Any]) -> None:
    if not before.keys() & {"nsfw", "minor", "sfw_only"}:
        return
    await previews.drop_forbidden(session, model)
    await previews.relevel(session, model)
    if before.keys() & {"minor", "sfw_only"}:
        await publish(session, PreviewRulesChanged(model.id))


def _require_unlocked(actor: Actor, model: Model, given: dict[str, Any]) -> None:
    if actor.is_moderator:
        return
    for name in sorted(set(model.locked_properties) & given.keys()):
        if name == "tags" or getattr(model, name, None) != given[name]:
            raise Forbidden(
                f"The moderators have locked {name.replace('_', ' ')} of this model; ask them to change it.",
                code="property_locked",
                details={"field": name},
            )


def _checkpoint_type(type_: ModelType, value: Any) -> Any:
    return value if type_ is ModelType.CHECKPOINT else None


def _check(model: Model) -> None:
    if model.nsfw and (model.minor or model.sfw_only):
        raise Invalid(
            "A model cannot be marked as mature and as showing a minor or for safe content only.",
            code="minor_and_mature",
            fields={"nsfw": "contradicts minor or sfwOnly"},
        )


async def lock_properties(
    session: AsyncSession,
    actor: Actor,
    *,
    model_id: int,
    names: list[str],
    cannot_publish: bool | None = None,
) -> Model:
    """Staff decide which properties the creator cannot change, and whether the model may be published at all."""
    actor.require_moderator()
    unknown = sorted(set(names) - LOCKABLE)
    if unknown:
        raise Invalid(f"These properties cannot be locked: {', '.join(unknown)}.", code="not_lockable")
    model = await editing.model_for_edit(session, actor, model_id=model_id)
    values: dict[str, Any] = {"locked_properties": sorted(set(names))}
    if cannot_publish is not None:
        values["cannot_publish"] = cannot_publish
    if editing.assign(model, values):
        editing.note(session, actor, model, "locked", names=sorted(set(names)), cannot_publish=cannot_publish)
        await editing.changed(session, model)
    return model
