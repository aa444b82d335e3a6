"""What a version was made from: parents, merge recipes, and what it is recommended with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import LineageChanged
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import air, editing, policy
from civitas.domains.catalog.forms import LineageForm, MergeForm, OperandForm, ParentForm, RecommendedForm
from civitas.domains.catalog.tables import (
    MergeStep,
    Model,
    ModelVersion,
    RecommendedResource,
    VersionParent,
)
from civitas.domains.catalog.types import Relation
from civitas.kit.errors import Conflict, Invalid, NotFound

# Any number: edits of lineage take turns, for two of them together could close a circle that neither sees.
LINEAGE_LOCK = 7_221_001


@dataclass(frozen=True, slots=True)
class Parent:
    """A stored parent: `version_id` here, or `air` elsewhere."""

    version_id: int | None
    air: str | None
    relation: str
    note: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """A stored step of a merge; operands are `{"version": id}`, `{"result": step}`, `{"air"|"name": text}`."""

    kind: str
    a: dict[str, Any]
    b: dict[str, Any]
    c: dict[str, Any] | None
    multiplier: float


@dataclass(frozen=True, slots=True)
class Recommended:
    """A stored recommendation."""

    version_id: int
    strength: float | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Origins:
    """All that is recorded of where one version comes from and what it goes with."""

    parents: tuple[Parent, ...]
    merge: tuple[Step, ...]
    recommended: tuple[Recommended, ...]


async def describe(session: AsyncSession, actor: Actor, *, version_id: int, form: LineageForm) -> Origins:
    """Record parents, merge recipe and recommendations; each part that the form holds replaces the old one.

    Versions named in a recipe become parents by themselves. Raises Invalid (`parent_not_found`, `own_parent`,
    `bad_air`, `later_result`, `repeated_parent`), Conflict (`lineage_cycle`).
    """
    model, version = await editing.version_for_edit(session, actor, version_id=version_id)
    await session.execute(select(func.pg_advisory_xact_lock(LINEAGE_LOCK)))
    given = form.model_fields_set
    if {"derived_from", "merge"} & given:
        await _set_parents(session, actor, version_id, form)
    if "merge" in given:
        await _set_merge(session, version_id, form.merge)
    if "recommended" in given:
        await _set_recommended(session, actor, version_id, form.recommended)
    editing.note(session, actor, model, "lineage_changed", version_id=version_id, parts=sorted(given))
    await editing.changed(session, model, LineageChanged(version_id, model.id), version=version)
    return await origins(session, version_id=version_id)


async def origins(session: AsyncSession, *, version_id: int) -> Origins:
    """What is recorded of one version. The caller has made sure that its reader may see the version."""
    parents = await session.execute(
        select(VersionParent.parent_id, VersionParent.air, VersionParent.relation, VersionParent.note)
        .where(VersionParent.version_id == version_id)
        .order_by(VersionParent.id)
    )
    steps = await session.execute(
        select(MergeStep.kind, MergeStep.a, MergeStep.b, MergeStep.c, MergeStep.multiplier)
        .where(MergeStep.version_id == version_id)
        .order_by(MergeStep.position)
    )
    recommended = await session.execute(
        select(RecommendedResource.resource_id, RecommendedResource.strength, RecommendedResource.note)
        .where(RecommendedResource.version_id == version_id)
        .order_by(RecommendedResource.position, RecommendedResource.resource_id)
    )
    return Origins(
        tuple(Parent(*row) for row in parents),
        tuple(Step(*row) for row in steps),
        tuple(Recommended(*row) for row in recommended),
    )


async def _set_parents(session: AsyncSession, actor: Actor, version_id: int, form: LineageForm) -> None:
    before = (await origins(session, version_id=version_id)).parents
    if "derived_from" in form.model_fields_set:
        wanted = [_parent(parent) for parent in form.derived_from]
        keys = [(parent.version_id, parent.air, parent.relation) for parent in wanted]
        if len(set(keys)) != len(keys):
            raise Invalid(
                "One parent is named twice.", code="repeated_parent", fields={"derivedFrom": "twice"}
            )
    else:
        wanted = [parent for parent in before if parent.note != _FROM_RECIPE]
    named = {parent.version_id for parent in wanted if parent.version_id is not None}
    if "merge" in form.model_fields_set:
        merged = [used for used in _versions_of(form.merge) if used not in named]
        wanted += [Parent(used, None, Relation.MERGED_FROM, _FROM_RECIPE) for used in merged]
    else:
        wanted += [p for p in before if p.note == _FROM_RECIPE and p.version_id not in named]
    ids = {parent.version_id for parent in wanted if parent.version_id is not None}
    kept = {parent.version_id for parent in before if parent.version_id is not None}
    await _require_versions(session, actor, ids - kept, field="derivedFrom")
    await _require_no_cycle(session, version_id, ids)
    await session.execute(delete(VersionParent).where(VersionParent.version_id == version_id))
    if wanted:
        rows = [
            {
                "version_id": version_id,
                "parent_id": parent.version_id,
                "air": parent.air,
                "relation": parent.relation,
                "note": parent.note,
            }
            for parent in wanted
        ]
        await session.execute(insert(VersionParent), rows)


# The note of parents that a recipe brought along, so that they leave with it.
_FROM_RECIPE = "merge recipe"


def _parent(form: ParentForm) -> Parent:
    text = str(air.parse(form.air)) if form.air is not None else None
    return Parent(form.version_id, text, form.relation, form.note or None)


def _versions_of(merge: MergeForm | None) -> list[int]:
    operands = [
        operand for step in (merge.steps if merge else []) for operand in (step.a, step.b, step.c) if operand
    ]
    found = [operand.version for operand in operands if operand.version is not None]
    return list(dict.fromkeys(found))


async def _require_versions(session: AsyncSession, actor: Actor, wanted: set[int], *, field: str) -> None:
    if not wanted:
        return
    found = await session.scalars(
        select(ModelVersion.id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(ModelVersion.id.in_(wanted), policy.versions_visible_to(actor))
    )
    lacking = sorted(wanted - set(found.all()))
    if lacking:
        raise Invalid(
            f"Version {lacking[0]} was not found; name versions that are public, or your own.",
            code="parent_not_found",
            fields={field: f"not found: {', '.join(map(str, lacking[:10]))}"},
        )


async def _require_no_cycle(session: AsyncSession, version_id: int, parents: set[int]) -> None:
    if version_id in parents:
        raise Invalid(
            "A version is not made from itself.", code="own_parent", fields={"derivedFrom": "itself"}
        )
    if not parents:
        return
    up = (
        select(VersionParent.parent_id.label("id"))
        .where(VersionParent.version_id.in_(parents), VersionParent.parent_id.is_not(None))
        .cte("up", recursive=True)
    )
    up = up.union(
        select(VersionParent.parent_id).where(
            VersionParent.version_id == up.c.id, VersionParent.parent_id.is_not(None)
        )
    )
    if await session.scalar(select(up.c.id).where(up.c.id == version_id).limit(1)) is not None:
        raise Conflict(
            "One of these versions was itself made from this one; a lineage cannot run in a circle.",
            code="lineage_cycle",
        )


async def _set_merge(session: AsyncSession, version_id: int, merge: MergeForm | None) -> None:
    rows = _step_rows(version_id, merge) if merge is not None else []
    await session.execute(delete(MergeStep).where(MergeStep.version_id == version_id))
    if rows:
        await session.execute(insert(MergeStep), rows)


def _step_rows(version_id: int, merge: MergeForm) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for position, step in enumerate(merge.steps):
        operands = [_operand(operand, position) for operand in (step.a, step.b, step.c)]
        rows.append(
            {
                "version_id": version_id,
                "position": position,
                "kind": step.type,
                "a": operands[0],
                "b": operands[1],
                "c": operands[2],
                "multiplier": step.multiplier,
            }
        )
    return rows


def _operand(form: OperandForm | None, position: int) -> dict[str, Any] | None:
    if form is None:
        return None
    if form.result is not None and form.result >= position:
        raise Invalid(
            f"Step {position + 1} uses the result of step {form.result + 1}, which is not made yet.",
            code="later_result",
            fields={"merge": "a result must come from an earlier step"},
        )
    if form.air is not None:
        return {"air": str(air.parse(form.air))}
    return form.model_dump(exclude_none=True)


async def _set_recommended(
    session: AsyncSession, actor: Actor, version_id: int, forms: Sequence[RecommendedForm]
) -> None:
    ids = [form.version_id for form in forms]
    if len(set(ids)) != len(ids) or version_id in ids:
        raise Invalid(
            "Recommend each other version once, and not the version itself.",
            code="repeated_parent",
            fields={"recommended": "twice, or itself"},
        )
    kept = await session.scalars(
        select(RecommendedResource.resource_id).where(RecommendedResource.version_id == version_id)
    )
    await _require_versions(session, actor, set(ids) - set(kept.all()), field="recommended")
    await session.execute(delete(RecommendedResource).where(RecommendedResource.version_id == version_id))
    if forms:
        rows = [
            {
                "version_id": version_id,
                "resource_id": form.version_id,
                "position": position,
                "strength": form.strength,
                "note": form.note or None,
            }
            for position, form in enumerate(forms)
        ]
        await session.execute(insert(RecommendedResource), rows)


async def visible_version(
    session: AsyncSession, actor: Actor, *, version_id: int
) -> tuple[Model, ModelVersion]:
    """A version and its model that the actor may see; NotFound otherwise."""
    row = (
        await session.execute(
            select(Model, ModelVersion)
            .join(ModelVersion, ModelVersion.model_id == Model.id)
            .where(ModelVersion.id == version_id, policy.versions_visible_to(actor))
        )
    ).first()
    if row is None:
        raise NotFound("This version was not found.", code="version_not_found")
    return row[0], row[1]
