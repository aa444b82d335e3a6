"""From a recipe to a workflow: checked, with its snippets put in, told what was changed, and submitted."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import SAFE_MASK, Actor, Scope
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.orchestration import charging, estimating, submitting
from civitas.domains.orchestration.shown import Estimate
from civitas.domains.orchestration.templates import StepTemplate, Template
from civitas.domains.orchestration.types import Priority
from civitas.domains.studio import blocking, controls, drafting, samplers, snippets, stacking
from civitas.domains.studio.recipes import MOST_SEED, Hires, Recipe, Settled, settle
from civitas.domains.studio.stacking import Stack

STEP: Final = "textToImage"
TAG: Final = "gen"
# The id of a blob or an address; what is longer is the picture itself.
LONGEST_NAME: Final = 400


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recipe ready to be submitted: the workflow, the sentences for the person, the seed that was drawn."""

    template: Template
    warnings: tuple[str, ...]
    seed: int
    stack: Stack
    quantity: int


@dataclass(frozen=True, slots=True)
class Estimated:
    """What a recipe would cost, and what would be told."""

    estimate: Estimate
    warnings: tuple[str, ...]
    quantity: int


@dataclass(frozen=True, slots=True)
class Started:
    """A generation that has begun."""

    workflow_id: str
    warnings: tuple[str, ...]


async def prepare(session: AsyncSession, actor: Actor, recipe: Recipe) -> Prepared:
    """Make the workflow of a recipe without submitting it: the same one that `generate` submits.

    Raises Unauthorised, Forbidden (`generation_restricted`), Invalid (`bad_recipe`, `bad_resources`,
    `prompt_doubtful`, `prompt_blocked` as PromptBlocked, which the caller counts).
    """
    person = actor.require(Scope.AI_SERVICES_WRITE)
    await blocking.may_generate(session, actor)
    by = await drafting.drafted(session, actor, recipe)
    found = await stacking.stack(session, actor, by.recipe)
    settled = settle(recipe, found.family, await entitlements(session, person), by.pace)
    seed = secrets.randbelow(MOST_SEED) if recipe.seed is None else recipe.seed
    prompts, warnings = await _prompts(session, actor, recipe, settled, seed)
    safe_only = found.safe_only
    for prompt in dict.fromkeys(prompts):
        audit = await blocking.look(session, actor, prompt=prompt, negative=settled.negative_prompt)
        verdict = blocking.admit(audit, acknowledged=recipe.acknowledged)
        safe_only = safe_only or verdict.safe_only
        warnings += verdict.notices
    mature = (
        recipe.allow_mature and not safe_only and actor.domain == "main" and bool(actor.mask & ~SAFE_MASK)
    )
    if recipe.allow_mature and not mature:
        warnings.append("Only safe results are made from this.")
    warnings += [by.told] if by.told else []
    warnings += [change.told() for change in settled.changes]
    steps = _steps(recipe, settled, found, prompts, seed)
    template = Template(
        steps=steps,
        tags=tuple(dict.fromkeys((TAG, "img", settled.workflow, *recipe.tags)))[:10],
        notes=_notes(recipe, warnings),
        tips=charging.usual_tips(),
        allow_mature=mature if recipe.allow_mature or safe_only else None,
    )
    return Prepared(template, tuple(dict.fromkeys(warnings)), seed, found, len(prompts))


async def estimate(session: AsyncSession, actor: Actor, recipe: Recipe) -> Estimated:
    """What a recipe would cost, by the same function that charges; nothing is run or kept. Raises as `prepare`."""
    prepared = await prepare(session, actor, recipe)
    found = await estimating.estimate(session, actor, prepared.template)
    return Estimated(found, prepared.warnings, prepared.quantity)


async def generate(session: AsyncSession, actor: Actor, recipe: Recipe) -> Started:
    """Submit a recipe; what it costs is held from the wallet. Raises as `prepare` and as `submitting.submit` do."""
    prepared = await prepare(session, actor, recipe)
    workflow_id = await submitting.submit(session, actor, prepared.template)
    return Started(workflow_id, prepared.warnings)


