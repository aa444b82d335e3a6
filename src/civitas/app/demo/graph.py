"""A ComfyUI workflow as ComfyUI's own page saves it."""

from __future__ import annotations

from typing import Any

WIDTH, HEIGHT = 300, 120


def two_pass(*, checkpoint: str) -> dict[str, Any]:
    """A small first pass, a latent upscale, a second pass at low denoise (ComfyUI's UI format, version 0.4)."""
    nodes = [
        _node(1, "CheckpointLoaderSimple", (0, 0), [checkpoint], outputs=("MODEL", "CLIP", "VAE")),
        _node(
            2,
            "CLIPTextEncode",
            (360, 0),
            ["green mountains, wide valley, morning mist"],
            ("clip",),
            ("CONDITIONING",),
        ),
        _node(3, "CLIPTextEncode", (360, 200), ["text, watermark, frame"], ("clip",), ("CONDITIONING",)),
        _node(4, "EmptyLatentImage", (360, 400), [608, 416, 1], outputs=("LATENT",)),
        _node(
            5, "KSampler", (720, 0), [1101, "fixed", 20, 6, "dpmpp_2m", "karras", 1.0], _SAMPLER, ("LATENT",)
        ),
        _node(6, "LatentUpscaleBy", (1080, 0), ["bislerp", 2.0], ("samples",), ("LATENT",)),
        _node(
            7,
            "KSampler",
            (1080, 200),
            [1101, "fixed", 14, 6, "dpmpp_2m", "karras", 0.45],
            _SAMPLER,
            ("LATENT",),
        ),
        _node(8, "VAEDecode", (1440, 0), [], ("samples", "vae"), ("IMAGE",)),
        _node(9, "SaveImage", (1800, 0), ["landscape"], ("images",)),
    ]
    wires = [
        (1, 0, 5, "model"), (1, 0, 7, "model"), (1, 1, 2, "clip"), (1, 1, 3, "clip"), (1, 2, 8, "vae"),
        (2, 0, 5, "positive"), (2, 0, 7, "positive"), (3, 0, 5, "negative"), (3, 0, 7, "negative"),
        (4, 0, 5, "latent_image"), (5, 0, 6, "samples"), (6, 0, 7, "latent_image"), (7, 0, 8, "samples"),
        (8, 0, 9, "images"),
    ]  # fmt: skip
    links = [_wire(nodes, number, *wire) for number, wire in enumerate(wires, 1)]
    return {
        "last_node_id": len(nodes),
        "last_link_id": len(links),
        "nodes": nodes,
        "links": links,
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
    }


_SAMPLER = ("model", "positive", "negative", "latent_image")


def _node(
    number: int,
    kind: str,
    place: tuple[int, int],
    values: list[Any],
    inputs: tuple[str, ...] = (),
    outputs: tuple[str, ...] = (),
) -> dict[str, Any]:
    return {
        "id": number,
        "type": kind,
        "pos": list(place),
        "size": [WIDTH, HEIGHT],
        "flags": {},
        "order": number - 1,
        "mode": 0,
        "inputs": [{"name": name, "type": "", "link": None} for name in inputs],
        "outputs": [{"name": name, "type": name, "links": []} for name in outputs],
        "properties": {"Node name for S&R": kind},
        "widgets_values": values,
    }


def _wire(
    nodes: list[dict[str, Any]], number: int, source: int, slot: int, target: int, name: str
) -> list[Any]:
    output = nodes[source - 1]["outputs"][slot]
    output["links"].append(number)
    for place, entry in enumerate(nodes[target - 1]["inputs"]):
        if entry["name"] == name:
            entry["link"], entry["type"] = number, output["type"]
            return [number, source, slot, target, place, output["type"]]
    raise ValueError(name)
