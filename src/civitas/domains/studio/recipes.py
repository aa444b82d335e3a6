"""A recipe: everything that decides how a picture comes out, as a person chose it on the page or by API.

What cannot be done as asked is refused, or changed *and said so* in a warning with what was asked and what is used
(WANTS 21): nothing is clamped in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from civitas.domains.buzz.memberships.entitlements import Entitlements
from civitas.domains.studio import samplers
from civitas.domains.studio.families import Draft, Family
from civitas.kit.errors import Invalid

MOST_SEED: Final = 2**32 - 1
MOST_ID: Final = 2**63 - 1
STRENGTH: Final = (-1.0, 2.0)

# Kinds of control pictures, as `textToImage` names them; a grey one is nothing that `preprocessImage` makes.
# fmt: off
PREPROCESSORS: Final = frozenset((
    "canny", "mlsd", "depthZoe", "depthAnything", "depthAnythingV2", "zoeDepthAnything", "zoeDepth", "midasDepth", "leresDepth",
    "metric3dDepth", "softedgePidinet", "hed", "teed", "midasNormal", "baeNormal", "dsineNormal", "metric3dNormal",
    "lineartRealistic", "lineartStandard", "lineartAnime", "lineartManga", "anyline", "scribble", "scribbleXdog",
    "scribblePidinet", "fakeScribble", "openpose", "dwpose", "oneformerCoco", "oneformerAde20k", "uniformer", "shuffle", "tile",
    "gray",
))
# fmt: on
ONLY_PREPARED: Final = frozenset({"gray"})

Making = Literal["txt2img", "txt2img:draft", "txt2img:hires-fix", "img2img"]


class _Part(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, str_max_length=20_000
    )


class Chosen(_Part):
    """A resource that stands beside the checkpoint, by the id of its version."""

    version_id: int = Field(ge=1, le=MOST_ID)
    strength: float | None = Field(default=None, ge=-10, le=10)


class Control(_Part):
    """A ControlNet of the catalogue with the picture that leads it: where shapes are to be (FEATURES G6).

    `prepared` says that the picture is already what the net reads (edges, depth); else it is made into that first.
    """

    version_id: int = Field(ge=1, le=MOST_ID)
    prepared: bool = True
    preprocessor: str = Field(min_length=1, max_length=60)
    image: str = Field(min_length=1, max_length=4_000)
    weight: float = Field(default=1, ge=0, le=2)
    start_step: float = Field(default=0, ge=0, le=1)
    end_step: float = Field(default=1, ge=0, le=1)


class Hires(_Part):
    """A second pass over a larger picture."""

    scale: float = Field(default=1.5, ge=1, le=4)
    denoise: float = Field(default=0.45, ge=0, le=1)
    steps: int | None = Field(default=None, ge=1, le=150)


class Recipe(_Part):
    """What to make. Fields that are left out take what the family of the checkpoint usually has."""

    workflow: Making = "txt2img"
    checkpoint: int = Field(ge=1, le=MOST_ID)
    resources: tuple[Chosen, ...] = Field(default=(), max_length=40)
    vae: int | None = Field(default=None, ge=1, le=MOST_ID)
    prompt: str = ""
    negative_prompt: str = ""
    sampler: str | None = Field(default=None, max_length=60)
    steps: int | None = Field(default=None, ge=1, le=1_000)
    cfg_scale: float | None = Field(default=None, ge=0, le=100)
    width: int | None = Field(default=None, ge=1, le=100_000)
    height: int | None = Field(default=None, ge=1, le=100_000)
    seed: int | None = Field(default=None, ge=0, le=MOST_SEED)
    clip_skip: int | None = Field(default=None, ge=1, le=12)
    quantity: int = Field(default=1, ge=1, le=100)
    # A blob, a picture's address here, or a data: URL.
    source_image: str | None = Field(default=None, max_length=8_000_000)
    mask_image: str | None = Field(default=None, max_length=8_000_000)
    denoise: float | None = Field(default=None, ge=0, le=1)
    hires: Hires | None = None
    controls: tuple[Control, ...] = Field(default=(), max_length=1)
    output_format: Literal["jpeg", "png", "webP"] = "jpeg"
    priority: Literal["low", "normal", "high"] = "low"
    # `#name` in the prompt: one drawn for every picture, or every combination in turn.
    snippets: Literal["random", "batch"] = "random"
    # The picture this was begun from; kept when the prompts are still alike.
    remix_of: int | None = Field(default=None, ge=1, le=MOST_ID)
    tags: tuple[str, ...] = Field(default=(), max_length=8)
    allow_mature: bool = False
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is done otherwise than asked: which field, what was asked, what is used, and why."""

    field: str
    asked: Any
    used: Any
    why: str

    def told(self) -> str:
        """The warning as a sentence."""
        return f"{self.why} {self.used} is used instead of {self.asked}."


@dataclass(frozen=True, slots=True)
class Settled:
    """A recipe with every number decided, and what was changed on the way."""

    workflow: Making
    prompt: str
    negative_prompt: str
    sampler: str
    steps: int
    cfg_scale: float
    width: int
    height: int
    clip_skip: int | None
    quantity: int
    denoise: float
    changes: tuple[Change, ...]