async def _prompts(
    session: AsyncSession, actor: Actor, recipe: Recipe, settled: Settled, seed: int
) -> tuple[list[str], list[str]]:
    """A prompt for every picture, and what is to be said about them."""
    names = snippets.names_in(settled.prompt)
    if not names:
        return [settled.prompt.replace("\\#", "#")] * settled.quantity, []
    sets = await snippets.available(session, actor)
    made = snippets.expand(settled.prompt, sets, mode=recipe.snippets, most=settled.quantity, seed=seed)
    warnings = [
        f"There are no snippets called #{name}; it stays in the prompt as it is." for name in made.unknown
    ]
    if made.cut:
        warnings.append(f"There are more combinations than {settled.quantity}; the first ones are made.")
    if len(made.prompts) == 1:
        return [made.prompts[0]] * settled.quantity, warnings
    if len(made.prompts) < settled.quantity:
        warnings.append(f"There are {len(made.prompts)} combinations, so as many pictures are made.")
    return list(made.prompts), warnings


def _steps(
    recipe: Recipe, settled: Settled, found: Stack, prompts: Sequence[str], seed: int
) -> tuple[StepTemplate, ...]:
    """A step for every different prompt; its pictures have the seeds that follow one another."""
    steps = list(controls.steps(recipe, resolution=max(settled.width, settled.height)))
    at = seed
    for prompt, count in Counter(prompts).items():
        steps.append(
            StepTemplate(
                STEP,
                _input(recipe, settled, found, prompt, count, at),
                priority=Priority(recipe.priority),
                notes={"seed": at},
            )
        )
        at = (at + count) % (MOST_SEED + 1)
    return tuple(steps)


def _input(
    recipe: Recipe, settled: Settled, found: Stack, prompt: str, count: int, seed: int
) -> dict[str, Any]:
    size = max(part for part in range(1, found.family.batch + 1) if count % part == 0)
    made: dict[str, Any] = {
        "model": found.checkpoint.air,
        "prompt": prompt,
        "negativePrompt": settled.negative_prompt,
        "scheduler": samplers.WIRE[settled.sampler],
        "steps": settled.steps,
        "cfgScale": settled.cfg_scale,
        "width": settled.width,
        "height": settled.height,
        "seed": seed,
        "quantity": count // size,
        "batchSize": size,
        "outputFormat": recipe.output_format,
        "additionalNetworks": {
            **{one.air: {"strength": strength, "type": one.type} for one, strength in found.networks},
            **({found.vae.air: {"type": "VAE"}} if found.vae else {}),
            **{net.air: {"type": net.type} for net in found.nets},
        },
        "imageMetadata": orjson.dumps(_metadata(recipe, found)).decode(),
    }
    if settled.clip_skip is not None:
        made["clipSkip"] = settled.clip_skip
    if recipe.source_image:
        made["sourceImage"] = recipe.source_image
        made["sourceImageDenoiseStrenght"] = settled.denoise
    if recipe.mask_image:
        made["maskImage"] = recipe.mask_image
    if recipe.controls:
        made["controlNets"] = controls.entries(recipe)
    if settled.workflow == "txt2img:hires-fix":
        made["hires"] = (recipe.hires or Hires()).model_dump(by_alias=True, exclude_none=True)
    return made


def _metadata(recipe: Recipe, found: Stack) -> dict[str, Any]:
    """What the file shall say of the models it was made with; read back by galleries and by ourselves."""
    weights = {one.version_id: strength for one, strength in found.networks}
    resources = [
        {
            "type": one.type.lower(),
            "modelVersionId": one.version_id,
            "modelName": one.name,
            "modelVersionName": one.version,
            **({"weight": weights[one.version_id]} if one.version_id in weights else {}),
        }
        for one in found.all
    ]
    return {"resources": resources, **({"remixOfId": recipe.remix_of} if recipe.remix_of else {})}


def _notes(recipe: Recipe, warnings: Sequence[str]) -> dict[str, Any]:
    """What comes back with the workflow, so that it can be made again as it was asked for."""
    heavy = {
        name
        for name in ("source_image", "mask_image")
        # Pictures that came with the recipe itself are not kept twice.
        if len(getattr(recipe, name) or "") > LONGEST_NAME
    }
    if any(len(control.image) > LONGEST_NAME for control in recipe.controls):
        heavy.add("controls")
    kept = recipe.model_dump(by_alias=True, exclude_none=True, exclude={*heavy, "acknowledged"})
    return {"recipe": kept, "warnings": list(dict.fromkeys(warnings))}
