"""The first step of publishing, and what one edits of a model later: name, kind, description, tags, permissions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import drafts, licensing, tagging
from civitas.domains.catalog.forms import ModelForm, ModelPatch
from civitas.domains.catalog.licences import TIERS, Commercial, Line, Tier, explain, tier_of
from civitas.domains.catalog.queries import EditModel
from civitas.domains.catalog.tables import Model
from civitas.domains.catalog.types import CheckpointType, ModelType
from civitas.faces.http.state import state_of
from civitas.faces.web import forms, publish_frame
from civitas.faces.web.form_values import blank, moment, snake, validated, words
from civitas.faces.web.forms import Entered
from civitas.faces.web.props import type_name
from civitas.faces.web.prose import markdown
from civitas.faces.web.publish_frame import (
    LONGEST_TEXT,
    Creator,
    Frame,
    Saved,
    draft_of,
    fault_in_short,
    saved_answer,
)
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.kit.errors import Fault

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

_GROUPS: Final = (
    ("Models", ("Checkpoint", "LORA", "LoCon", "DoRA", "TextualInversion", "Hypernetwork")),
    ("Parts of models", ("VAE", "TextEncoder", "UNet", "CLIP", "CLIPVision", "MotionModule")),
    ("Guides and tools", ("Controlnet", "Upscaler", "Detection", "Poses", "Wildcards", "AestheticGradient")),
    ("Other", ("ComfyWorkflows", "Workflows", "VisionLanguage", "LLM", "Other")),
)
TYPES: Final = tuple(
    (group, tuple((name, type_name(name)) for name in names if name in set(ModelType)))
    for group, names in _GROUPS
)
CHECKPOINTS: Final = ((CheckpointType.TRAINED.value, "Trained"), (CheckpointType.MERGE.value, "Merged"))
AVAILABILITIES: Final = (
    ("Public", "Everybody", "Anybody can find and open it."),
    ("Unsearchable", "Everybody with the link", "It is not listed and not found by search."),
    ("Private", "Only you", "Nobody else sees it, even once it is published."),
)
TIER_TEXTS: Final[Mapping[Tier, str]] = {
    Tier.OPEN: "Anyone may use it for anything, sell it and build on it, without naming you.",
    Tier.CREATOR: "As open, but your name stays with it.",
    Tier.RESTRICTED: "For personal use only: nothing may be sold, built on it or passed on under other terms.",
    Tier.CUSTOM: "You choose each permission yourself.",
}
USES: Final = (
    (Commercial.NONE, "Nothing may be charged", "Neither for images nor for the model."),
    (Commercial.IMAGE, "Sell images made with it", ""),
    (Commercial.RENT_CIVIT, "Also charge for generating on this site", ""),
    (Commercial.RENT, "Also charge for generating elsewhere", ""),
    (Commercial.SELL, "Also sell the model or merges of it", ""),
)
_FLAGS: Final = ("nsfw", "poi", "minor", "sfw_only")


@dataclass(frozen=True, slots=True)
class AboutPage:
    """The form and what it offers."""

    frame: Frame
    form: Entered
    locked: frozenset[str]
    categories: tuple[tuple[str, str], ...]
    tiers: tuple[tuple[str, str, tuple[Line, ...]], ...]
    base_reasons: tuple[str, ...] = ()
    types: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = TYPES
    checkpoints: tuple[tuple[str, str], ...] = CHECKPOINTS
    availabilities: tuple[tuple[str, str, str], ...] = AVAILABILITIES
    uses: tuple[tuple[str, str, str], ...] = USES


@router.get("/models/create")
async def begin(request: Request, creator: Creator) -> Response:
    """The first step of a new model."""
    start = {"license_tier": ("Creator",), "availability": ("Public",), "allow_commercial_use": ("Sell",)}
    start |= {"allow_derivatives": ("true",), "allow_different_license": ("true",)}
    return _page(request, publish_frame.beginning(), Entered(start))


@router.post("/models/create")
async def create(request: Request, creator: Creator) -> Response:
    """Begin the draft, or go on with the one that was saved meanwhile, and take the next step."""
    form = await forms.read(request, LONGEST_TEXT)
    try:
        async with state_of(request).database.unit() as session:
            model = await _save(session, creator, form)
            model_id = model.id
    except Fault as fault:
        failed = form.failed(fault, **_names(fault))
        return _page(request, publish_frame.beginning(), failed, forms.status_of(fault))
    return redirect(request, f"/models/{model_id}/versions/new")


@router.post("/models/create/autosave")
async def autosave_new(request: Request, creator: Creator) -> Response:
    """Save a new model as a draft while it is written."""
    return await _autosave(request, creator, None)


@router.get("/models/{model_id:int}/edit")
async def edit(request: Request, creator: Creator, model_id: int) -> Response:
    """The model's own texts and settings."""
    frame = await publish_frame.load_for(request, creator, model_id=model_id, place="about")
    return _page(request, frame, Entered(_values(frame.editing)))


