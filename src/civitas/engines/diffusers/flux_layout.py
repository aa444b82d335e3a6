"""From the original names of Flux.1's weights to those of diffusers, for any width (diffusers' own knows one)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import torch

Weights = dict[str, "torch.Tensor"]

WHOLE: Final = {
    "time_in.in_layer": "time_text_embed.timestep_embedder.linear_1",
    "time_in.out_layer": "time_text_embed.timestep_embedder.linear_2",
    "vector_in.in_layer": "time_text_embed.text_embedder.linear_1",
    "vector_in.out_layer": "time_text_embed.text_embedder.linear_2",
    "guidance_in.in_layer": "time_text_embed.guidance_embedder.linear_1",
    "guidance_in.out_layer": "time_text_embed.guidance_embedder.linear_2",
    "txt_in": "context_embedder",
    "img_in": "x_embedder",
    "final_layer.linear": "proj_out",
    "final_layer.adaLN_modulation.1": "norm_out.linear",
}
DOUBLE: Final = {
    "img_mod.lin": "norm1.linear",
    "txt_mod.lin": "norm1_context.linear",
    "img_attn.norm.query_norm": "attn.norm_q",
    "img_attn.norm.key_norm": "attn.norm_k",
    "txt_attn.norm.query_norm": "attn.norm_added_q",
    "txt_attn.norm.key_norm": "attn.norm_added_k",
    "img_attn.proj": "attn.to_out.0",
    "txt_attn.proj": "attn.to_add_out",
    "img_mlp.0": "ff.net.0.proj",
    "img_mlp.2": "ff.net.2",
    "txt_mlp.0": "ff_context.net.0.proj",
    "txt_mlp.2": "ff_context.net.2",
}
SINGLE: Final = {
    "modulation.lin": "norm.linear",
    "norm.query_norm": "attn.norm_q",
    "norm.key_norm": "attn.norm_k",
    "linear2": "proj_out",
}
STACKED: Final = {
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
}
_BLOCK: Final = re.compile(r"(double|single)_blocks\.(\d+)\.(.+)\.(weight|bias|scale)")


def diffusers_names(weights: Weights) -> Weights:
    """The weights under diffusers' names; what lies in one matrix there and in several here is split.

    Raises KeyError for a name that Flux.1 does not have.
    """
    out: Weights = {}
    for key, value in weights.items():
        match = _BLOCK.fullmatch(key)
        if match is None:
            stem, _, end = key.rpartition(".")
            name = WHOLE[stem]
            out[f"{name}.{end}"] = _swapped(value) if name == "norm_out.linear" else value
            continue
        kind, number, stem = match[1], match[2], match[3]
        end = "weight" if match[4] == "scale" else match[4]
        place = f"{'single_' if kind == 'single' else ''}transformer_blocks.{number}"
        for name, part in _parts(kind, stem, value):
            out[f"{place}.{name}.{end}"] = part
    return out


def _parts(kind: str, stem: str, value: torch.Tensor) -> list[tuple[str, torch.Tensor]]:
    if kind == "double" and stem in STACKED:
        return list(zip(STACKED[stem], value.chunk(3), strict=True))
    if kind == "single" and stem == "linear1":
        # Three of the model's width, and the first layer of the perceptron of four times it.
        width = value.shape[0] // 7
        names = ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
        return list(zip(names, value.split([width, width, width, value.shape[0] - 3 * width]), strict=True))
    return [((DOUBLE if kind == "double" else SINGLE)[stem], value)]


def _swapped(value: torch.Tensor) -> torch.Tensor:
    """Shift and scale stand the other way round."""
    import torch

    shift, scale = value.chunk(2)
    return torch.cat([scale, shift])
