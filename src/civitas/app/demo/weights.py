"""Real files of small models: the key names, shapes, dtypes and metadata that trainers write, with numbers of ours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

Tensor = NDArray[np.float16]
Tensors = dict[str, Tensor]

# Stable Diffusion 1.x: the width of each level of the U-Net, and which blocks attend.
WIDTHS = (320, 640, 1280, 1280)
TEXT_WIDTH = 768


def _draw(rng: np.random.Generator, *shape: int, scale: float = 0.02) -> Tensor:
    return (rng.standard_normal(shape) * scale).astype(np.float16)


def lora(seed: int, *, rank: int, metadata: Mapping[str, str]) -> bytes:
    """A LoRA for the attention of Stable Diffusion 1.x in kohya's layout, with kohya's metadata."""
    rng = np.random.default_rng(seed)
    tensors: Tensors = {}
    for name, width in _attention_blocks():
        for part, inner, outer in _projections(width):
            key = f"lora_unet_{name}_{part}"
            tensors[f"{key}.lora_down.weight"] = _draw(rng, rank, inner)
            tensors[f"{key}.lora_up.weight"] = _draw(rng, outer, rank)
            tensors[f"{key}.alpha"] = np.array(rank / 2, dtype=np.float16)
    return _with_hash(tensors, metadata)


def _attention_blocks() -> Iterator[tuple[str, int]]:
    for level, width in enumerate(WIDTHS[:3]):
        for block in range(2):
            yield f"down_blocks_{level}_attentions_{block}_transformer_blocks_0", width
    yield "mid_block_attentions_0_transformer_blocks_0", WIDTHS[3]
    for level, width in zip((1, 2, 3), (1280, 640, 320), strict=True):
        for block in range(3):
            yield f"up_blocks_{level}_attentions_{block}_transformer_blocks_0", width


def _projections(width: int) -> Iterator[tuple[str, int, int]]:
    for attention, context in (("attn1", width), ("attn2", TEXT_WIDTH)):
        yield f"{attention}_to_q", width, width
        yield f"{attention}_to_k", context, width
        yield f"{attention}_to_v", context, width
        yield f"{attention}_to_out_0", width, width


def kohya_metadata(
    *, name: str, images: int, epochs: int, steps: int, rank: int, tags: Mapping[str, int], seed: int
) -> dict[str, str]:
    """The training record that kohya's scripts leave in a file (all values are strings)."""
    return {
        "ss_output_name": name,
        "ss_sd_model_name": "paper-lantern.safetensors",
        "ss_base_model_version": "sd_v1",
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(rank),
        "ss_network_alpha": str(rank / 2),
        "ss_optimizer": "torch.optim.adamw.AdamW",
        "ss_learning_rate": "0.0001",
        "ss_lr_scheduler": "cosine",
        "ss_resolution": "(512, 512)",
        "ss_num_train_images": str(images),
        "ss_num_epochs": str(epochs),
        "ss_max_train_steps": str(steps),
        "ss_steps": str(steps),
        "ss_seed": str(seed),
        "ss_mixed_precision": "fp16",
        "ss_tag_frequency": json.dumps({f"10_{name}": dict(tags)}),
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.title": name,
        "modelspec.resolution": "512x512",
    }


def embedding(seed: int, *, vectors: int, name: str) -> bytes:
    """A textual inversion of `vectors` tokens for Stable Diffusion 1.x."""
    rng = np.random.default_rng(seed)
    return save({"emb_params": _draw(rng, vectors, TEXT_WIDTH)}, {"name": name, "step": "1500"})


def vae(seed: int, *, width: int = 16) -> Tensors:
    """The autoencoder of Stable Diffusion in its original key layout, `width` instead of 128 channels wide."""
    rng = np.random.default_rng(seed)
    tensors: Tensors = {}
    for half, channels_in in (("encoder", 3), ("decoder", 4)):
        _conv(tensors, rng, f"{half}.conv_in", channels_in, width)
        for level in range(4):
            inner = width * (1, 2, 4, 4)[level]
            direction = "down" if half == "encoder" else "up"
            for block in range(2 if half == "encoder" else 3):
                _resnet(tensors, rng, f"{half}.{direction}.{level}.block.{block}", inner)
        _resnet(tensors, rng, f"{half}.mid.block_1", width * 4)
        for part in ("q", "k", "v", "proj_out"):
            _conv(tensors, rng, f"{half}.mid.attn_1.{part}", width * 4, width * 4, size=1)
        _resnet(tensors, rng, f"{half}.mid.block_2", width * 4)
        _conv(tensors, rng, f"{half}.conv_out", width, 8 if half == "encoder" else 3)
    _conv(tensors, rng, "quant_conv", 8, 8, size=1)
    _conv(tensors, rng, "post_quant_conv", 4, 4, size=1)
    return tensors


