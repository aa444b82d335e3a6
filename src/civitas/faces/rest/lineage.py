"""Where versions come from, over the API: the graph, the recipe, comparing two versions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.encoders import jsonable_encoder

from civitas.domains.catalog import ancestry, comparing, lineage, queries
from civitas.domains.catalog.forms import LineageForm
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import camel_keys
from civitas.faces.rest.writing import Writer

router = APIRouter(tags=["Lineage"], dependencies=[CheckedForm])

Id = Annotated[int, Path(ge=1, lt=2**63)]
IdQuery = Annotated[int, Query(ge=1, lt=2**63)]


@router.get("/models/{model_id}/lineage", operation_id="getLineage", summary="Get A Lineage Graph")
async def graph(
    model_id: Id, actor: Viewer, session: Reading, depth: Annotated[int, Query(ge=1, le=12)] = 6
) -> dict[str, Any]:
    """Ancestors and descendants of a model's versions as nodes and edges."""
    return told(await ancestry.graph(session, actor, model_id=model_id, depth=depth))


@router.get("/model-versions/compare", operation_id="compareVersions", summary="Compare Two Versions")
async def compare(left: IdQuery, right: IdQuery, actor: Viewer, session: Reading) -> dict[str, Any]:
    """Two versions side by side: fields, files, tensors and header differences, samples of the same prompt."""
    return told(await comparing.compare(session, actor, left_id=left, right_id=right))


@router.get(
    "/model-versions/{version_id}/lineage",
    operation_id="getVersionOrigins",
    summary="Get A Version's Origins",
)
async def origins(version_id: Id, actor: Viewer, session: Reading) -> dict[str, Any]:
    """Parents, merge recipe and recommended resources of one version."""
    return told(await queries.version_origins(session, actor, version_id=version_id))


@router.put(
    "/model-versions/{version_id}/lineage",
    operation_id="setVersionOrigins",
    summary="Set A Version's Origins",
)
async def describe(version_id: Id, form: LineageForm, actor: Writer, session: Unit) -> dict[str, Any]:
    """Replace the parts that are sent: derivedFrom, merge, recommended."""
    return told(await lineage.describe(session, actor, version_id=version_id, form=form))


def told(value: Any) -> dict[str, Any]:
    """A frozen dataclass as camelCase JSON."""
    return dict(camel_keys(jsonable_encoder(asdict(value))))
