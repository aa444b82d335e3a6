"""Starting from somebody's version: a new draft with attribution and, where the creator asks it, the same licence."""

from __future__ import annotations

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import ModelForked
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog import editing, licensing, lineage, policy, previews, tagging
from civitas.domains.catalog.tables import Model, ModelVersion, VersionParent
from civitas.domains.catalog.types import Relation, Status
from civitas.kit.errors import Conflict, Forbidden, NotFound
from civitas.kit.text import clean_line

LICENCE = (*licensing.FLAGS, "license_text")


async def fork(
    session: AsyncSession,
    actor: Actor,
    *,
    model_id: int,
    version_id: int | None = None,
    name: str | None = None,
) -> Model:
    """Begin a draft from a model's first shown version (or `version_id`): texts, tags, flags, trigger words; no files.

    The draft names its source, and the version descends from it. When the creator does not allow other licences,
    the licence comes along and its properties are locked. Raises Forbidden (`no_derivatives`), NotFound,
    Conflict (`nothing_to_fork`).
    """
    person = require_voice(actor)
    actor.require(Scope.MODELS_WRITE)
    source, version = await _source(session, actor, model_id, version_id)
    own = policy.owns(actor, source)
    if not source.allow_derivatives and not own:
        raise Forbidden("The creator of this model does not allow works built on it.", code="no_derivatives")
    creator = await session.scalar(select(Person.username).where(Person.id == source.person_id))
    carried = own or not source.allow_different_license
    model = Model(
        person_id=person,
        name=(clean_line(name)[:200] if name else "") or f"{source.name[:190]} (fork)",
        description=source.description,
        type=source.type,
        checkpoint_type=source.checkpoint_type,
        category=source.category,
        nsfw=source.nsfw,
        poi=source.poi,
        minor=source.minor,
        sfw_only=source.sfw_only,
        nsfw_level=source.nsfw_level,
        allow_commercial_use=list(source.allow_commercial_use),
        allow_no_credit=source.allow_no_credit,
        allow_derivatives=source.allow_derivatives,
        allow_different_license=source.allow_different_license,
        license_text=source.license_text if carried else None,
        locked_properties=[] if own or source.allow_different_license else sorted(LICENCE),
        forked_from_version_id=version.id,
        source={"creator": creator or "", "id": str(source.id), "platform": "this site"},
    )
    session.add(model)
    await session.flush()
    made = _copy_of(version, model)
    session.add(made)
    await session.flush()
    await session.execute(
        insert(VersionParent).values(version_id=made.id, parent_id=version.id, relation=Relation.FORKED_FROM)
    )
    await tagging.set_tags(session, model, await tagging.tags_of(session, source.id))
    await previews.relevel(session, model)
    editing.note(session, actor, model, "forked", from_version=version.id, from_model=source.id)
    event = ModelForked(model.id, person, version.id, source.id, source.person_id)
    await editing.changed(session, model, event)
    return model


async def _source(
    session: AsyncSession, actor: Actor, model_id: int, version_id: int | None
) -> tuple[Model, ModelVersion]:
    if version_id is not None:
        model, version = await lineage.visible_version(session, actor, version_id=version_id)
        if model.id != model_id:
            raise NotFound("This version does not belong to this model.", code="version_not_found")
        return model, version
    found = await session.scalar(select(Model).where(Model.id == model_id, policy.visible_to(actor)))
    if found is None:
        raise NotFound("This model was not found.", code="model_not_found")
    first = await session.scalar(
        select(ModelVersion)
        .where(
            ModelVersion.model_id == model_id,
            ModelVersion.status.in_(
                [Status.PUBLISHED]
                if not policy.can_edit(actor, found)
                else [Status.PUBLISHED, Status.DRAFT, Status.UNPUBLISHED]
            ),
        )
        .order_by(ModelVersion.position, ModelVersion.id.desc())
        .limit(1)
    )
    if first is None:
        raise Conflict("This model has no version to start from.", code="nothing_to_fork")
    return found, first


def _copy_of(version: ModelVersion, model: Model) -> ModelVersion:
    return ModelVersion(
        model_id=model.id,
        name="v1",
        base_model=version.base_model,
        base_model_type=version.base_model_type,
        trained_words=list(version.trained_words),
        clip_skip=version.clip_skip,
        strength=version.strength,
        min_strength=version.min_strength,
        max_strength=version.max_strength,
        nsfw_level=model.nsfw_level,
    )