@router.post("/models/{model_id:int}/edit")
async def save(request: Request, creator: Creator, model_id: int) -> Response:
    """Save, and go on: to the next step of a draft, or back to the same page of a public model."""
    form = await forms.read(request, LONGEST_TEXT)
    try:
        async with state_of(request).database.unit() as session:
            await _save(session, creator, form, model_id)
    except Fault as fault:
        frame = await publish_frame.load_for(request, creator, model_id=model_id, place="about")
        return _page(request, frame, form.failed(fault, **_names(fault)), forms.status_of(fault))
    frame = await publish_frame.load_for(request, creator, model_id=model_id, place="about")
    if frame.public:
        return redirect(request, frame.to("about"), text="Saved. Everybody sees it now.")
    first = frame.versions[0].id if frame.versions else None
    return redirect(request, publish_frame.href("version", model_id, first))


@router.post("/models/{model_id:int}/edit/autosave")
async def autosave(request: Request, creator: Creator, model_id: int) -> Response:
    """Save a draft while it is written."""
    return await _autosave(request, creator, model_id)


@router.post("/models/preview")
async def preview(request: Request, creator: Creator) -> Response:
    """Markdown as others will see it."""
    form = await forms.read(request, LONGEST_TEXT)
    return render(request, "publish/preview.html", {"html": markdown(form.get("description"))})


async def _autosave(request: Request, creator: Actor, model_id: int | None) -> Response:
    form = await forms.read(request, LONGEST_TEXT)
    known = model_id or draft_of(form)
    if not form.get("name").strip() or not form.get("type"):
        return saved_answer(request, Saved(known, form.get("seen"), quiet=True))
    try:
        async with state_of(request).database.unit() as session:
            model = await _save(session, creator, form, known)
            saved = Saved(model.id, model.updated_at.isoformat())
    except Fault as fault:
        return saved_answer(request, Saved(known, form.get("seen"), fault_in_short(fault)))
    return saved_answer(request, saved, f"/models/{saved.draft}/edit" if known is None else None)


async def _save(session: AsyncSession, actor: Actor, form: Entered, model_id: int | None = None) -> Model:
    known = model_id or draft_of(form)
    if known is None:
        return await drafts.create(session, actor, form=validated(ModelForm, _given(form)))
    model = await session.get(Model, known)
    locked = set(model.locked_properties) if model is not None and not actor.is_moderator else set()
    patch = validated(ModelPatch, _given(form, locked))
    seen = None if form.flag("over") else moment(form.get("seen"))
    return await drafts.update(session, actor, model_id=known, patch=patch, seen=seen)


def _given(form: Entered, locked: set[str] | frozenset[str] = frozenset()) -> dict[str, Any]:
    values: dict[str, Any] = {
        "name": form.get("name"),
        "type": form.get("type"),
        "description": form.get("description"),
        "category": blank(form.get("category")),
        "tags": words(form.get("tags")),
        "availability": form.get("availability", "Public"),
        "license_text": blank(form.get("license_text")),
        **{flag: form.flag(flag) for flag in _FLAGS},
    }
    if form.get("type") == ModelType.CHECKPOINT and form.get("checkpoint_type"):
        values["checkpoint_type"] = form.get("checkpoint_type")
    if not locked & set(licensing.FLAGS):
        values["license_tier"] = form.get("license_tier", "Custom")
        if values["license_tier"] == Tier.CUSTOM:
            values |= {name: form.flag(name) for name in licensing.FLAGS if name != "allow_commercial_use"}
            values["allow_commercial_use"] = [form.get("allow_commercial_use", "None")]
    return {name: value for name, value in values.items() if name not in locked}


def _names(fault: Fault) -> dict[str, str]:
    return {name: snake(name) for name in fault.details.get("fields") or {}}


def _values(editing: EditModel | None) -> Mapping[str, tuple[str, ...]]:
    if editing is None:
        return {}
    model = editing.row
    given = licensing.permissions(model)
    values = {
        "name": model.name,
        "type": model.type,
        "checkpoint_type": model.checkpoint_type or "",
        "category": model.category or "",
        "tags": ", ".join(tag for tag in editing.tags if tag != model.category),
        "description": model.description,
        "availability": model.availability,
        "license_tier": tier_of(given).value,
        "allow_commercial_use": given.highest.value,
        "license_text": model.license_text or "",
        "seen": model.updated_at.isoformat(),
        "draft": str(model.id),
    }
    flags = (*_FLAGS, "allow_no_credit", "allow_derivatives", "allow_different_license")
    ticked = {name: ("true",) for name in flags if getattr(model, name)}
    return {name: (value,) for name, value in values.items()} | ticked


def _page(request: Request, frame: Frame, form: Entered, status: int = 200) -> Response:
    editing = frame.editing
    reasons: Sequence[str] = ()
    if editing is not None:
        names = [version.row.base_model for version in editing.versions]
        reasons = licensing.effective_of(licensing.permissions(editing.row), names).reasons
    page = AboutPage(
        frame=frame,
        form=form,
        locked=frozenset(editing.row.locked_properties) if editing else frozenset(),
        categories=tuple((found.key, found.name) for found in tagging.categories()),
        tiers=tuple((t.value, TIER_TEXTS[t], explain(TIERS[t]) if t in TIERS else ()) for t in TIER_TEXTS),
        base_reasons=tuple(reasons),
    )
    return render(request, "publish/about.html", page, status=status)
