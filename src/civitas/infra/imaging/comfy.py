"""The main generation fields of a ComfyUI API graph (`prompt`), read by walking back from its sampler. Pure, bounded.

A graph is `{node id: {"class_type": ..., "inputs": {name: value or [node id, output]}}}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

_MAX_NODES: Final = 5_000
_MAX_WALK: Final = 400
_SCALARS: Final = {
    "seed": ("seed", "noise_seed"),
    "steps": ("steps",),
    "cfgScale": ("cfg", "guidance"),
    "sampler": ("sampler_name",),
    "scheduler": ("scheduler",),
    "denoise": ("denoise",),
}
_FROM: Final = {
    "seed": ("noise",),
    "steps": ("sigmas",),
    "cfgScale": ("guider",),
    "sampler": ("sampler",),
    "scheduler": ("sigmas",),
    "denoise": ("sigmas",),
}
_PRIMITIVES: Final = ("value", "int", "float", "number", "Number", "text", "string")
_TEXTS: Final = ("text", "text_g", "t5xxl", "prompt", "string", "value", "text_l")


def is_graph(value: Any) -> bool:
    """Whether it is an API graph: at least one node with a `class_type`."""
    return isinstance(value, Mapping) and any(
        isinstance(node, Mapping) and isinstance(node.get("class_type"), str) for node in value.values()
    )


def fields_of(graph: Mapping[str, Any]) -> dict[str, Any]:
    """Civitai `meta` fields of the sampler with the most steps; `{}` when there is none. Never raises."""
    nodes = {
        str(key): node
        for key, node in list(graph.items())[:_MAX_NODES]
        if isinstance(node, Mapping)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), Mapping)
    }
    samplers = [node for node in nodes.values() if _is_sampler(node)][:50]
    found = [_sampler_fields(nodes, node) for node in samplers]
    return max(found, key=lambda fields: float(fields.get("steps", 0)), default={})


# Which widget of a node of the editor's graph is which input, in their order; None for what is not read.
_WIDGETS: Final[Mapping[str, tuple[str | None, ...]]] = {
    "KSampler": ("seed", None, "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": (None, "noise_seed", None, "steps", "cfg", "sampler_name", "scheduler"),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeFlux": ("text", "t5xxl", "guidance"),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "RandomNoise": ("noise_seed",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KSamplerSelect": ("sampler_name",),
    "FluxGuidance": ("guidance",),
    "CFGGuider": ("cfg",),
}
_AIR: Final = re.compile(r"^(?:urn:)?(?:air:)?[\w.-]{1,40}:([\w-]{1,30}):civitai:\d{1,18}@(\d{1,18})")


def from_workflow(workflow: Mapping[str, Any]) -> dict[str, Any]:
    """The graph of the editor (`nodes`, `links`) as an API graph, as far as its nodes are known; `{}` when it is none."""
    nodes, links = workflow.get("nodes"), workflow.get("links")
    if not isinstance(nodes, list) or not isinstance(links, list):
        return {}
    sources = {
        link[0]: [str(link[1]), link[2]] for link in links[:_MAX_NODES] if isinstance(link, list) and len(link) >= 5
        and isinstance(link[0], int | str)
    }  # fmt: skip
    graph: dict[str, Any] = {}
    for node in nodes[:_MAX_NODES]:
        if not isinstance(node, Mapping) or not isinstance(node.get("type"), str):
            continue
        inputs: dict[str, Any] = {}
        values = node.get("widgets_values")
        if isinstance(values, list):
            named = zip(_WIDGETS.get(node["type"], ()), values, strict=False)
            inputs = {name: value for name, value in named if name is not None}
        elif isinstance(values, Mapping):
            inputs = {str(name): value for name, value in list(values.items())[:100]}
        for slot in (node.get("inputs") or [])[:100] if isinstance(node.get("inputs"), list) else ():
            if (
                isinstance(slot, Mapping)
                and isinstance(slot.get("link"), int | str)
                and slot["link"] in sources
            ):
                inputs[str(slot.get("name"))] = sources[slot["link"]]
        graph[str(node.get("id"))] = {"class_type": node["type"], "inputs": inputs}
    return graph


def named_by_air(workflow: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Civitai resources that a workflow names in `extra.airs`."""
    extra = workflow.get("extra")
    airs = extra.get("airs") if isinstance(extra, Mapping) else None
    found = []
    for air in airs[:100] if isinstance(airs, list) else ():
        match = _AIR.match(air) if isinstance(air, str) else None
        if match:
            found.append({"type": match[1], "modelVersionId": int(match[2])})
    return found


