"""By which names files of adapters mean the layers of a pipeline: kohya's, LyCORIS', diffusers', peft's, ComfyUI's, XLabs'."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from civitas.engines.diffusers import flow_layers, layout
from civitas.engines.diffusers.flow_layers import Rows

TEXT: Final = ("text_encoder", "text_encoder_2", "text_encoder_3")
_UNET_PREFIXES: Final = ("lora_unet_", "lycoris_")
_FLOW_PREFIXES: Final = ("lora_unet_", "lora_transformer_", "lycoris_")
# XLabs' trainer names its pairs after the processor of a block: the first is the picture's, the second the words'.
_XLABS: Final = {
    "img_attn.qkv": "qkv_lora1",
    "img_attn.proj": "proj_lora1",
    "txt_attn.qkv": "qkv_lora2",
    "txt_attn.proj": "proj_lora2",
    "linear1": "qkv_lora",
    "linear2": "proj_lora",
}


@dataclass(frozen=True, slots=True)
class Layer:
    """What a name means: which part of the pipeline, and the rows of layers in it."""

    component: str
    rows: tuple[Rows, ...]


def layer_names(pipe: Any) -> dict[str, Layer]:
    """Every name by which a file can mean a layer of the pipeline."""
    names: dict[str, Layer] = {}
    for part, layer in _layers(pipe, "unet"):
        originals = _original(pipe.unet, part)
        for dotted in (part, *originals):
            names |= {prefix + dotted.replace(".", "_"): layer for prefix in _UNET_PREFIXES}
        names["unet." + part] = layer
        names |= {"diffusion_model." + dotted: layer for dotted in originals}
    for part, layer in _layers(pipe, "transformer"):
        names |= _flow_names(part, layer)
    transformer = getattr(pipe, "transformer", None)
    for dotted, rows in flow_layers.original(transformer) if transformer is not None else ():
        names |= _flow_names(dotted, Layer("transformer", rows))
        names[dotted] = Layer("transformer", rows)
        names |= _xlabs(dotted, rows)
    for number, component in enumerate(TEXT, start=1):
        for part, layer in _layers(pipe, component):
            names |= _text_names(number, component, part, layer)
    return names


def _flow_names(dotted: str, layer: Layer) -> dict[str, Layer]:
    flat = dotted.replace(".", "_")
    return {
        f"transformer.{dotted}": layer,
        f"diffusion_model.{dotted}": layer,
        f"base_model.model.{dotted}": layer,
        **{prefix + flat: layer for prefix in _FLOW_PREFIXES},
    }


def _xlabs(dotted: str, rows: tuple[Rows, ...]) -> dict[str, Layer]:
    place, number, stem = (*dotted.split(".", 2), "", "")[:3]
    word = _XLABS.get(stem)
    if word is None:
        return {}
    # Of a single block the first three layers only: query, key and value, without the perceptron.
    return {f"{place}.{number}.processor.{word}": Layer("transformer", rows[:3])}


def _text_names(number: int, component: str, part: str, layer: Layer) -> dict[str, Layer]:
    names = {f"{component}.{part}": layer}
    if part.startswith("encoder.block."):
        # T5: kohya numbers it as the third, though Flux has two.
        return names | {f"lora_te{n}_{part.replace('.', '_')}": layer for n in {number, 3}}
    long = part if part.startswith("text_model.") else "text_model." + part
    flat = long.replace(".", "_")
    names |= {f"{component}.{long}": layer, f"lora_te{number}_{flat}": layer}
    return names | ({f"lora_te_{flat}": layer} if number == 1 else {})


def _layers(pipe: Any, component: str) -> Iterator[tuple[str, Layer]]:
    model = getattr(pipe, component, None)
    for name, module in model.named_modules() if model is not None else ():
        weight = getattr(module, "weight", None)
        if name and weight is not None and not list(module.children()):
            yield name, Layer(component, (Rows(module, 0, int(weight.shape[0])),))


def _original(unet: Any, part: str) -> list[str]:
    layers = unet.config.layers_per_block
    if not isinstance(layers, int):
        return []
    attended = {i for i, name in enumerate(unet.config.up_block_types) if "CrossAttn" in name}
    try:
        return [layout.unet_key(part + ".weight", layers, attended).removesuffix(".weight")]
    except KeyError:
        return []
