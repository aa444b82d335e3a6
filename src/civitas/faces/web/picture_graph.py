"""`/images/{id}/graph`: the ComfyUI graph that a picture was made by, drawn, and to be copied at one press."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.gallery import image_recipes
from civitas.faces.http.units import Reading
from civitas.faces.web.graph_drawing import Drawing, draw
from civitas.faces.web.image_viewer import ImageId
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Visitor
from civitas.kit.errors import NotFound

router = APIRouter(include_in_schema=False)

# What a page carries to be copied; larger ones are a file.
MOST_COPIED: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class GraphPage:
    """What the template takes; `text` is None where there is too much of it."""

    image_id: int
    drawing: Drawing | None
    text: str | None


@router.get("/images/{image_id:int}/graph")
async def show(request: Request, visitor: Visitor, session: Reading, image_id: ImageId) -> Response:
    """The graph, for whoever may see the picture and its recipe."""
    found = await image_recipes.one(session, visitor, image_id=image_id)
    comfy = found.workflow or {}
    graph = comfy.get("workflow") or comfy.get("prompt")
    if not graph:
        raise NotFound("This picture has no ComfyUI workflow.", code="workflow_not_found")
    text = orjson.dumps(graph).decode()
    page = GraphPage(image_id, draw(comfy), text if len(text) <= MOST_COPIED else None)
    headers = {"X-Robots-Tag": "noindex"}
    return render(request, "images/graph.html", page, block="recipe_graph", headers=headers)
