"""ComfyUI workflows of the catalogue over the API: what can be filled in, what it costs, and running them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.studio import blocking, running
from civitas.domains.studio.running import Run, Runnable
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.state import state_of
from civitas.faces.rest import generations
from civitas.faces.rest.generation_shapes import CostShown, GenerationShown, cost_shown
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer

router = APIRouter(prefix="/studio/graphs", tags=["Studio"], dependencies=[CheckedForm])


class FieldShown(Answer):
    """One input of one node: `text`, `line`, `whole`, `number`, `flag`, `seed`, `picture` (a blob's id) or `model`."""

    name: str
    label: str
    node: str
    kind: str
    value: Any
    model_type: str | None
    first: bool


class GraphShown(Answer):
    """A workflow with what can be filled in."""

    version_id: int
    model_id: int
    name: str
    version: str
    fields: list[FieldShown]


class Filled(Body):
    """Values by the names of fields, and ids of versions for fields that name models; what is left out stays."""

    values: dict[str, str | int | float | bool] = Field(default_factory=dict, max_length=200)
    models: dict[str, int] = Field(default_factory=dict, max_length=40)
    allow_mature: bool = False


@router.get("/{version_id}", operation_id="getGraph", summary="Get What A Workflow Can Be Given")
async def get(request: Request, version_id: int, viewer: Viewer) -> GraphShown:
    """The inputs of a ComfyUI workflow of the catalogue that can be filled in, those that matter most first."""
    return GraphShown.model_validate(await _load(request, viewer, version_id))


@router.post(
    "/{version_id}/estimate", operation_id="estimateGraph", summary="Tell What Running A Workflow Would Cost"
)
async def estimate(request: Request, version_id: int, body: Filled, owner: Owner) -> CostShown:
    """What it would cost as filled in, and whether a machine is connected that can run it."""
    owner.require(Scope.AI_SERVICES_WRITE)
    runnable = await _load(request, owner, version_id)
    async with state_of(request).database.reading() as session:
        found = await running.estimate(session, owner, runnable, _run(body))
    return cost_shown(found, 1, ())


@router.post("/{version_id}/runs", operation_id="runGraph", summary="Run A Workflow", status_code=201)
async def run(request: Request, version_id: int, body: Filled, writer: Writer) -> GenerationShown:
    """Run it as filled in; its results are a generation like any other."""
    writer.require(Scope.AI_SERVICES_WRITE)
    runnable = await _load(request, writer, version_id)
    database = state_of(request).database
    try:
        async with database.unit() as session:
            started = await running.start(session, writer, runnable, _run(body))
    except blocking.PromptBlocked as fault:
        words = " ".join(value for value in body.values.values() if isinstance(value, str))
        async with database.unit() as session:
            counted = await blocking.count(session, writer, findings=fault.findings, prompt=words)
        if counted.warning:
            fault.message = f"{fault.message} {counted.warning}"
        raise
    return await generations.one_shown(request, writer, started.workflow_id)


def _run(body: Filled) -> Run:
    return Run(body.values, body.models, allow_mature=body.allow_mature)


async def _load(request: Request, actor: Actor, version_id: int) -> Runnable:
    state = state_of(request)
    async with state.database.reading() as session:
        located = await running.locate(session, state.reads, actor, version_id=version_id)
    data = await state.store.read_range(located.storage_key, 0, located.size)
    return running.runnable(located, data)