def settle(recipe: Recipe, family: Family, limits: Entitlements, pace: Draft | None = None) -> Settled:
    """Decide everything that was left open, within what the family can and the membership allows.

    Too much of what is paid for (quantity, steps, resources) is refused; a size that the model cannot make becomes the
    nearest one, with a warning. A draft has the `pace` of what it is made by, its family's otherwise. Raises Invalid
    naming every field that is wrong.
    """
    wrong: dict[str, str] = {}
    changes: list[Change] = []
    if not recipe.prompt.strip():
        wrong["prompt"] = "Say what you want to see."
    for field, text in (("prompt", recipe.prompt), ("negativePrompt", recipe.negative_prompt)):
        if len(text) > family.prompt:
            wrong[field] = f"{len(text):,} characters; {family.prompt:,} is the most for this kind of model."
    sampler = _sampler(recipe, family, changes, wrong)
    drafts = recipe.workflow == "txt2img:draft" and family.draft is not None
    draft = (pace or family.draft) if drafts else None
    if recipe.workflow == "txt2img:draft" and not drafts:
        wrong["workflow"] = "There are no drafts with this kind of model; choose another way of making."
    quantity = recipe.quantity
    if draft is not None and quantity % 4:
        quantity = min(-(-quantity // 4) * 4, max(4, limits.tier.images_per_request // 4 * 4))
        changes.append(Change("quantity", recipe.quantity, quantity, "Drafts are made four at a time."))
    if quantity > limits.tier.images_per_request:
        wrong["quantity"] = f"Your membership makes {limits.tier.images_per_request} at once."
    steps = int(draft.steps if draft else recipe.steps or family.steps.usual)
    if draft is None:
        _within(
            steps, "steps", int(family.steps.least), min(int(family.steps.most), limits.tier.max_steps), wrong
        )
    cfg = float(draft.cfg if draft else family.cfg.usual if recipe.cfg_scale is None else recipe.cfg_scale)
    if draft is None:
        _within(cfg, "cfgScale", family.cfg.least, family.cfg.most, wrong)
    _check_parts(recipe, limits, wrong)
    _check_controls(recipe, family, wrong)
    width, height = _size(recipe, family, changes)
    clip_skip = _clip_skip(recipe, family, changes)
    negative = _negative(recipe, family, changes)
    if wrong:
        raise Invalid(" ".join(dict.fromkeys(wrong.values())), code="bad_recipe", fields=wrong)
    denoise = 0.75 if recipe.denoise is None else recipe.denoise
    return Settled(
        recipe.workflow,
        recipe.prompt.strip(),
        negative,
        draft.sampler if draft else sampler,
        steps,
        cfg,
        width,
        height,
        clip_skip,
        quantity,
        denoise,
        tuple(changes),
    )


def _check_parts(recipe: Recipe, limits: Entitlements, wrong: dict[str, str]) -> None:
    count = len(recipe.resources) + (recipe.vae is not None) + len(recipe.controls)
    if count > limits.tier.resources_per_request:
        wrong["resources"] = (
            f"Your membership stacks {limits.tier.resources_per_request} resources; these are {count}."
        )
    if recipe.workflow == "img2img" and not recipe.source_image:
        wrong["sourceImage"] = "Choose the picture to begin from."
    if recipe.mask_image and not recipe.source_image:
        wrong["maskImage"] = "A mask needs a picture to begin from."


def _check_controls(recipe: Recipe, family: Family, wrong: dict[str, str]) -> None:
    for control in recipe.controls:
        if control.start_step >= control.end_step:
            wrong["controls"] = "A control ends after it starts."
        if control.preprocessor not in PREPROCESSORS:
            wrong["controls"] = f"{control.preprocessor} is no kind of control picture that is known."
        elif not control.prepared and control.preprocessor in ONLY_PREPARED:
            wrong["controls"] = "A control picture of this kind has to be sent as it is to be."
    if recipe.controls and family.controls == "none":
        wrong["controls"] = "There are no ControlNets for this kind of model."
    elif recipe.controls and family.controls == "words" and recipe.source_image:
        wrong["controls"] = (
            "This kind of model follows a control picture from words only; leave out the picture to begin from."
        )


def _sampler(recipe: Recipe, family: Family, changes: list[Change], wrong: dict[str, str]) -> str:
    if recipe.sampler is None:
        return family.sampler
    known = samplers.known(recipe.sampler)
    if known is None:
        wrong["sampler"] = f"{recipe.sampler} is not a sampler of this kind of model."
        return family.sampler
    if known not in family.samplers:
        changes.append(
            Change("sampler", known, family.sampler, "This kind of model does not use that sampler.")
        )
        return family.sampler
    return known


def _within(value: float, field: str, least: float, most: float, wrong: dict[str, str]) -> None:
    if not least <= value <= most:
        wrong[field] = f"Between {least:g} and {most:g} for this kind of model and your membership."


def _size(recipe: Recipe, family: Family, changes: list[Change]) -> tuple[int, int]:
    usual = family.sizes[0]
    width, height = recipe.width or usual[1], recipe.height or usual[2]
    if family.fits(width, height):
        return width, height
    nearest = family.nearest(width, height)
    used = f"{nearest[0]} x {nearest[1]}"
    changes.append(Change("size", f"{width} x {height}", used, "This kind of model does not make that size."))
    return nearest


def _clip_skip(recipe: Recipe, family: Family, changes: list[Change]) -> int | None:
    if family.clip_skip is None:
        if recipe.clip_skip is not None:
            why = "This kind of model has no clip skip."
            changes.append(Change("clipSkip", recipe.clip_skip, "none", why))
        return None
    wished = int(family.clip_skip.usual if recipe.clip_skip is None else recipe.clip_skip)
    used = int(max(family.clip_skip.least, min(family.clip_skip.most, wished)))
    if used != wished:
        changes.append(Change("clipSkip", wished, used, "This kind of model does not skip so many layers."))
    return used


def _negative(recipe: Recipe, family: Family, changes: list[Change]) -> str:
    negative = recipe.negative_prompt.strip()
    if negative and not family.negative:
        why = "This kind of model takes no negative prompt."
        changes.append(Change("negativePrompt", "yours", "None", why))
        return ""
    return negative
