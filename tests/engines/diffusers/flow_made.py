"""Tiny models of Stable Diffusion 3 and Flux with weights of chance, as files in the layouts in which they are published."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

WIDTH_L, WIDTH_G, WIDTH_T5 = 64, 128, 192
UNET = "model.diffusion_model."
_SD3 = {
    "pos_embed.pos_embed": "pos_embed",
    "pos_embed.proj": "x_embedder.proj",
    "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
    "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2",
    "proj_out": "final_layer.linear",
    "norm_out.linear": "final_layer.adaLN_modulation.1",
}
_SD3_BLOCK = {
    "attn.norm_q": "x_block.attn.ln_q",
    "attn.norm_k": "x_block.attn.ln_k",
    "attn.norm_added_q": "context_block.attn.ln_q",
    "attn.norm_added_k": "context_block.attn.ln_k",
    "attn2.norm_q": "x_block.attn2.ln_q",
    "attn2.norm_k": "x_block.attn2.ln_k",
    "attn.to_out.0": "x_block.attn.proj",
    "attn.to_add_out": "context_block.attn.proj",
    "attn2.to_out.0": "x_block.attn2.proj",
    "norm1.linear": "x_block.adaLN_modulation.1",
    "norm1_context.linear": "context_block.adaLN_modulation.1",
    "ff.net.0.proj": "x_block.mlp.fc1",
    "ff.net.2": "x_block.mlp.fc2",
    "ff_context.net.0.proj": "context_block.mlp.fc1",
    "ff_context.net.2": "context_block.mlp.fc2",
}
_SD3_STACKED = {
    "x_block.attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "context_block.attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    "x_block.attn2.qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
}
_FLUX = {
    "time_text_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_text_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "time_text_embed.text_embedder.linear_1": "vector_in.in_layer",
    "time_text_embed.text_embedder.linear_2": "vector_in.out_layer",
    "time_text_embed.guidance_embedder.linear_1": "guidance_in.in_layer",
    "time_text_embed.guidance_embedder.linear_2": "guidance_in.out_layer",
    "context_embedder": "txt_in",
    "x_embedder": "img_in",
    "proj_out": "final_layer.linear",
    "norm_out.linear": "final_layer.adaLN_modulation.1",
}
_FLUX_DOUBLE = {
    "norm1.linear": "img_mod.lin",
    "norm1_context.linear": "txt_mod.lin",
    "attn.norm_q": "img_attn.norm.query_norm",
    "attn.norm_k": "img_attn.norm.key_norm",
    "attn.norm_added_q": "txt_attn.norm.query_norm",
    "attn.norm_added_k": "txt_attn.norm.key_norm",
    "attn.to_out.0": "img_attn.proj",
    "attn.to_add_out": "txt_attn.proj",
    "ff.net.0.proj": "img_mlp.0",
    "ff.net.2": "img_mlp.2",
    "ff_context.net.0.proj": "txt_mlp.0",
    "ff_context.net.2": "txt_mlp.2",
}
_FLUX_SINGLE = {
    "norm.linear": "modulation.lin",
    "attn.norm_q": "norm.query_norm",
    "attn.norm_k": "norm.key_norm",
    "proj_out": "linear2",
}
_FLUX_STACKED = {
    "double": {
        "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
        "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
    },
    "single": {"linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")},
}


def _swapped(value: Any) -> Any:
    import torch

    scale, shift = value.chunk(2)
    return torch.cat([shift, scale])


def _stacked(state: dict[str, Any], place: str, parts: tuple[str, ...], end: str) -> Any:
    import torch

    return torch.cat([state.pop(f"{place}.{part}.{end}") for part in parts])


def sd3_names(model: Any) -> dict[str, Any]:
    """The transformer's weights as Stability publishes them."""
    state, out = dict(model.state_dict()), {}
    last = model.config.num_layers - 1
    for i in range(last + 1):
        for name, parts in _SD3_STACKED.items():
            for end in ("weight", "bias"):
                if f"transformer_blocks.{i}.{parts[0]}.{end}" in state:
                    out[f"joint_blocks.{i}.{name}.{end}"] = _stacked(
                        state, f"transformer_blocks.{i}", parts, end
                    )
    for key, value in state.items():
        if match := re.fullmatch(r"transformer_blocks\.(\d+)\.(.+)\.(weight|bias)", key):
            name = _SD3_BLOCK[match[2]]
            swap = int(match[1]) == last and name == "context_block.adaLN_modulation.1"
            out[f"joint_blocks.{match[1]}.{name}.{match[3]}"] = _swapped(value) if swap else value
        elif key in _SD3:
            out[_SD3[key]] = value
        else:
            stem, _, end = key.rpartition(".")
            out[f"{_SD3.get(stem, stem)}.{end}"] = _swapped(value) if stem == "norm_out.linear" else value
    return out


def flux_names(model: Any) -> dict[str, Any]:
    """The transformer's weights as Black Forest Labs publishes them."""
    state, out = dict(model.state_dict()), {}
    for kind, place in (("double", "transformer_blocks"), ("single", "single_transformer_blocks")):
        for i in sorted({int(k.split(".")[1]) for k in state if k.startswith(place + ".")}):
            for name, parts in _FLUX_STACKED[kind].items():
                for end in ("weight", "bias"):
                    out[f"{kind}_blocks.{i}.{name}.{end}"] = _stacked(state, f"{place}.{i}", parts, end)
    for key, value in state.items():
        match = re.fullmatch(r"(single_)?transformer_blocks\.(\d+)\.(.+)\.(weight|bias)", key)
        if match:
            name = (_FLUX_SINGLE if match[1] else _FLUX_DOUBLE)[match[3]]
            end = "scale" if name.endswith("_norm") else match[4]
            out[f"{'single' if match[1] else 'double'}_blocks.{match[2]}.{name}.{end}"] = value
        else:
            stem, _, end = key.rpartition(".")
            out[f"{_FLUX[stem]}.{end}"] = _swapped(value) if stem == "norm_out.linear" else value
    return out