def _is_sampler(node: Mapping[str, Any]) -> bool:
    kind, inputs = node["class_type"], node["inputs"]
    return ("positive" in inputs and ("steps" in inputs or "KSampler" in kind)) or kind.startswith(
        "SamplerCustom"
    )


def _sampler_fields(nodes: Mapping[str, Mapping[str, Any]], sampler: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for field, names in _SCALARS.items():
        words = field in ("sampler", "scheduler")
        near = [sampler, *_back(nodes, sampler, _FROM[field])]
        value = next(
            (v for node in near for v in _scalars(nodes, node, names) if isinstance(v, str) == words), None
        )
        if value is not None:
            fields[field] = int(value) if field in ("seed", "steps") else value
    for field, roads in (("prompt", ("positive", "conditioning")), ("negativePrompt", ("negative",))):
        start = (
            sampler if roads[0] in sampler["inputs"] else next(_back(nodes, sampler, ("guider",)), sampler)
        )
        text = next((t for node in _back(nodes, start, roads) for t in _texts(node)), "")
        if text:
            fields[field] = text
    fields.update(_models(nodes, sampler))
    fields.update(_size(nodes, sampler))
    return fields


def _size(nodes: Mapping[str, Mapping[str, Any]], sampler: Mapping[str, Any]) -> dict[str, Any]:
    for node in _back(nodes, sampler, ("latent_image",)):
        width, height = node["inputs"].get("width"), node["inputs"].get("height")
        if isinstance(width, int) and isinstance(height, int) and "Latent" in node["class_type"]:
            return {"width": width, "height": height, "Size": f"{width}x{height}"}
    return {}


def _models(nodes: Mapping[str, Mapping[str, Any]], sampler: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    resources: list[dict[str, Any]] = []
    for node in _back(nodes, sampler, ("model", "guider")):
        inputs = node["inputs"]
        name = inputs.get("ckpt_name") or inputs.get("unet_name")
        if isinstance(name, str) and "Model" not in fields:
            fields["Model"] = _stem(name)
            resources.append({"type": "model", "name": _stem(name)})
        name = inputs.get("lora_name")
        if isinstance(name, str):
            weight = inputs.get("strength_model", 1)
            resources.append(
                {"type": "lora", "name": _stem(name), "weight": weight if _is_number(weight) else 1}
            )
    return fields | ({"resources": resources[:100]} if resources else {})


def _back(
    nodes: Mapping[str, Mapping[str, Any]], start: Mapping[str, Any], roads: Iterable[str]
) -> Iterator[Mapping[str, Any]]:
    """Nodes behind `start` by the inputs `roads`, then by any input, nearest first, each once."""
    first = [node for road in roads if (node := _linked(nodes, start["inputs"].get(road)))]
    queue, seen = first, {id(start)}
    for node in queue:
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if len(queue) < _MAX_WALK:
            links = (_linked(nodes, value) for value in list(node["inputs"].values())[:50])
            queue.extend(link for link in links if link)


def _linked(nodes: Mapping[str, Mapping[str, Any]], value: Any) -> Mapping[str, Any] | None:
    return nodes.get(str(value[0])) if isinstance(value, list) and len(value) == 2 else None


def _scalars(
    nodes: Mapping[str, Mapping[str, Any]], node: Mapping[str, Any], names: Iterable[str]
) -> Iterator[str | int | float]:
    for name in names:
        value = node["inputs"].get(name)
        source = _linked(nodes, value)
        candidates = [value] if source is None else [source["inputs"].get(n) for n in (*names, *_PRIMITIVES)]
        yield from (v for v in candidates if isinstance(v, str) or _is_number(v))


def _texts(node: Mapping[str, Any]) -> Iterator[str]:
    values = (node["inputs"].get(name) for name in _TEXTS)
    yield from (value.strip() for value in values if isinstance(value, str) and value.strip())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _stem(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    return path.name.removesuffix(path.suffix) if len(path.suffix) > 3 else path.name
