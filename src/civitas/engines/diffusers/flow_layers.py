"""By which names LoRAs of Stable Diffusion 3 and Flux mean layers: where one of the original layout is several of diffusers'.

What lies in one matrix there (query, key and value, at times the perceptron too) is a run of rows of several layers here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from civitas.engines.diffusers import flux_layout

_SD3: Final = {
    "x_embedder.proj": "pos_embed.proj",
    "context_embedder": "context_embedder",
    "t_embedder.mlp.0": "time_text_embed.timestep_embedder.linear_1",
    "t_embedder.mlp.2": "time_text_embed.timestep_embedder.linear_2",
    "y_embedder.mlp.0": "time_text_embed.text_embedder.linear_1",
    "y_embedder.mlp.2": "time_text_embed.text_embedder.linear_2",
    "final_layer.linear": "proj_out",
    "final_layer.adaLN_modulation.1": "norm_out.linear",
}
_SD3_BLOCK: Final[Mapping[str, tuple[str, ...]]] = {
    "x_block.attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "context_block.attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "x_block.attn2.qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
    "x_block.attn.proj": ("attn.to_out.0",),
    "context_block.attn.proj": ("attn.to_add_out",),
    "x_block.attn2.proj": ("attn2.to_out.0",),
    "x_block.adaLN_modulation.1": ("norm1.linear",),
    "context_block.adaLN_modulation.1": ("norm1_context.linear",),
    "x_block.mlp.fc1": ("ff.net.0.proj",),
    "x_block.mlp.fc2": ("ff.net.2",),
    "context_block.mlp.fc1": ("ff_context.net.0.proj",),
    "context_block.mlp.fc2": ("ff_context.net.2",),
}
_FLUX_BLOCK: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "double": {**{k: (v,) for k, v in flux_layout.DOUBLE.items()}, **flux_layout.STACKED},
    "single": {
        **{k: (v,) for k, v in flux_layout.SINGLE.items()},
        "linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"),
    },
}
_NUMBER: Final = re.compile(r"(?:single_)?transformer_blocks\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a layer, from one to before another."""

    module: Any
    begin: int
    end: int


def original(transformer: Any) -> Iterator[tuple[str, tuple[Rows, ...]]]:
    """Each layer of the original layout that this transformer has: its name, and the rows it consists of, in order.

    Nothing for transformers of other kinds.
    """
    kind = type(transformer).__name__
    layers = {n: m for n, m in transformer.named_modules() if getattr(m, "weight", None) is not None}
    if kind == "FluxTransformer2DModel":
        whole, blocks = flux_layout.WHOLE, _flux_blocks(layers)
    elif kind == "SD3Transformer2DModel":
        whole, blocks = _SD3, _sd3_blocks(layers)
    else:
        return
    last = f"joint_blocks.{transformer.config.num_layers - 1}.context_block.adaLN_modulation.1"
    for name, parts in (*((name, (part,)) for name, part in whole.items()), *blocks):
        if not all(part in layers for part in parts):
            continue
        found = [layers[part] for part in parts]
        swapped = name == last or name == "final_layer.adaLN_modulation.1"
        yield name, _halves(found[0]) if swapped else tuple(Rows(m, 0, _rows(m)) for m in found)


def _flux_blocks(layers: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for kind, place in (("double", "transformer_blocks"), ("single", "single_transformer_blocks")):
        for number in _numbers(layers, place):
            for name, parts in _FLUX_BLOCK[kind].items():
                yield f"{kind}_blocks.{number}.{name}", tuple(f"{place}.{number}.{p}" for p in parts)


def _sd3_blocks(layers: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for number in _numbers(layers, "transformer_blocks"):
        for name, parts in _SD3_BLOCK.items():
            yield f"joint_blocks.{number}.{name}", tuple(f"transformer_blocks.{number}.{p}" for p in parts)


def _numbers(layers: Mapping[str, Any], place: str) -> list[int]:
    found = {int(m[1]) for n in layers if n.startswith(place + ".") and (m := _NUMBER.match(n))}
    return sorted(found)


def _halves(module: Any) -> tuple[Rows, ...]:
    """Shift and scale stand the other way round there."""
    rows = _rows(module)
    return (Rows(module, rows // 2, rows), Rows(module, 0, rows // 2))


def _rows(module: Any) -> int:
    return int(module.weight.shape[0])
