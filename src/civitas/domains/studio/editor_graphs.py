"""Graphs as ComfyUI's editor saves them, made into what its servers run.

The editor keeps the values of a node by their order, not by name. Newer files name them beside the node's inputs; for
others the order is known for ComfyUI's own nodes. A graph with other nodes has to be exported in the API format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from civitas.kit.errors import Invalid

Graph = dict[str, dict[str, Any]]

# What the editor itself adds after a seed, and is no input of the node.
_CONTROL: Final = "*"
_SAMPLER: Final = ("steps", "cfg", "sampler_name", "scheduler")
_SCALE: Final = ("upscale_method", "width", "height", "crop")
WIDGETS: Final[Mapping[str, tuple[str, ...]]] = {
    "CheckpointLoaderSimple": ("ckpt_name",),
    "CLIPLoader": ("clip_name", "type"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "CLIPTextEncode": ("text",),
    "ConditioningAverage": ("conditioning_to_strength",),
    "ConditioningCombine": (),
    "ConditioningSetArea": ("width", "height", "x", "y", "strength"),
    "ControlNetApply": ("strength",),
    "ControlNetApplyAdvanced": ("strength", "start_percent", "end_percent"),
    "ControlNetLoader": ("control_net_name",),
    "EmptyImage": ("width", "height", "batch_size", "color"),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "FluxGuidance": ("guidance",),
    "ImageInvert": (),
    "ImageScale": _SCALE,
    "ImageScaleBy": ("upscale_method", "scale_by"),
    "ImageUpscaleWithModel": (),
    "KSampler": ("seed", _CONTROL, *_SAMPLER, "denoise"),
    "KSamplerAdvanced": (
        "add_noise", "noise_seed", _CONTROL, *_SAMPLER, "start_at_step", "end_at_step", "return_with_leftover_noise",
    ),
    "LatentUpscale": _SCALE,
    "LatentUpscaleBy": ("upscale_method", "scale_by"),
    "LoadImage": ("image", _CONTROL),
    "LoadImageMask": ("image", "channel", _CONTROL),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "ModelSamplingFlux": ("max_shift", "base_shift", "width", "height"),
    "ModelSamplingSD3": ("shift",),
    "PreviewImage": (),
    "SaveImage": ("filename_prefix",),
    "SetLatentNoiseMask": (),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "UpscaleModelLoader": ("model_name",),
    "VAEDecode": (),
    "VAEDecodeTiled": ("tile_size",),
    "VAEEncode": (),
    "VAEEncodeForInpaint": ("grow_mask_by",),
    "VAELoader": ("vae_name",),
}  # fmt: skip
_NOTES: Final = frozenset({"Note", "MarkdownNote"})
_NEVER, _BYPASSED = 2, 4


def to_api(saved: Mapping[str, Any]) -> Graph:
    """The graph in the API format. Raises Invalid (`editor_graph`) naming what cannot be translated."""
    nodes = {
        str(node.get("id")): node
        for node in _list(saved.get("nodes"))
        if isinstance(node, Mapping) and node.get("type") not in _NOTES and node.get("mode") != _NEVER
    }
    links = _links(_list(saved.get("links")))
    graph: Graph = {}
    for number, node in nodes.items():
        kind = str(node.get("type"))
        if node.get("mode") == _BYPASSED:
            raise _refused(f"the node {kind} is bypassed")
        if kind == "Reroute":
            continue
        graph[number] = {
            "class_type": kind,
            "inputs": {**_values(kind, node), **_wired(node, nodes, links)},
            "_meta": {"title": str(node.get("title") or kind)[:120]},
        }
    if not graph:
        raise _refused("it has no nodes")
    return graph


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _links(given: Sequence[Any]) -> dict[str | None, tuple[str, int]]:
    """Where each link comes from: a node and which of its outputs."""
    found: dict[str | None, tuple[str, int]] = {}
    for link in given:
        if isinstance(link, Mapping):
            link = [link.get("id"), link.get("origin_id"), link.get("origin_slot")]
        if isinstance(link, list) and len(link) >= 3 and isinstance(link[2], int):
            found[_number(link[0])] = (str(link[1]), link[2])
    return found


def _wired(
    node: Mapping[str, Any], nodes: Mapping[str, Any], links: Mapping[str | None, tuple[str, int]]
) -> dict[str, Any]:
    wired = {}
    for given in _inputs(node):
        source = links.get(_number(given.get("link")))
        # Reroutes only lead on.
        for _ in range(50):
            through = nodes.get(source[0]) if source else None
            if through is None or through.get("type") != "Reroute":
                break
            source = next(
                (links[at] for one in _inputs(through) if (at := _number(one.get("link"))) in links), None
            )
        if source is not None and source[0] in nodes:
            wired[str(given.get("name"))] = [source[0], source[1]]
    return wired


def _inputs(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in _list(node.get("inputs")) if isinstance(one, Mapping)]


def _number(value: Any) -> str | None:
    """The number of a link; None for no link."""
    return str(value) if isinstance(value, int | str) else None


def _values(kind: str, node: Mapping[str, Any]) -> dict[str, Any]:
    values = node.get("widgets_values")
    if isinstance(values, Mapping):
        return dict(values)
    values = _list(values)
    names = WIDGETS.get(kind)
    if names is None:
        named = [
            str(one["widget"].get("name")) for one in _inputs(node) if isinstance(one.get("widget"), Mapping)
        ]
        if len(named) != len(values):
            raise _refused(f"the order of the values of {kind[:80]} is not known here")
        names = tuple(named)
    pairs = zip(names, values, strict=False)
    return {name: value for name, value in pairs if name != _CONTROL}


def _refused(why: str) -> Invalid:
    return Invalid(
        f"This workflow was saved by ComfyUI's editor, and {why}; its creator can export it in the API format.",
        code="editor_graph",
    )
