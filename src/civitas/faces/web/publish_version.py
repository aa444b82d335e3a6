"""The second step: a version's name, base model, trigger words, strength, how it was trained, what is new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import access_terms, base_models, queries, versions
from civitas.domains.catalog.base_models import BaseModelInfo
from civitas.domains.catalog.forms import VersionForm, VersionPatch
from civitas.domains.catalog.queries import Suggestions
from civitas.domains.catalog.tables import ModelVersion
from civitas.domains.catalog.types import BaseModelType, UsageControl
from civitas.faces.http.state import state_of
from civitas.faces.web import forms, publish_frame
from civitas.faces.web.form_values import blank, lines, moment, snake, validated, version_id
from civitas.faces.web.forms import Entered
from civitas.faces.web.publish_about import AVAILABILITIES
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

USAGES: Final = (
    (UsageControl.DOWNLOAD.value, "Download and generate", "Anybody may download the files."),
    (UsageControl.GENERATION.value, "Generate only", "The files stay here and are used on this site."),
    (UsageControl.EXTERNAL_GENERATION.value, "Generate, here and elsewhere", "Nobody downloads the files."),
    (UsageControl.INTERNAL_GENERATION.value, "Internal", "Only this site itself uses the files."),
)
_STRENGTHS: Final = ("strength", "min_strength", "max_strength")
_NUMBERS: Final = ("steps", "epochs", "clip_skip")


@dataclass(frozen=True, slots=True)
class VersionPage:
    """The form and what it offers; `base` is the base model chosen so far."""

    frame: Frame
    form: Entered
    bases: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    base: BaseModelInfo | None
    suggestions: Suggestions | None = None
    base_types: tuple[tuple[str, str], ...] = tuple((kind.value, kind.value) for kind in BaseModelType)
    usages: tuple[tuple[str, str, str], ...] = USAGES
    availabilities: tuple[tuple[str, str, str], ...] = AVAILABILITIES


@router.get("/models/{model_id:int}/versions/new")
async def begin(request: Request, creator: Creator, model_id: int) -> Response:
    """A new version; it starts from the base model of the one before."""
    frame = await publish_frame.load_for(request, creator, model_id=model_id, place="version")
    others = frame.editing.versions if frame.editing else ()
    start = {"name": (f"v{len(others) + 1}.0",), "usage_control": ("Download",), "availability": ("Public",)}
    if others:
        start["base_model"] = (others[0].row.base_model,)
    return _page(request, frame, Entered(start))


@router.post("/models/{model_id:int}/versions/new")
async def create(request: Request, creator: Creator, model_id: int) -> Response:
    """Add the version, or go on with the one that was saved meanwhile, and take the next step."""
    form = await forms.read(request, LONGEST_TEXT)
    try:
        async with state_of(request).database.unit() as session:
            found = (await _save(session, creator, form, model_id)).id
    except Fault as fault:
        frame = await publish_frame.load_for(request, creator, model_id=model_id, place="version")
        return _page(request, frame, form.failed(fault, **_names(fault)), status=forms.status_of(fault))
    return redirect(request, publish_frame.href("access" if form.flag("terms") else "files", model_id, found))


@router.post("/models/{model_id:int}/versions/new/autosave")
async def autosave_new(request: Request, creator: Creator, model_id: int) -> Response:
    """Save a new version as a draft while it is described."""
    return await _autosave(request, creator, model_id, None)


@router.get("/models/{model_id:int}/versions/{number:int}/edit")
async def edit(request: Request, creator: Creator, model_id: int, number: int) -> Response:
    """A version's own texts and settings."""
    frame, found = await _load(request, creator, model_id, number)
    async with state_of(request).database.reading() as session:
        earns = await access_terms.asked(session, version_id=number)
    values = dict(_values(frame)) | ({"terms": ("true",)} if earns else {})
    return _page(request, frame, Entered(values), found)


@router.post("/models/{model_id:int}/versions/{number:int}/edit")
async def save(request: Request, creator: Creator, model_id: int, number: int) -> Response:
    """Save, and go on with a draft's files, or back to the page of what is public."""
    form = await forms.read(request, LONGEST_TEXT)
    try:
        async with state_of(request).database.unit() as session:
            await _save(session, creator, form, model_id, number)
    except Fault as fault:
        frame, found = await _load(request, creator, model_id, number)
        failed = form.failed(fault, **_names(fault))
        return _page(request, frame, failed, found, status=forms.status_of(fault))
    if form.get("then") == "origins":
        return redirect(request, publish_frame.href("origins", model_id, number))
    frame, _ = await _load(request, creator, model_id, number)
    if frame.version is not None and frame.version.row.status == "Published":
        return redirect(request, frame.to("version"), text="Saved. Everybody sees it now.")
    return redirect(request, frame.to("access" if form.flag("terms") else "files"))


