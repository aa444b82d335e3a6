"""The studio over the API: what the generator offers, prompts looked at, presets and snippets."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from civitas.domains.accounts.types import ANONYMOUS, Scope
from civitas.domains.studio import blocking, families, presets, samplers, snippets, stacking
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import paging

router = APIRouter(prefix="/studio", tags=["Studio"], dependencies=[CheckedForm])

Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]


class SizeOffered(Answer):
    """A size with its label."""

    label: str
    width: int
    height: int


class SpanOffered(Answer):
    """Bounds of a number, what is usual, and the step between values."""

    least: float
    most: float
    usual: float
    by: float


class FamilyOffered(Answer):
    """What can be chosen for the models of an ecosystem."""

    ecosystem: str
    longest_prompt: int
    negative_prompt: bool
    sizes: list[SizeOffered]
    edge_least: int
    edge_most: int
    edge_step: int
    area: int
    steps: SpanOffered
    cfg_scale: SpanOffered
    clip_skip: SpanOffered | None
    sampler: str
    samplers: list[str]
    draft: bool
    base_models: list[str]


class PromptText(Body):
    """A prompt to be looked at."""

    prompt: str = Field(max_length=100_000)
    negative_prompt: str = Field(default="", max_length=100_000)


class FaultFound(Answer):
    """Something found in a prompt: `hard` is refused, `soft` may be acknowledged, `safe_only` only forces safety."""

    category: str
    weight: str
    words: list[str]
    message: str


class PromptLooked(Answer):
    """What is found in a prompt. Looking is never counted."""

    faults: list[FaultFound]
    blocked: bool
    safe_only: bool
    unknown_snippets: list[str]


class PresetForm(Body):
    """Settings of the generator under a name."""

    name: str
    description: str = ""
    ecosystem: str | None = Field(default=None, max_length=40)
    settings: dict[str, Any]


class PresetChange(Body):
    """What is to be changed of a preset; fields left out stay."""

    name: str | None = None
    description: str | None = None
    settings: dict[str, Any] | None = None


class PresetShown(Answer):
    """A preset."""

    id: int
    name: str
    description: str
    ecosystem: str | None
    settings: dict[str, Any]
    created_at: datetime
    changed_at: datetime


class PresetPage(Answer):
    """A page of presets."""

    items: list[PresetShown]
    next_cursor: str | None


class SnippetEntries(Body):
    """The entries of a set, in their order."""

    entries: list[str] = Field(max_length=5_000)


class SnippetsShown(Answer):
    """A set of snippets. `own` sets can be changed, the others are everybody's."""

    name: str
    entries: list[str]
    own: bool


@router.get("/families", operation_id="listStudioFamilies", summary="List What The Generator Offers")
async def list_families() -> list[FamilyOffered]:
    """Sizes, steps, samplers and bounds for each ecosystem that pictures can be made with."""
    return [_family(family) for family in families.families().values()]


@router.post("/prompts/look", operation_id="lookAtPrompt", summary="Look At A Prompt")
async def look(body: PromptText, viewer: Viewer, session: Reading) -> PromptLooked:
    """What would be found in a prompt when it is submitted; nothing is counted or kept."""
    audit = await blocking.look(session, viewer, prompt=body.prompt, negative=body.negative_prompt)
    names = snippets.names_in(body.prompt)
    known = await snippets.available(session, viewer, names) if names else {}
    return PromptLooked(
        faults=[
            FaultFound(category=one.category, weight=one.weight, words=list(one.words), message=one.told())
            for one in audit.findings
        ],
        blocked=bool(audit.hard),
        safe_only=audit.safe_only,
        unknown_snippets=[name for name in names if name not in known],
    )


@router.get("/presets", operation_id="listPresets", summary="List Own Presets")
async def list_presets(
    owner: Owner,
    session: Reading,
    ecosystem: Annotated[str | None, Query(max_length=40)] = None,
    cursor: Cursor = None,
) -> PresetPage:
    """One's own presets, the newest first."""
    owner.require(Scope.AI_SERVICES_READ)
    page = await presets.page(session, owner, ecosystem=ecosystem, cursor=cursor)
    return PresetPage(
        items=[PresetShown.model_validate(one) for one in page.items], next_cursor=page.next_cursor
    )