def checkpoint(seed: int, *, width: int = 16) -> Tensors:
    """A whole Stable Diffusion 1.x checkpoint in its original layout, `width` instead of 320 channels wide."""
    rng = np.random.default_rng(seed)
    tensors: Tensors = {}
    unet = "model.diffusion_model"
    _conv(tensors, rng, f"{unet}.input_blocks.0.0", 4, width)
    _linear(tensors, rng, f"{unet}.time_embed.0", width, width * 4)
    _linear(tensors, rng, f"{unet}.time_embed.2", width * 4, width * 4)
    for index in range(1, 12):
        _unet_block(
            tensors, rng, f"{unet}.input_blocks.{index}", width * (1, 1, 1, 2, 2, 2, 4, 4, 4, 4, 4, 4)[index]
        )
    for index in range(12):
        _unet_block(
            tensors, rng, f"{unet}.output_blocks.{index}", width * (4, 4, 4, 4, 4, 4, 2, 2, 2, 1, 1, 1)[index]
        )
    _unet_block(tensors, rng, f"{unet}.middle_block", width * 4)
    _conv(tensors, rng, f"{unet}.out.2", width, 4)
    tensors |= {f"first_stage_model.{key}": value for key, value in vae(seed + 1, width=8).items()}
    text = "cond_stage_model.transformer.text_model"
    tensors[f"{text}.embeddings.token_embedding.weight"] = _draw(rng, 512, TEXT_WIDTH)
    tensors[f"{text}.embeddings.position_embedding.weight"] = _draw(rng, 77, TEXT_WIDTH)
    tensors[f"{text}.final_layer_norm.weight"] = np.ones(TEXT_WIDTH, dtype=np.float16)
    return tensors


def weighted_sum(a: Mapping[str, Tensor], b: Mapping[str, Tensor], multiplier: float) -> Tensors:
    """A + (B - A) x multiplier, tensor by tensor."""
    return {
        key: (a[key].astype(np.float32) * (1 - multiplier) + b[key] * multiplier).astype(np.float16)
        for key in a
    }


def add_difference(
    a: Mapping[str, Tensor], b: Mapping[str, Tensor], c: Mapping[str, Tensor], multiplier: float
) -> Tensors:
    """A + (B - C) x multiplier, tensor by tensor."""
    return {
        key: (a[key].astype(np.float32) + (b[key].astype(np.float32) - c[key]) * multiplier).astype(
            np.float16
        )
        for key in a
    }


def written(tensors: Mapping[str, Tensor], title: str, architecture: str) -> bytes:
    """The tensors as a safetensors file with a modelspec."""
    return _with_hash(dict(tensors), {"modelspec.title": title, "modelspec.architecture": architecture})


def _with_hash(tensors: Tensors, metadata: Mapping[str, str]) -> bytes:
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(tensors[key].tobytes())
    return save(tensors, {**metadata, "sshs_model_hash": digest.hexdigest()})


def _conv(
    tensors: Tensors, rng: np.random.Generator, key: str, inner: int, outer: int, size: int = 3
) -> None:
    tensors[f"{key}.weight"] = _draw(rng, outer, inner, size, size)
    tensors[f"{key}.bias"] = np.zeros(outer, dtype=np.float16)


def _linear(tensors: Tensors, rng: np.random.Generator, key: str, inner: int, outer: int) -> None:
    tensors[f"{key}.weight"] = _draw(rng, outer, inner)
    tensors[f"{key}.bias"] = np.zeros(outer, dtype=np.float16)


def _resnet(tensors: Tensors, rng: np.random.Generator, key: str, width: int) -> None:
    for norm, conv in (("norm1", "conv1"), ("norm2", "conv2")):
        tensors[f"{key}.{norm}.weight"] = np.ones(width, dtype=np.float16)
        tensors[f"{key}.{norm}.bias"] = np.zeros(width, dtype=np.float16)
        _conv(tensors, rng, f"{key}.{conv}", width, width)


def _unet_block(tensors: Tensors, rng: np.random.Generator, key: str, width: int) -> None:
    _conv(tensors, rng, f"{key}.0.in_layers.2", width, width)
    _linear(tensors, rng, f"{key}.0.emb_layers.1", width, width)
    _conv(tensors, rng, f"{key}.0.out_layers.3", width, width)
    block = f"{key}.1.transformer_blocks.0"
    for attention, context in (("attn1", width), ("attn2", TEXT_WIDTH)):
        tensors[f"{block}.{attention}.to_q.weight"] = _draw(rng, width, width)
        tensors[f"{block}.{attention}.to_k.weight"] = _draw(rng, width, context)
        tensors[f"{block}.{attention}.to_v.weight"] = _draw(rng, width, context)
        _linear(tensors, rng, f"{block}.{attention}.to_out.0", width, width)
