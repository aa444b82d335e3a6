"""Graphs that people bring: made into what a server takes, with models and media in the places where they are named."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from civitas.contracts.wire.jobs import Job
from civitas.engines.agent.engine import Desk, JobFailed, JobRejected
from civitas.engines.comfy.models import Placed
from civitas.engines.comfy.server import Graph

MOST_NODES: Final = 2_000
_AIR: Final = "urn:air:"
_NODEPACK: Final = ":nodepack"
_SEEDS: Final = ("seed", "noise_seed")
_MOST_SEED: Final = 2**64


def graph_of(job: Job, desk: Desk, placed: Mapping[str, Placed], *, images: Collection[str] = ()) -> Graph:
    """The graph of a `comfy` or `customComfy` job; media are still `media:N`. `images` are those that the servers are.

    Raises JobFailed for what is no graph, JobRejected for wishes that servers with fixed nodes cannot grant.
    """
    given = job.input
    if job.step_type == "customComfy":
        _wishes(given, desk, placed, images)
        graph = _normal(given.get("workflow"))
    else:
        graph = _normal(given.get("comfyWorkflow"))
    turn = given.get("turn")
    by = _names(placed)
    for node in graph.values():
        node["inputs"] = _filled(node["inputs"], by)
        if isinstance(turn, int) and turn > 0:
            _reseed(node["inputs"], turn)
    return graph


def _bare(air: object) -> str:
    """An AIR as it is compared: it may be written without its beginning."""
    return str(air).strip().lower().removeprefix("urn:").removeprefix("air:")


def _wishes(
    given: Mapping[str, Any], desk: Desk, placed: Mapping[str, Placed], images: Collection[str]
) -> None:
    """What the caller wants of the server itself."""
    if (image := given.get("comfyImage")) and _bare(image) not in {_bare(one) for one in images}:
        raise JobRejected("This agent runs the ComfyUI that it has and no images of others.")
    for air in given.get("resources") or []:
        # Packs of nodes are there when their nodes are, which is looked at by class.
        if isinstance(air, str) and air not in placed and _NODEPACK not in air:
            raise JobRejected(f"This agent has no file for {air:.200}.")
    if given.get("useSageAttention"):
        desk.warn("Sage attention is the server's own choice here; the wish for it changed nothing.")
    if given.get("sessionOwnerApiToken"):
        desk.warn("The API token was not given to the server: other people's graphs run there, too.")
    if given.get("trace") not in (None, "none"):
        desk.warn("What the server said while at work was not recorded.")


def _normal(given: Any) -> Graph:
    """Both ways of writing a node become ComfyUI's own. Raises JobFailed."""
    if isinstance(given, dict) and isinstance(given.get("prompt"), dict):
        given = given["prompt"]
    if isinstance(given, dict) and isinstance(given.get("nodes"), list):
        raise JobFailed("This graph is in the format of ComfyUI's editor; export it in the API format.")
    if not isinstance(given, dict) or not given:
        raise JobFailed("The job has no graph.")
    if len(given) > MOST_NODES:
        raise JobFailed(f"The graph has {len(given)} nodes; at most {MOST_NODES} are run.")
    graph: Graph = {}
    for number, node in given.items():
        kind = (node.get("class_type") or node.get("classType")) if isinstance(node, dict) else None
        if not isinstance(kind, str):
            raise JobFailed(f"Node {number!s:.40} of the graph does not say what it is (`class_type`).")
        inputs = node.get("inputs") or {}
        if not isinstance(inputs, dict):
            raise JobFailed(f"The inputs of node {number!s:.40} are no object.")
        meta = node.get("_meta") or node.get("meta")
        graph[str(number)] = {
            "class_type": kind,
            "inputs": {name: _link(value, given) for name, value in inputs.items()},
            "_meta": meta if isinstance(meta, dict) else {},
        }
    return graph


def _link(value: Any, graph: Mapping[str, Any]) -> Any:
    """Existing clients write the number of a node as a number; ComfyUI wants its name."""
    match value:
        case [int() as node, int() as output] if str(node) in graph and not isinstance(node, bool):
            return [str(node), output]
    return value


def _names(placed: Mapping[str, Placed]) -> dict[str, Placed]:
    """Models by their AIRs and, for graphs that name them so, by their files."""
    return {one.link.filename: one for one in placed.values()} | dict(placed)


def _filled(value: Any, by: Mapping[str, Placed]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, by) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, by) for inner in value]
    if not isinstance(value, str):
        return value
    if value in by:
        return by[value].name
    if _AIR in value:
        # In prompts: `embedding:urn:air:...`. The longest first, as one AIR may begin like another.
        for air in sorted(by, key=len, reverse=True):
            if air.startswith(_AIR):
                value = value.replace(f"embedding:{air}", by[air].word)
    if f"embedding:{_AIR}" in value:
        raise JobFailed(f"The job does not come with an embedding of its prompt: {value:.200}")
    if value.startswith(_AIR):
        raise JobRejected(f"This agent has no file for {value:.200}.")
    return value


def _reseed(inputs: dict[str, Any], turn: int) -> None:
    """Runs of one graph differ by their seeds; those that other nodes give stay."""
    for name in _SEEDS:
        seed = inputs.get(name)
        if isinstance(seed, int) and not isinstance(seed, bool):
            inputs[name] = (seed + turn) % _MOST_SEED
