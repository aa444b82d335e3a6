"""Sizes of the parts of Stable Diffusion 3 and Flux, read off the shapes of their weights in the original layout.

So one vendored configuration serves medium and large, dev and schnell, and models that were pruned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

Shapes = Mapping[str, tuple[int, ...]]
_HEAD: Final = 64


def sd3(shapes: Shapes) -> dict[str, Any]:
    """Of the transformer of Stable Diffusion 3 and 3.5; `taken` is how many channels go in. Raises KeyError."""
    inner, taken, patch, _ = shapes["x_embedder.proj.weight"]
    normed = shapes.get("joint_blocks.0.x_block.attn.ln_q.weight")
    head = normed[0] if normed else _HEAD
    caption, joint = shapes["context_embedder.weight"]
    out = shapes["final_layer.linear.weight"][0] // patch**2
    return {
        "taken": taken,
        "in_channels": out,
        "out_channels": out,
        "patch_size": patch,
        "attention_head_dim": head,
        "num_attention_heads": inner // head,
        "num_layers": _count(shapes, "joint_blocks."),
        "joint_attention_dim": joint,
        "caption_projection_dim": caption,
        "pooled_projection_dim": shapes["y_embedder.mlp.0.weight"][1],
        "pos_embed_max_size": math.isqrt(shapes["pos_embed"][1]),
        "dual_attention_layers": tuple(
            sorted({int(k.split(".")[1]) for k in shapes if k.endswith(".x_block.attn2.qkv.weight")})
        ),
        "qk_norm": "rms_norm" if normed else None,
    }


def flux(shapes: Shapes) -> dict[str, Any]:
    """Of the transformer of Flux.1; `taken` is how many channels go in. Raises KeyError."""
    inner, taken = shapes["img_in.weight"]
    head = shapes["double_blocks.0.img_attn.norm.query_norm.scale"][0]
    side = head * 7 // 16
    return {
        "taken": taken,
        "in_channels": shapes["final_layer.linear.weight"][0],
        "attention_head_dim": head,
        "num_attention_heads": inner // head,
        "num_layers": _count(shapes, "double_blocks."),
        "num_single_layers": _count(shapes, "single_blocks."),
        "joint_attention_dim": shapes["txt_in.weight"][1],
        "pooled_projection_dim": shapes["vector_in.in_layer.weight"][1],
        "guidance_embeds": "guidance_in.in_layer.weight" in shapes,
        "axes_dims_rope": (head - 2 * side, side, side),
    }


def clip(shapes: Shapes) -> dict[str, Any]:
    """Of a CLIP text encoder under transformers' names. Raises KeyError."""
    vocabulary, width = shapes["text_model.embeddings.token_embedding.weight"]
    projection = shapes.get("text_projection.weight")
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": shapes["text_model.encoder.layers.0.mlp.fc1.weight"][0],
        "num_attention_heads": max(1, width // _HEAD),
        "num_hidden_layers": _count(shapes, "text_model.encoder.layers."),
        "projection_dim": projection[0] if projection else width,
    }


def t5(shapes: Shapes) -> dict[str, Any]:
    """Of T5's encoder under transformers' names. Raises KeyError."""
    vocabulary, width = shapes["shared.weight"]
    buckets, heads = shapes["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
    return {
        "vocab_size": vocabulary,
        "d_model": width,
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "d_kv": shapes["encoder.block.0.layer.0.SelfAttention.q.weight"][0] // heads,
        "d_ff": shapes["encoder.block.0.layer.1.DenseReluDense.wi_0.weight"][0],
        "num_layers": _count(shapes, "encoder.block."),
    }


def vae(shapes: Shapes) -> dict[str, Any]:
    """Of a VAE in the original layout; nothing for one in diffusers' own. Raises KeyError."""
    blocks = _count(shapes, "encoder.down.")
    if not blocks:
        return {}
    return {
        "block_out_channels": tuple(
            shapes[f"encoder.down.{i}.block.0.conv1.weight"][0] for i in range(blocks)
        ),
        "down_block_types": ("DownEncoderBlock2D",) * blocks,
        "up_block_types": ("UpDecoderBlock2D",) * blocks,
        "layers_per_block": _count(shapes, "encoder.down.0.block."),
        "latent_channels": shapes["decoder.conv_in.weight"][1],
    }


def _count(shapes: Shapes, prefix: str) -> int:
    """How many numbered things there are below a prefix."""
    return len({k[len(prefix) :].split(".", 1)[0] for k in shapes if k.startswith(prefix)})


def control_flux(shapes: Shapes) -> dict[str, Any]:
    """Of a ControlNet of Flux under diffusers' names; nothing for a file that is none."""
    if not {"controlnet_x_embedder.weight", "transformer_blocks.0.attn.norm_q.weight"} <= set(shapes):
        return {}
    inner, taken = shapes["x_embedder.weight"]
    head = shapes["transformer_blocks.0.attn.norm_q.weight"][0]
    side = head * 7 // 16
    modes = shapes.get("controlnet_mode_embedder.weight")
    hint = shapes.get("input_hint_block.conv_in.weight")
    return {
        "in_channels": taken,
        "attention_head_dim": head,
        "num_attention_heads": inner // head,
        "num_layers": _count(shapes, "transformer_blocks."),
        "num_single_layers": _count(shapes, "single_transformer_blocks."),
        "joint_attention_dim": shapes["context_embedder.weight"][1],
        "pooled_projection_dim": shapes["time_text_embed.text_embedder.linear_1.weight"][1],
        "guidance_embeds": "time_text_embed.guidance_embedder.linear_1.weight" in shapes,
        "axes_dims_rope": (head - 2 * side, side, side),
        "num_mode": modes[0] if modes else None,
        "conditioning_embedding_channels": shapes["input_hint_block.conv_out.weight"][0] if hint else None,
    }


def control_sd3(shapes: Shapes) -> dict[str, Any]:
    """Of a ControlNet of Stable Diffusion 3 under diffusers' names; nothing for a file that is none."""
    if not {"pos_embed_input.proj.weight", "context_embedder.weight", "pos_embed.pos_embed"} <= set(shapes):
        return {}
    inner, taken, patch, _ = shapes["pos_embed.proj.weight"]
    normed = shapes.get("transformer_blocks.0.attn.norm_q.weight")
    head = normed[0] if normed else _HEAD
    caption, joint = shapes["context_embedder.weight"]
    return {
        "patch_size": patch,
        "in_channels": taken,
        "out_channels": taken,
        "attention_head_dim": head,
        "num_attention_heads": inner // head,
        "num_layers": _count(shapes, "transformer_blocks."),
        "joint_attention_dim": joint,
        "caption_projection_dim": caption,
        "pooled_projection_dim": shapes["time_text_embed.text_embedder.linear_1.weight"][1],
        "pos_embed_max_size": math.isqrt(shapes["pos_embed.pos_embed"][1]),
        "extra_conditioning_channels": shapes["pos_embed_input.proj.weight"][1] - taken,
        "dual_attention_layers": tuple(
            sorted({int(k.split(".")[1]) for k in shapes if k.endswith(".attn2.to_q.weight")})
        ),
        "qk_norm": "rms_norm" if normed else None,
    }