@router.post("/models/{model_id:int}/versions/{number:int}/edit/autosave")
async def autosave(request: Request, creator: Creator, model_id: int, number: int) -> Response:
    """Save a draft version while it is described."""
    return await _autosave(request, creator, model_id, number)


@router.get("/models/base-model")
async def base_model_note(request: Request, creator: Creator, base_model: str = "") -> Response:
    """What follows from a base model: its licence and what that forbids."""
    found = base_models.current().find(base_model[:200])
    return render(request, "publish/base_note.html", {"base": found})


async def _load(
    request: Request, creator: Actor, model_id: int, number: int
) -> tuple[Frame, Suggestions | None]:
    async with state_of(request).database.reading() as session:
        frame = await publish_frame.load(
            session, creator, model_id=model_id, place="version", version_id=number
        )
        return frame, await queries.suggestions(session, creator, version_id=number)


async def _autosave(request: Request, creator: Actor, model_id: int, number: int | None) -> Response:
    form = await forms.read(request, LONGEST_TEXT)
    known = number or draft_of(form)
    if not form.get("name").strip() or not form.get("base_model"):
        return saved_answer(request, Saved(known, form.get("seen"), quiet=True))
    try:
        async with state_of(request).database.unit() as session:
            version = await _save(session, creator, form, model_id, known)
            saved = Saved(version.id, version.updated_at.isoformat())
    except Fault as fault:
        return saved_answer(request, Saved(known, form.get("seen"), fault_in_short(fault)))
    here = publish_frame.href("version", model_id, saved.draft) if known is None else None
    return saved_answer(request, saved, here)


async def _save(
    session: AsyncSession, actor: Actor, form: Entered, model_id: int, number: int | None = None
) -> ModelVersion:
    known = number or draft_of(form)
    if known is None:
        return await versions.add(
            session, actor, model_id=model_id, form=validated(VersionForm, _given(form))
        )
    # NotFound for a version of another model, whatever the address says.
    await publish_frame.load(session, actor, model_id=model_id, place="version", version_id=known)
    patch = validated(VersionPatch, _given(form))
    seen = None if form.flag("over") else moment(form.get("seen"))
    return await versions.update_version(session, actor, version_id=known, patch=patch, seen=seen)


def _given(form: Entered) -> dict[str, Any]:
    return {
        "name": form.get("name"),
        "base_model": form.get("base_model"),
        "base_model_type": form.get("base_model_type", "Standard"),
        "description": form.get("description"),
        "trained_words": lines(form.get("trained_words")),
        "settings": {name: blank(form.get(name)) for name in _STRENGTHS},
        "usage_control": form.get("usage_control", "Download"),
        "availability": form.get("availability", "Public"),
        "require_auth": form.flag("require_auth"),
        "vae_version_id": version_id(form.get("vae_version_id"), field="vae_version_id"),
        **{name: blank(form.get(name)) for name in _NUMBERS},
    }


def _names(fault: Fault) -> dict[str, str]:
    found = {name: snake(name) for name in fault.details.get("fields") or {}}
    return {name: "strength" if ours == "settings" else ours for name, ours in found.items()}


def _values(frame: Frame) -> Mapping[str, tuple[str, ...]]:
    if frame.version is None:
        return {}
    row = frame.version.row
    values = {
        "name": row.name,
        "base_model": row.base_model,
        "base_model_type": row.base_model_type,
        "description": row.description,
        "trained_words": "\n".join(row.trained_words),
        "usage_control": row.usage_control,
        "availability": row.availability,
        "vae_version_id": str(row.vae_version_id or ""),
        "seen": row.updated_at.isoformat(),
        "draft": str(row.id),
        **{name: _number(getattr(row, name)) for name in (*_NUMBERS, *_STRENGTHS)},
    }
    ticked = {"require_auth": ("true",)} if row.require_auth else {}
    return {name: (value,) for name, value in values.items()} | ticked


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _page(
    request: Request,
    frame: Frame,
    form: Entered,
    suggestions: Suggestions | None = None,
    *,
    status: int = 200,
) -> Response:
    registry = base_models.current()
    chosen = registry.find(form.get("base_model"))
    groups = [(group, tuple((info.name, info.name) for info in infos)) for group, infos in registry.groups()]
    if chosen is not None and chosen.hidden:
        groups.insert(0, ("As it was", ((chosen.name, chosen.name),)))
    page = VersionPage(
        frame=frame, form=form, bases=tuple(groups), base=chosen, suggestions=suggestions
    )  # fmt: skip
    return render(request, "publish/version.html", page, status=status)
