"""Running a ComfyUI workflow of the catalogue: read from its file, filled in, judged, priced, submitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import SAFE_MASK, Actor, Scope
from civitas.domains.catalog import downloads
from civitas.domains.catalog.downloads import Wanted
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.orchestration import charging, estimating, submitting
from civitas.domains.orchestration.shown import Estimate
from civitas.domains.orchestration.templates import StepTemplate, Template
from civitas.domains.studio import blocking, graphs, rating, stacking
from civitas.domains.studio.editor_graphs import Graph
from civitas.domains.studio.generations import TAG, Started
from civitas.domains.studio.graphs import Field
from civitas.infra.db.readpool import ReadPool
from civitas.kit.errors import Invalid, NotFound

STEP: Final = "comfy"
MARK: Final = "comfy"


@dataclass(frozen=True, slots=True)
class Runnable:
    """A workflow of the catalogue with what can be filled in."""

    version_id: int
    model_id: int
    name: str
    version: str
    graph: Graph
    fields: Sequence[Field]


@dataclass(frozen=True, slots=True)
class Run:
    """What somebody filled in: values by the names of fields, and versions of the catalogue for fields that name models."""

    values: Mapping[str, Any]
    models: Mapping[str, int]
    allow_mature: bool = False


@dataclass(frozen=True, slots=True)
class Located:
    """Where the file of a workflow lies; its bytes are read outside of any transaction."""

    version_id: int
    model_id: int
    name: str
    version: str
    storage_key: str
    size: int


async def locate(session: AsyncSession, reads: ReadPool, actor: Actor, *, version_id: int) -> Located:
    """The workflow of a version, when the actor may download it.

    Raises NotFound (`version_not_found`, `no_workflow`), what downloading raises, Invalid (`no_graph`).
    """
    row = (
        await session.execute(
            select(Model.id, Model.name, Model.type, ModelVersion.name.label("version"))
            .join(ModelVersion, ModelVersion.model_id == Model.id)
            .where(ModelVersion.id == version_id)
        )
    ).first()
    offered = await downloads.offer(reads, actor, version_id, Wanted())
    if row is None or row.type not in graphs.TYPES:
        raise NotFound("This is no workflow that could be run.", code="no_workflow")
    if offered.file.size > graphs.LARGEST:
        raise Invalid("This workflow cannot be run here: it is too large.", code="no_graph")
    return Located(version_id, row.id, row.name, row.version, offered.storage_key, offered.file.size)


def runnable(located: Located, data: bytes) -> Runnable:
    """The workflow in the bytes of its file. Raises Invalid (`no_graph`, `editor_graph`)."""
    graph = graphs.read(data)
    return Runnable(
        located.version_id, located.model_id, located.name, located.version, graph, graphs.fields(graph)
    )


async def estimate(session: AsyncSession, actor: Actor, runnable: Runnable, run: Run) -> Estimate:
    """What it would cost as filled in, and whether a machine is connected that can run it. Raises as `template`.

    Pictures need not be chosen for it.
    """
    missing = {field.name: "picture" for field in runnable.fields if field.kind == "picture"}
    run = replace(run, values={**missing, **run.values})
    return await estimating.estimate(session, actor, await template(session, actor, runnable, run))


async def start(session: AsyncSession, actor: Actor, runnable: Runnable, run: Run) -> Started:
    """Submit it; its results come into the feed. Raises as `template`, and as `submitting.submit` does."""
    made = await template(session, actor, runnable, run)
    return Started(await submitting.submit(session, actor, made), ())


async def template(session: AsyncSession, actor: Actor, runnable: Runnable, run: Run) -> Template:
    """The workflow that is submitted.

    Raises Unauthorised, Forbidden (`generation_restricted`), Invalid (`bad_fields`), PromptBlocked, which the caller counts.
    """
    actor.require(Scope.AI_SERVICES_WRITE)
    await blocking.may_generate(session, actor)
    airs, safe_only = await _airs(session, actor, runnable, run.models)
    graph = graphs.filled(runnable.graph, run.values, models=airs)
    input = {"comfyWorkflow": graph, "quantity": 1}
    texts = rating.texts_of(STEP, input)
    for text in texts:
        audit = await blocking.look(session, actor, prompt=text)
        safe_only |= blocking.admit(audit, acknowledged=True).safe_only
    mature = run.allow_mature and not safe_only and actor.domain == "main" and bool(actor.mask & ~SAFE_MASK)
    kept = {name: value for name, value in run.values.items() if len(str(value)) <= graphs.LONGEST_TEXT}
    recipe = {
        "workflow": MARK,
        "prompt": texts[0] if texts else runnable.name,
        "graph": runnable.version_id,
        "values": kept,
        "models": dict(run.models),
    }
    return Template(
        steps=(StepTemplate(STEP, input),),
        tags=(TAG, "img", MARK),
        notes={"recipe": recipe},
        tips=charging.usual_tips(),
        allow_mature=mature if run.allow_mature or safe_only else None,
    )


async def _airs(
    session: AsyncSession, actor: Actor, runnable: Runnable, models: Mapping[str, int]
) -> tuple[dict[str, str], bool]:
    """The AIR for each chosen model, and whether one of them makes safe things only. Raises Invalid (`bad_fields`)."""
    known = await stacking.usable(session, actor, list(models.values()))
    by = {field.name: field for field in runnable.fields}
    wrong: dict[str, str] = {}
    airs: dict[str, str] = {}
    for name, version in models.items():
        found, field = known.get(version), by.get(name)
        if field is None or field.kind != "model":
            wrong[name] = "The workflow has no such model."
        elif found is None:
            wrong[name] = "This version is not here, or is not public."
        elif found.problem is not None:
            wrong[name] = f"{found.label} {found.problem}."
        elif found.type != field.model_type and not (
            field.model_type == "LORA" and found.type in ("LoCon", "DoRA")
        ):
            wrong[name] = f"{found.label} is a {found.type}."
        else:
            airs[name] = found.air
    if wrong:
        raise Invalid("Please check these models.", code="bad_fields", fields=wrong)
    return airs, any(known[version].safe_only for version in models.values())
