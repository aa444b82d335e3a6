"""Drafts: four pictures in few steps, by a distilled LoRA where one that fits is there (FEATURES G7).

Few steps make rubbish of a model that was not distilled for them. So a draft is made by what the recipe holds already,
or else by a LoRA of the catalogue, or else by a fast solver; which of these is always said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog.tables import Model, ModelMetric, ModelVersion
from civitas.domains.catalog.types import Status
from civitas.domains.studio import families, stacking
from civitas.domains.studio.families import Draft, Family
from civitas.domains.studio.recipes import Chosen, Recipe
from civitas.domains.studio.stacking import Usable

# Names of base models that are distilled, or of what distils them; a word such as "turbo" alone is a style as well.
_KINDS: Final = (
    (re.compile(r"\blcm\b", re.IGNORECASE), Draft(steps=6, cfg=1, sampler="LCM")),
    (re.compile(r"\bhyper[-_ ]?sd|\bhyper$", re.IGNORECASE), Draft(steps=8, cfg=1, sampler="DDIM")),
    (
        re.compile(
            r"\b(sdxl|sd)[-_ ]?(lightning|turbo)|\b(lightning|turbo|dmd2?)[-_ ]lora|\bdmd2\b", re.IGNORECASE
        ),
        Draft(steps=8, cfg=1, sampler="Euler"),
    ),
)
# What the database looks for before the patterns decide.
_LIKE: Final = ("%lcm%", "%hyper%", "%lightning%", "%turbo%", "%dmd%")
_TYPES: Final = ("LORA", "LoCon", "DoRA")
PLAIN_STEPS: Final = 8
PLAIN_SAMPLER: Final = "DPM++ 2M Karras"
LOOKED_AT: Final = 20


@dataclass(frozen=True, slots=True)
class Drafted:
    """How a draft is made: the recipe with what was added to it, its pace, and the sentence about it."""

    recipe: Recipe
    pace: Draft | None = None
    told: str | None = None


async def drafted(session: AsyncSession, actor: Actor, recipe: Recipe) -> Drafted:
    """The recipe as it is made. What is no draft, or of a kind of model without drafts, stays as it is."""
    if recipe.workflow != "txt2img:draft":
        return Drafted(recipe)
    wanted = [recipe.checkpoint, *(one.version_id for one in recipe.resources)]
    known = await stacking.usable(session, actor, wanted)
    checkpoint = known.get(recipe.checkpoint)
    family = families.of_base_model(checkpoint.base_model) if checkpoint else None
    if checkpoint is None or family is None or family.draft is None:
        return Drafted(recipe)
    for one in wanted:
        if one in known and (pace := pace_of(known[one])):
            return Drafted(recipe, pace, _told(known[one], pace))
    if found := await _distilled(session, actor, checkpoint):
        pace = pace_of(found)
        resources = (*recipe.resources, Chosen(version_id=found.version_id))
        return Drafted(
            recipe.model_copy(update={"resources": resources}), pace, _told(found, pace or family.draft)
        )
    plain = _plain(family)
    return Drafted(recipe, plain, f"A draft by a fast solver: {plain.steps} steps of {plain.sampler}.")


def pace_of(one: Usable) -> Draft | None:
    """The steps, guidance and sampler that something was distilled for; None for what was not."""
    if one.type not in (*_TYPES, "Checkpoint"):
        return None
    return next(
        (pace for names, pace in _KINDS for text in (one.base_model, one.name) if names.search(text)), None
    )


def _plain(family: Family) -> Draft:
    sampler = PLAIN_SAMPLER if PLAIN_SAMPLER in family.samplers else family.sampler
    return Draft(steps=PLAIN_STEPS, cfg=family.cfg.usual, sampler=sampler)


def _told(one: Usable, pace: Draft) -> str:
    return f"A draft with {one.label}: {pace.steps} steps of {pace.sampler}, guidance {pace.cfg:g}."


async def _distilled(session: AsyncSession, actor: Actor, checkpoint: Usable) -> Usable | None:
    """The LoRA downloaded most of those that distil what this checkpoint is."""
    downloads = func.coalesce(ModelMetric.downloads, 0)
    rows: Sequence[int] = (
        await session.scalars(
            select(ModelVersion.id)
            .join(Model, Model.id == ModelVersion.model_id)
            .outerjoin(ModelMetric, ModelMetric.model_id == Model.id)
            .where(
                Model.type.in_(_TYPES),
                Model.status == Status.PUBLISHED,
                Model.deleted_at.is_(None),
                ModelVersion.status == Status.PUBLISHED,
                ModelVersion.deleted_at.is_(None),
                ModelVersion.base_model.in_(stacking.compatible_base_models(checkpoint.base_model)),
                or_(
                    *(
                        column.ilike(like)
                        for like in _LIKE
                        for column in (Model.name, ModelVersion.base_model)
                    )
                ),
            )
            .order_by(downloads.desc(), ModelVersion.id.desc())
            .limit(LOOKED_AT)
        )
    ).all()
    known = await stacking.usable(session, actor, rows)
    fitting = (known[one] for one in rows if one in known)
    return next((one for one in fitting if one.problem is None and not one.trial and pace_of(one)), None)
