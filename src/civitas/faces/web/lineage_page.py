"""`/models/{id}/lineage`: the graph of a model's ancestors and descendants, whole or as a piece of its page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.catalog import ancestry
from civitas.domains.catalog.ancestry import Graph, Node
from civitas.domains.catalog.showing import Shot
from civitas.faces.http.state import state_of
from civitas.faces.web import pictures
from civitas.faces.web.cards import model_href
from civitas.faces.web.model_page import ModelId
from civitas.faces.web.model_view import RELATIONS
from civitas.faces.web.pictures import Eyes
from civitas.faces.web.props import LineageNode, Picture
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Visitor

router = APIRouter(include_in_schema=False)

NEAR: Final = 2
FAR: Final = 8
_THUMB: Final = 112


@dataclass(frozen=True, slots=True)
class LineageView:
    """The context of the lineage's template. `parents` and `children` count versions besides the model's own."""

    model_id: int
    name: str
    href: str
    nodes: tuple[LineageNode, ...]
    ancestors: int
    descendants: int
    truncated: bool


@router.get("/models/{model_id:int}/lineage")
async def show(request: Request, actor: Visitor, model_id: ModelId) -> Response:
    """The whole graph; for the model's page, its nearest part."""
    near = request.headers.get("hx-request") == "true"
    async with state_of(request).database.reading() as session:
        graph = await ancestry.graph(session, actor, model_id=model_id, depth=NEAR if near else FAR)
    nodes = nodes_of(graph, model_id, eyes_of(actor))
    name = next((node.model_name for node in graph.nodes if node.model_id == model_id), None) or "This model"
    context = LineageView(
        model_id=model_id,
        name=name,
        href=model_href(model_id, name),
        nodes=nodes,
        ancestors=sum(1 for node in graph.nodes if node.depth < 0),
        descendants=sum(1 for node in graph.nodes if node.depth > 0),
        truncated=graph.truncated,
    )
    return render(request, "model/lineage.html", context, block="lineage_graph")


def nodes_of(graph: Graph, model_id: int, eyes: Eyes) -> tuple[LineageNode, ...]:
    """The graph's nodes as the component draws them, a generation further right than any of their parents."""
    related = {node.key for node in graph.nodes} - set(graph.roots)
    linked = {edge.source for edge in graph.edges} | {edge.target for edge in graph.edges}
    # Versions of the model that nothing ties to anything would only stand about, unless there is nothing else.
    shown = [node for node in graph.nodes if node.key in linked or not related]
    parents: dict[str, list[tuple[str, str]]] = {}
    for edge in graph.edges:
        parents.setdefault(edge.target, []).append((edge.source, RELATIONS.get(edge.relation, "Made from")))
    names = {node.key: _name(node) for node in shown}
    columns = _generations([node.key for node in shown], parents)
    made = [
        LineageNode(
            key=node.key,
            name=names[node.key],
            version=_version(node),
            href=model_href(node.model_id, node.model_name or "", node.version_id)
            if node.kind == "version" and node.model_id is not None
            else None,
            type=node.model_type or "Other",
            generation=columns[node.key],
            relation=parents[node.key][0][1] if node.key in parents else None,
            parents=tuple(
                (key, f"{names[key]} ({relation.lower()})")
                for key, relation in parents.get(node.key, ())
                if key in names
            ),
            picture=_picture(node, eyes),
            current=node.model_id == model_id,
        )
        for node in shown
    ]
    return tuple(sorted(made, key=lambda node: node.generation))


def _generations(keys: list[str], parents: Mapping[str, list[tuple[str, str]]]) -> dict[str, int]:
    """The longest way from a node without parents; the catalogue lets no circle in, and none is followed twice."""
    columns: dict[str, int] = {}

    def column(key: str, above: frozenset[str]) -> int:
        if key not in columns:
            ways = [
                column(parent, above | {key}) + 1 for parent, _ in parents.get(key, ()) if parent not in above
            ]
            columns[key] = max(ways, default=0)
        return columns[key]

    for key in keys:
        column(key, frozenset())
    return columns


def _name(node: Node) -> str:
    match node.kind:
        case "hidden":
            return "Not public"
        case "external":
            return "Elsewhere"
        case _:
            return node.model_name or "Unnamed"


def _version(node: Node) -> str:
    match node.kind:
        case "hidden":
            return "A version you cannot see"
        case "external":
            return node.air or ""
        case "tombstone":
            return f"{node.version_name} · deleted"
        case _:
            return f"{node.version_name}{f' by {node.username}' if node.username else ''}"


def _picture(node: Node, eyes: Eyes) -> Picture | None:
    """A thumbnail; none where it would have to be blurred, for there is no room to reveal it."""
    if node.image_key is None or eyes.blurs(node.image_level):
        return None
    shot = Shot(node.image_key, node.image_name or "image", _THUMB, _THUMB, None, node.image_level)
    return pictures.of_shot(shot, eyes)
