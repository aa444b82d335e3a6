"""`/create/graph/{version}`: a ComfyUI workflow of the catalogue, run by filling in its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import SAFE_MASK, Actor
from civitas.domains.catalog import reading
from civitas.domains.catalog.listing import Filters, Sort
from civitas.domains.studio import blocking, made, running
from civitas.domains.studio.graphs import Field
from civitas.domains.studio.running import Run, Runnable
from civitas.faces.http.state import state_of
from civitas.faces.web import forms
from civitas.faces.web.create_source import keep
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, Visitor, redirect
from civitas.kit.errors import Fault
from civitas.kit.ids import row_id

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

OFFERED: Final = 60
# Values of fields, and versions of the catalogue for fields that name models.
VALUE, MODEL = "n-", "m-"


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field of the form: what is in it, what is wrong, and what can be chosen for a model."""

    field: Field
    name: str
    value: str
    error: str | None
    models: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class GraphPage:
    """The form of a workflow, and what running it costs."""

    runnable: Runnable
    form: Entered
    first: tuple[FieldView, ...]
    more: tuple[FieldView, ...]
    open_more: bool
    may_be_mature: bool
    total: int | None
    insufficient: bool
    served: bool
    problem: str | None


@router.get("/create/graph/{version_id:int}")
async def show(
    request: Request,
    visitor: Visitor,
    version_id: int,
    source: Annotated[str, Query(alias="from", max_length=64)] = "",
) -> Response:
    """The form as the file fills it, or as it was filled in before."""
    runnable = await _load(request, visitor, version_id)
    form = Entered()
    if source and visitor.signed_in:
        async with state_of(request).database.reading() as session:
            before = await made.one(session, visitor, source)
        form = _again(before.recipe)
    return await _page(request, visitor, runnable, form)


@router.post("/create/graph/{version_id:int}")
async def run(request: Request, member: Member, version_id: int) -> Response:
    """Submit it as filled in; what was refused comes back with every value in place."""
    runnable = await _load(request, member, version_id)
    form = await forms.read(request, 8_000)
    database = state_of(request).database
    try:
        form = await _with_pictures(request, member, runnable, form)
        asked = _run(runnable, form)
        async with database.unit() as session:
            started = await running.start(session, member, runnable, asked)
    except blocking.PromptBlocked as fault:
        async with database.unit() as session:
            await blocking.count(session, member, findings=fault.findings, prompt=_words(runnable, form))
        return await _page(request, member, runnable, form, fault)
    except Fault as fault:
        return await _page(request, member, runnable, form, fault)
    return redirect(request, f"/create#made-{started.workflow_id}")


async def _load(request: Request, visitor: Actor, version_id: int) -> Runnable:
    state = state_of(request)
    async with state.database.reading() as session:
        located = await running.locate(session, state.reads, visitor, version_id=version_id)
    data = await state.store.read_range(located.storage_key, 0, located.size)
    return running.runnable(located, data)


async def _with_pictures(request: Request, member: Actor, runnable: Runnable, form: Entered) -> Entered:
    """The form with pictures that were sent kept as blobs, and named in it."""
    values = dict(form.values)
    for field in runnable.fields:
        name = f"{VALUE}{field.name}"
        file = form.files.get(f"{name}-file")
        if field.kind == "picture" and file is not None and file.size:
            values[name] = (await keep(request, member, file),)
    return Entered(values)


def _run(runnable: Runnable, form: Entered) -> Run:
    values: dict[str, Any] = {}
    models: dict[str, int] = {}
    for field in runnable.fields:
        given = form.get(f"{VALUE}{field.name}")
        if field.kind == "flag":
            values[field.name] = bool(given)
        elif field.kind == "model":
            chosen = row_id(form.get(f"{MODEL}{field.name}"))
            if chosen is not None:
                models[field.name] = chosen
        elif f"{VALUE}{field.name}" in form.values:
            values[field.name] = given
    return Run(values, models, allow_mature=form.flag("allow_mature"))


def _again(recipe: Mapping[str, Any]) -> Entered:
    """The form with what was filled in before; seeds are drawn anew."""
    values, models = recipe.get("values"), recipe.get("models")
    found: dict[str, tuple[str, ...]] = {"again": ("1",)}
    for name, value in (values if isinstance(values, Mapping) else {}).items():
        if value is not False:
            found[f"{VALUE}{name}"] = ("true" if value is True else str(value),)
    for name, version in (models if isinstance(models, Mapping) else {}).items():
        found[f"{MODEL}{name}"] = (str(version),)
    return Entered(found)


async def _page(
    request: Request, visitor: Actor, runnable: Runnable, form: Entered, fault: Fault | None = None
) -> Response:
    told = fault.details.get("fields") if fault else None
    errors: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    state = state_of(request)
    total, insufficient, served = None, False, True
    async with state.database.reading() as session:
        if visitor.signed_in:
            total, insufficient, served = await _cost(session, visitor, runnable)
    offers: dict[str, tuple[tuple[str, str], ...]] = {}
    for type in {field.model_type for field in runnable.fields if field.model_type}:
        offers[type] = await _offers(request, visitor, type)
    views = [_view(field, form, errors, offers.get(field.model_type or "", ())) for field in runnable.fields]
    more = tuple(view for view in views if not view.field.first)
    page = GraphPage(
        runnable=runnable,
        form=form,
        first=tuple(view for view in views if view.field.first),
        more=more,
        open_more=any(view.error for view in more),
        may_be_mature=bool(visitor.mask & ~SAFE_MASK),
        total=total,
        insufficient=insufficient,
        served=served,
        problem=fault.message if fault else None,
    )
    status = forms.status_of(fault) if fault else 200
    return render(request, "create/graph.html", page, status=status)


async def _cost(session: AsyncSession, visitor: Actor, runnable: Runnable) -> tuple[int | None, bool, bool]:
    """What it costs as the file has it; None when the file as it is would be refused."""
    try:
        found = await running.estimate(session, visitor, runnable, Run({}, {}))
    except Fault:
        return None, False, True
    return found.cost.total, found.insufficient, all(step.served for step in found.steps)


def _view(
    field: Field, form: Entered, errors: Mapping[str, Any], models: Sequence[tuple[str, str]]
) -> FieldView:
    prefix = MODEL if field.kind == "model" else VALUE
    name = f"{prefix}{field.name}"
    usual = "" if field.kind in ("seed", "model", "picture") else _text(field.value)
    if form.values and (name in form.values or field.kind == "flag"):
        usual = form.get(name)
    if field.kind == "seed" and form.flag("again"):
        usual = ""
    as_it_is = (("", f"As in the file: {str(field.value)[:80]}"),) if field.kind == "model" else ()
    return FieldView(
        field, name, usual, str(errors[field.name]) if field.name in errors else None, (*as_it_is, *models)
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _words(runnable: Runnable, form: Entered) -> str:
    return " ".join(
        form.get(f"{VALUE}{field.name}") for field in runnable.fields if field.kind == "text"
    ).strip()


async def _offers(request: Request, visitor: Actor, type: str) -> tuple[tuple[str, str], ...]:
    """The models of a type that are used most, to choose from."""
    types = ("LORA", "LoCon", "DoRA") if type == "LORA" else (type,)
    found = await reading.models(
        state_of(request).reads,
        visitor,
        Filters(types=types, mask=visitor.mask),
        sort=Sort.MOST_DOWNLOADED,
        limit=OFFERED,
    )
    return tuple(
        (str(version["id"]), f"{document['name']} ({version['name']}) · {version['baseModel']}")
        for document in found.objects("")
        for version in document["modelVersions"][:3]
    )
