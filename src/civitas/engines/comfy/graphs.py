"""The graph of a `textToImage` or `imageGen` job: a checkpoint, what is stacked on it, and a sampler for each picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from civitas.engines.comfy.models import Placed
from civitas.engines.comfy.samplers import Choice
from civitas.engines.comfy.server import Graph

SEEDS: Final = 2**64
# A server's own saving node; its files are taken and told apart by the prefix.
SAVES: Final = "SaveImage"

Link = list[Any]


@dataclass(frozen=True, slots=True)
class Control:
    """A ControlNet, the picture that leads it (as the server names it), its weight, and from where to where it leads."""

    net: Placed
    image: str
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is to be drawn, in ComfyUI's words."""

    checkpoint: Placed
    prompt: str
    seeds: Sequence[int]
    choice: Choice
    negative: str = ""
    width: int = 512
    height: int = 512
    steps: int = 30
    cfg: float = 7.0
    clip_skip: int = 1
    vae: Placed | None = None
    loras: Sequence[tuple[Placed, float]] = field(default=())
    # The picture to begin with, as the server names it, and how much of it may change.
    source: str | None = None
    denoise: float = 1.0
    controls: Sequence[Control] = field(default=())


class _Building:
    def __init__(self) -> None:
        self.graph: Graph = {}

    def add(self, kind: str, title: str, **inputs: Any) -> str:
        number = str(len(self.graph) + 1)
        self.graph[number] = {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}
        return number


def build(drawing: Drawing, prefix: str) -> tuple[Graph, list[str]]:
    """The graph, and the nodes that save, one for each seed and in their order."""
    made = _Building()
    loader = made.add("CheckpointLoaderSimple", "Checkpoint", ckpt_name=drawing.checkpoint.name)
    model, clip, vae = [loader, 0], [loader, 1], [loader, 2]
    if drawing.vae is not None:
        vae = [made.add("VAELoader", "VAE", vae_name=drawing.vae.name), 0]
    model, clip = _stacked(made, drawing, model, clip)
    if drawing.clip_skip > 1:
        skip = made.add("CLIPSetLastLayer", "CLIP skip", clip=clip, stop_at_clip_layer=-drawing.clip_skip)
        clip = [skip, 0]
    positive: Link = [made.add("CLIPTextEncode", "Prompt", clip=clip, text=drawing.prompt), 0]
    negative: Link = [made.add("CLIPTextEncode", "Negative prompt", clip=clip, text=drawing.negative), 0]
    for control in drawing.controls:
        positive, negative = _controlled(made, control, positive, negative, vae)
    latent = _latent(made, drawing, vae)
    saves = []
    for place, seed in enumerate(drawing.seeds):
        sampled = made.add(
            "KSampler",
            "Sampler" if len(drawing.seeds) == 1 else f"Sampler of picture {place + 1}",
            model=model,
            positive=positive,
            negative=negative,
            latent_image=latent,
            seed=seed % SEEDS,
            steps=drawing.steps,
            cfg=drawing.cfg,
            sampler_name=drawing.choice.sampler,
            scheduler=drawing.choice.schedule,
            denoise=drawing.denoise,
        )
        decoded = made.add("VAEDecode", "Decode", samples=[sampled, 0], vae=vae)
        saves.append(made.add(SAVES, "Save", images=[decoded, 0], filename_prefix=f"{prefix}-{place}"))
    return made.graph, saves


def _stacked(made: _Building, drawing: Drawing, model: Link, clip: Link) -> tuple[Link, Link]:
    for lora, strength in drawing.loras:
        node = made.add(
            "LoraLoader",
            f"LoRA {lora.link.filename[:60]}",
            model=model,
            clip=clip,
            lora_name=lora.name,
            strength_model=strength,
            strength_clip=strength,
        )
        model, clip = [node, 0], [node, 1]
    return model, clip


def _controlled(
    made: _Building, control: Control, positive: Link, negative: Link, vae: Link
) -> tuple[Link, Link]:
    net = made.add("ControlNetLoader", "ControlNet", control_net_name=control.net.name)
    image = made.add("LoadImage", "Picture of the ControlNet", image=control.image)
    node = made.add(
        "ControlNetApplyAdvanced",
        "ControlNet",
        positive=positive,
        negative=negative,
        control_net=[net, 0],
        image=[image, 0],
        vae=vae,
        strength=control.weight,
        start_percent=control.start,
        end_percent=control.end,
    )
    return [node, 0], [node, 1]


def _latent(made: _Building, drawing: Drawing, vae: Link) -> Link:
    if drawing.source is None:
        empty = made.add("EmptyLatentImage", "Size", width=drawing.width, height=drawing.height, batch_size=1)
        return [empty, 0]
    loaded = made.add("LoadImage", "Source picture", image=drawing.source)
    scaled = made.add(
        "ImageScale",
        "Fit",
        image=[loaded, 0],
        upscale_method="lanczos",
        width=drawing.width,
        height=drawing.height,
        crop="center",
    )
    return [made.add("VAEEncode", "Encode", pixels=[scaled, 0], vae=vae), 0]


def classes(graph: Graph) -> set[str]:
    """The classes of nodes that a graph needs."""
    return {str(node["class_type"]) for node in graph.values()}


def weights(graph: Graph) -> Mapping[str, float]:
    """How much of the work each node is: those that sample do nearly all of it."""
    return {
        number: 20.0 if "sampler" in str(node["class_type"]).lower() else 1.0
        for number, node in graph.items()
    }