@router.post("/presets", operation_id="makePreset", summary="Make A Preset", status_code=201)
async def make_preset(body: PresetForm, writer: Writer, session: Unit) -> PresetShown:
    """Keep settings under a name of one's own."""
    writer.require(Scope.AI_SERVICES_WRITE)
    made = await presets.make(
        session,
        writer,
        name=body.name,
        description=body.description,
        ecosystem=body.ecosystem,
        settings=body.settings,
    )
    return PresetShown.model_validate(made)


@router.patch("/presets/{preset_id}", operation_id="changePreset", summary="Change A Preset")
async def change_preset(preset_id: int, body: PresetChange, writer: Writer, session: Unit) -> PresetShown:
    """Change name, description or settings of one's own preset."""
    writer.require(Scope.AI_SERVICES_WRITE)
    changed = await presets.change(
        session,
        writer,
        preset_id=preset_id,
        name=body.name,
        description=body.description,
        settings=body.settings,
    )
    return PresetShown.model_validate(changed)


@router.delete(
    "/presets/{preset_id}", operation_id="removePreset", summary="Remove A Preset", status_code=204
)
async def remove_preset(preset_id: int, writer: Writer, session: Unit) -> None:
    """Remove one's own preset."""
    writer.require(Scope.AI_SERVICES_WRITE)
    await presets.remove(session, writer, preset_id=preset_id)


@router.get("/snippets", operation_id="listSnippets", summary="List Snippets")
async def list_snippets(viewer: Viewer, session: Reading) -> list[SnippetsShown]:
    """The sets that `#name` in a prompt may stand for: one's own, and everybody's."""
    mine = viewer.signed_in and Scope.AI_SERVICES_READ in viewer.scopes
    own = {one.name for one in await snippets.own(session, viewer)} if mine else set()
    found = await snippets.available(session, viewer if mine else ANONYMOUS)
    return [
        SnippetsShown(name=name, entries=entries, own=name in own) for name, entries in sorted(found.items())
    ]


@router.put("/snippets/{name}", operation_id="saveSnippets", summary="Save A Set Of Snippets")
async def save_snippets(name: str, body: SnippetEntries, writer: Writer, session: Unit) -> SnippetsShown:
    """Make a set of one's own, or replace its entries."""
    writer.require(Scope.AI_SERVICES_WRITE)
    saved = await snippets.save(session, writer, name=name, entries=body.entries)
    return SnippetsShown(name=saved.name, entries=saved.entries, own=True)


@router.delete(
    "/snippets/{name}", operation_id="removeSnippets", summary="Remove A Set Of Snippets", status_code=204
)
async def remove_snippets(name: str, writer: Writer, session: Unit) -> None:
    """Remove a set of one's own."""
    writer.require(Scope.AI_SERVICES_WRITE)
    await snippets.remove(session, writer, name=name)


def _family(family: families.Family) -> FamilyOffered:
    return FamilyOffered(
        ecosystem=family.ecosystem,
        longest_prompt=family.prompt,
        negative_prompt=family.negative,
        sizes=[SizeOffered(label=label, width=width, height=height) for label, width, height in family.sizes],
        edge_least=family.smallest,
        edge_most=family.largest,
        edge_step=family.step,
        area=family.area,
        steps=_span(family.steps),
        cfg_scale=_span(family.cfg),
        clip_skip=_span(family.clip_skip) if family.clip_skip else None,
        sampler=family.sampler,
        samplers=[name for name in samplers.NAMES if name in family.samplers],
        draft=family.draft is not None,
        base_models=list(stacking.made_with(family.ecosystem)),
    )


def _span(span: families.Span) -> SpanOffered:
    return SpanOffered(least=span.least, most=span.most, usual=span.usual, by=span.by)
