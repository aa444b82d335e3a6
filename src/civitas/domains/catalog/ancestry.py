"""The graph around a model: where its versions come from and what was made from them, for pages and the API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import policy
from civitas.domains.catalog.tables import Model, ModelVersion, VersionParent, VersionPreview
from civitas.domains.catalog.types import Status
from civitas.kit.errors import NotFound

MAX_DEPTH = 12
MAX_EDGES = 400


@dataclass(frozen=True, slots=True)
class Node:
    """One version in the graph.

    `kind`: version, tombstone (deleted; name only), external (by AIR), hidden (there, but not for this viewer).
    `depth` is negative for ancestors, positive for descendants, 0 for the model's own versions.
    """

    key: str
    kind: str
    depth: int
    version_id: int | None = None
    version_name: str | None = None
    model_id: int | None = None
    model_name: str | None = None
    model_type: str | None = None
    base_model: str | None = None
    username: str | None = None
    air: str | None = None
    image_key: str | None = None
    image_name: str | None = None
    image_level: int = 0


@dataclass(frozen=True, slots=True)
class Edge:
    """`source` is the parent's key, `target` the child's."""

    source: str
    target: str
    relation: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """`truncated` when depth or number of edges ended the search before the lineage did."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    roots: tuple[str, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class _Link:
    child: int
    parent: int | None
    air: str | None
    relation: str
    note: str | None
    depth: int


async def graph(
    session: AsyncSession, actor: Actor, *, model_id: int, depth: int = 6, limit: int = MAX_EDGES
) -> Graph:
    """Ancestors and descendants of all versions of a model that the actor may see, at most `depth` steps away.

    Descendants that the actor may not see are left out; such ancestors stay as nameless nodes, so that the line
    does not break. Six statements. Raises NotFound.
    """
    depth, limit = max(1, min(depth, MAX_DEPTH)), max(1, min(limit, MAX_EDGES))
    seen = await session.scalar(select(Model.id).where(Model.id == model_id, policy.visible_to(actor)))
    if seen is None:
        raise NotFound("This model was not found.", code="model_not_found")
    found = await session.scalars(
        select(ModelVersion.id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(ModelVersion.model_id == model_id, policy.versions_visible_to(actor))
        .order_by(ModelVersion.position, ModelVersion.id)
        .limit(limit)
    )
    roots = found.all()
    up = await _links(session, roots, depth, limit, upward=True)
    down = await _links(session, roots, depth, limit, upward=False)
    truncated = len(up) > limit or len(down) > limit or any(link.depth > depth for link in (*up, *down))
    up = [link for link in up[:limit] if link.depth <= depth]
    down = [link for link in down[:limit] if link.depth <= depth]
    places = _places(roots, up, down)
    known = await _nodes(session, actor, places)
    links = list(dict.fromkeys(_plain(link) for link in (*up, *down)))
    made, edges = _assemble(links, places, known, set(roots))
    return Graph(made, edges, tuple(f"v{root}" for root in roots if root in known), truncated)


async def _links(
    session: AsyncSession, roots: Sequence[int], depth: int, limit: int, *, upward: bool
) -> list[_Link]:
    """Links from the roots on; one step and one link more than asked for, which tell that there is more."""
    link = VersionParent
    here = link.version_id if upward else link.parent_id
    columns = (link.version_id, link.parent_id, link.air, link.relation, link.note)
    walk = select(*columns, literal(1).label("depth")).where(here.in_(roots)).cte("walk", recursive=True)
    reached = walk.c.parent_id if upward else walk.c.version_id
    # UNION, not UNION ALL: a link is followed once for each depth, whatever the number of ways to it.
    walk = walk.union(select(*columns, walk.c.depth + 1).where(here == reached, walk.c.depth <= depth))
    rows = await session.execute(select(walk).order_by(walk.c.depth).limit(limit + 1))
    return [_Link(*row) for row in rows]


def _plain(link: _Link) -> _Link:
    return _Link(link.child, link.parent, link.air, link.relation, link.note, 0)


def _places(roots: Sequence[int], up: Sequence[_Link], down: Sequence[_Link]) -> dict[int, int]:
    """How far each version is from the roots: the shortest way counts."""
    places = dict.fromkeys(roots, 0)
    for link in sorted(up, key=lambda one: one.depth):
        if link.parent is not None:
            places.setdefault(link.parent, -link.depth)
    for link in sorted(down, key=lambda one: one.depth):
        places.setdefault(link.child, link.depth)
    return places


async def _nodes(session: AsyncSession, actor: Actor, places: dict[int, int]) -> dict[int, Node]:
    first = (
        select(VersionPreview.key, VersionPreview.name, VersionPreview.nsfw_level)
        .where(
            VersionPreview.version_id == ModelVersion.id,
            VersionPreview.nsfw_level.op("&")(actor.mask) != 0,
        )
        .order_by(VersionPreview.position, VersionPreview.image_id)
        .limit(1)
        .lateral()
    )
    rows = await session.execute(
        select(
            ModelVersion.id,
            ModelVersion.name,
            ModelVersion.status,
            ModelVersion.base_model,
            Model.id,
            Model.name,
            Model.type,
            Model.status,
            (Model.published_at.is_not(None) & ModelVersion.published_at.is_not(None)),
            Person.username,
            first.c.key,
            first.c.name,
            first.c.nsfw_level,
            policy.versions_visible_to(actor),
        )
        .join(Model, Model.id == ModelVersion.model_id)
        .join(Person, Person.id == Model.person_id)
        .outerjoin(first, literal(True))
        .where(ModelVersion.id.in_(places))
    )
    return {row[0]: _node(row, places[row[0]]) for row in rows}


def _node(row: Any, depth: int) -> Node:
    version_id, version_name, status, base_model, model_id, model_name, type_, model_status = row[:8]
    was_public, username, image_key, image_name, image_level, visible = row[8:]
    key = f"v{version_id}"
    gone = Status.DELETED in (status, model_status)
    if gone and was_public:
        return Node(
            key, "tombstone", depth, version_id, version_name, model_id, model_name, type_, base_model
        )
    if not visible:
        return Node(key, "hidden", depth)
    return Node(
        key, "version", depth, version_id, version_name, model_id, model_name, type_, base_model, username,
        None, image_key, image_name, image_level or 0,
    )  # fmt: skip


def _assemble(
    links: Sequence[_Link], places: dict[int, int], known: dict[int, Node], roots: set[int]
) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    shown = {
        version_id: node
        for version_id, node in known.items()
        if node.kind != "hidden" or (places[version_id] < 0 and version_id not in roots)
    }
    # A hidden version's number says nothing to this viewer and is not told.
    names = {
        version_id: f"h{place}" if node.kind == "hidden" else node.key
        for place, (version_id, node) in enumerate(shown.items())
    }
    outside: dict[str, Node] = {}
    edges: list[Edge] = []
    for link in links:
        if link.child not in shown:
            continue
        if link.parent is not None and link.parent in shown:
            edges.append(Edge(names[link.parent], names[link.child], link.relation, link.note))
        elif link.air is not None and shown[link.child].kind != "hidden":
            outside.setdefault(
                link.air, Node(f"x{len(outside)}", "external", min(places[link.child], 0) - 1, air=link.air)
            )
            edges.append(Edge(outside[link.air].key, names[link.child], link.relation, link.note))
    inside = [
        Node(names[version_id], "hidden", node.depth) if node.kind == "hidden" else node
        for version_id, node in shown.items()
    ]
    inside.sort(key=lambda node: (node.depth, node.key))
    return (*inside, *outside.values()), tuple(edges)
