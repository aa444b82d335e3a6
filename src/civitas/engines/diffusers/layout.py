"""From diffusers' names of weights to those of the original Stable Diffusion checkpoint, for any number of blocks.

A1111, ComfyUI and diffusers' own `from_single_file` read the result.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Weights = dict[str, "torch.Tensor"]

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def _renamed(text: str, table: dict[str, str]) -> str:
    for old, new in table.items():
        if text == old or text.startswith(old + "."):
            return new + text[len(old) :]
    return text


def unet_key(key: str, layers: int, attended: set[int]) -> str:
    """The original name of a U-Net weight; `attended` are the up blocks that have attention."""
    whole = {
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2",
        "conv_in": "input_blocks.0.0",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
    }
    if (renamed := _renamed(key, whole)) != key:
        return renamed
    if match := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)", key):
        resnet = match[1] == "resnets"
        place = int(match[2]) * 2 if resnet else 1
        return f"middle_block.{place}.{_renamed(match[3], _RESNET) if resnet else match[3]}"
    match = re.fullmatch(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", key)
    if match is None:
        raise KeyError(f"{key} has no place in the original layout")
    side, block, part, index, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
    if side == "down":
        if part == "downsamplers":
            return f"input_blocks.{1 + block * (layers + 1) + layers}.0.{rest.replace('conv', 'op', 1)}"
        place = 1 + block * (layers + 1) + index
        stem = "input_blocks"
    else:
        if part == "upsamplers":
            return f"output_blocks.{block * (layers + 1) + layers}.{2 if block in attended else 1}.{rest}"
        place = block * (layers + 1) + index
        stem = "output_blocks"
    if part == "attentions":
        return f"{stem}.{place}.1.{rest}"
    return f"{stem}.{place}.0.{_renamed(rest, _RESNET)}"


def vae_key(key: str, blocks: int) -> str:
    """The original name of a VAE weight of a model with that many blocks on each side."""
    side, _, rest = key.partition(".")
    if side in ("quant_conv", "post_quant_conv"):
        return key
    rest = _renamed(rest, {"conv_norm_out": "norm_out"})
    if match := re.fullmatch(r"mid_block\.resnets\.(\d)\.(.+)", rest):
        return f"{side}.mid.block_{int(match[1]) + 1}.{match[2].replace('conv_shortcut', 'nin_shortcut')}"
    if match := re.fullmatch(r"mid_block\.attentions\.0\.(.+)", rest):
        return f"{side}.mid.attn_1.{_renamed(match[1], _ATTENTION)}"
    if match := re.fullmatch(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", rest):
        way, block, part, index, tail = match[1], int(match[2]), match[3], match[4], match[5]
        block = block if way == "down" else blocks - 1 - block
        if part == "resnets":
            return f"{side}.{way}.{block}.block.{index}.{tail.replace('conv_shortcut', 'nin_shortcut')}"
        return f"{side}.{way}.{block}.{'downsample' if way == 'down' else 'upsample'}.{tail}"
    return f"{side}.{rest}"


def text_key(key: str) -> str:
    """The original name of a weight of the text encoder."""
    return "cond_stage_model.transformer.text_model." + key.removeprefix("text_model.")


def original(unet: Any, vae: Any, text_encoder: Any) -> Weights:
    """All weights of a Stable Diffusion 1.x pipeline under the names of the original checkpoint."""
    layers = unet.config.layers_per_block
    attended = {i for i, name in enumerate(unet.config.up_block_types) if "CrossAttn" in name}
    out: Weights = {}
    for key, value in unet.state_dict().items():
        out["model.diffusion_model." + unet_key(key, layers, attended)] = value
    for key, value in vae.state_dict().items():
        name = vae_key(key, len(vae.config.block_out_channels))
        if ".attn_1." in name and value.ndim == 2:
            value = value[..., None, None]
        out["first_stage_model." + name] = value
    for key, value in text_encoder.state_dict().items():
        if not key.endswith("position_ids"):
            out[text_key(key)] = value
    return {key: value.detach().contiguous().clone() for key, value in out.items()}