def transformer_sd3(*, newer: bool = False) -> Any:
    """A small MMDiT: of 3, or with what 3.5 medium has besides."""
    import torch
    from diffusers import SD3Transformer2DModel

    torch.manual_seed(5)
    return SD3Transformer2DModel(
        sample_size=32, patch_size=2, in_channels=16, num_layers=2, attention_head_dim=64, num_attention_heads=1,
        joint_attention_dim=WIDTH_T5, caption_projection_dim=64, pooled_projection_dim=WIDTH_L + WIDTH_G, out_channels=16,
        pos_embed_max_size=24, dual_attention_layers=(0,) if newer else (), qk_norm="rms_norm" if newer else None,
    )  # fmt: skip


def transformer_flux(*, guided: bool = True) -> Any:
    """A small Flux: dev, or schnell, which has no guidance."""
    import torch
    from diffusers import FluxTransformer2DModel

    torch.manual_seed(6)
    return FluxTransformer2DModel(
        patch_size=1, in_channels=64, num_layers=1, num_single_layers=2, attention_head_dim=32, num_attention_heads=2,
        joint_attention_dim=WIDTH_T5, pooled_projection_dim=WIDTH_L, guidance_embeds=guided, axes_dims_rope=(4, 14, 14),
    )  # fmt: skip


def vae(family: Any) -> dict[str, Any]:
    """A small VAE of sixteen channels in the original layout, without a prefix."""
    import torch
    from diffusers import AutoencoderKL

    from civitas.engines.diffusers import layout

    config = json.loads((family.folder / "vae" / "config.json").read_text())
    torch.manual_seed(7)
    made = AutoencoderKL(
        **{k: v for k, v in config.items() if not k.startswith("_")}
        | {"block_out_channels": (32,) * 4, "layers_per_block": 1}
    )
    out = {}
    for key, value in made.state_dict().items():
        name = layout.vae_key(key, 4)
        out[name] = value[..., None, None] if ".attn_1." in name and value.ndim == 2 else value
    return out


def clip(width: int, *, projected: bool) -> dict[str, Any]:
    """A small CLIP text encoder with the real list of words, as it is published by itself."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    torch.manual_seed(width)
    made = CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=49408,
            hidden_size=width,
            intermediate_size=64,
            num_attention_heads=max(1, width // 64),
            num_hidden_layers=2,
            projection_dim=width,
        )
    )
    state = dict(made.state_dict())
    return state if projected else {k: v for k, v in state.items() if k != "text_projection.weight"}


def t5() -> dict[str, Any]:
    """A small T5 encoder with a hundred words."""
    import torch
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(9)
    made = T5EncoderModel(
        T5Config(
            vocab_size=100,
            d_model=WIDTH_T5,
            d_kv=16,
            d_ff=64,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            is_encoder_decoder=False,
            use_cache=False,
        )
    )
    return {k: v for k, v in made.state_dict().items() if k != "encoder.embed_tokens.weight"}


def t5_tokenizer(folder: Path) -> None:
    """A tokenizer of single letters in the file that T5's tokenizers are shipped in."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

    words = {"<pad>": 0, "</s>": 1, "<unk>": 2} | {chr(c): c - 29 for c in range(32, 127)}
    made = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    folder.mkdir(parents=True)
    made.save(str(folder / "tokenizer.json"))


def under(prefix: str, weights: dict[str, Any]) -> dict[str, Any]:
    return {prefix + k: v for k, v in weights.items()}


def save(path: Path, *pieces: dict[str, Any]) -> Path:
    """A file of all the pieces."""
    from safetensors.torch import save_file

    save_file({k: v.contiguous().clone() for piece in pieces for k, v in piece.items()}, path)
    return path


def packed(path: Path, weights: dict[str, Any]) -> Path:
    """A GGUF file: matrices in eight bits, everything else as it is."""
    import gguf

    writer = gguf.GGUFWriter(str(path), "chance")
    for name, value in weights.items():
        array = value.float().contiguous().numpy()
        if array.ndim == 2 and array.shape[1] % 32 == 0:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def control_net(family: Any, transformer: Any) -> Any:
    """A ControlNet of chance for a transformer, whose influence is not nought."""
    import torch
    from diffusers import FluxControlNetModel, SD3ControlNetModel

    torch.manual_seed(8)
    if family.key == "sd3":
        config = {k: v for k, v in transformer.config.items() if not k.startswith("_")}
        config.pop("sample_size")
        net = SD3ControlNetModel(sample_size=32, **config | {"num_layers": 1})
    else:
        net = FluxControlNetModel(
            in_channels=64, num_layers=1, num_single_layers=1, attention_head_dim=32, num_attention_heads=2,
            joint_attention_dim=WIDTH_T5, pooled_projection_dim=WIDTH_L, guidance_embeds=True, axes_dims_rope=(4, 14, 14),
        )  # fmt: skip
    for name, layer in net.named_modules():
        if name.startswith(("controlnet_", "pos_embed_input")) and hasattr(layer, "weight"):
            torch.nn.init.normal_(layer.weight, std=0.3)
    return net
