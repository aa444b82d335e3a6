"""Small single files of SD 1.x and SDXL in the layout in which they are published, with four channels and with nine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.engines.diffusers.conftest import pixels, png

from civitas.engines.diffusers import families, layout, loading, passes, samplers
from civitas.engines.diffusers.conditioning import condition
from civitas.engines.diffusers.families import SD1, SDXL, Family
from civitas.engines.diffusers.loras import Patches
from civitas.engines.diffusers.requests import PictureRequest, Weights

pytestmark = pytest.mark.usefixtures("engine")  # skipped without the extra
WIDTHS = {"text_encoder": 64, "text_encoder_2": 128}


def small(family: Family, folder: Path) -> tuple[Family, dict[str, dict[str, Any]]]:
    """The family with its own configuration, but few and narrow layers."""
    parts = ["unet", "vae", "text_encoder", *(["text_encoder_2"] if family is SDXL else [])]
    found = {part: json.loads((family.folder / part / "config.json").read_text()) for part in parts}
    depth = len(found["unet"]["block_out_channels"])
    words = sum(WIDTHS[part] for part in parts[2:])
    found["unet"] |= {
        "block_out_channels": [32] * depth, "attention_head_dim": 8, "cross_attention_dim": words, "layers_per_block": 1,
    }  # fmt: skip
    if family is SDXL:
        found["unet"] |= {
            "transformer_layers_per_block": [1, 1, 2], "addition_time_embed_dim": 32,
            "projection_class_embeddings_input_dim": 128 + 6 * 32,
        }  # fmt: skip
    found["vae"] |= {"block_out_channels": [32] * 4, "layers_per_block": 1}
    for part in parts[2:]:
        found[part] |= {
            "hidden_size": WIDTHS[part], "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2,
            "projection_dim": WIDTHS[part],
        }  # fmt: skip
    for part, config in found.items():
        (folder / part).mkdir(parents=True)
        (folder / part / "config.json").write_text(json.dumps(config))
    for kept in ("model_index.json", "scheduler/scheduler_config.json"):
        (folder / kept).parent.mkdir(exist_ok=True)
        (folder / kept).write_text((family.folder / kept).read_text())
    return replace(family, config=str(folder)), found


def open_clip(state: dict[str, Any]) -> dict[str, Any]:
    """The second encoder's weights as SDXL's files have them."""
    import torch

    out = {
        "positional_embedding": state["text_model.embeddings.position_embedding.weight"],
        "token_embedding.weight": state["text_model.embeddings.token_embedding.weight"],
        "ln_final.weight": state["text_model.final_layer_norm.weight"],
        "ln_final.bias": state["text_model.final_layer_norm.bias"],
        "text_projection": state["text_projection.weight"].T,
    }
    for i in range(2):
        ours, theirs = f"text_model.encoder.layers.{i}.", f"transformer.resblocks.{i}."
        for end in ("weight", "bias"):
            out[f"{theirs}attn.in_proj_{end}"] = torch.cat(
                [state[f"{ours}self_attn.{q}_proj.{end}"] for q in "qkv"]
            )
            for a, b in (
                ("self_attn.out_proj", "attn.out_proj"), ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"),
                ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"),
            ):  # fmt: skip
                out[f"{theirs}{b}.{end}"] = state[f"{ours}{a}.{end}"]
    return out


def build(family: Family, configs: dict[str, dict[str, Any]], channels: int, path: Path) -> Any:
    """Write the file; gives back its U-Net."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from safetensors.torch import save_file
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    plain = {part: {k: v for k, v in one.items() if k[0] != "_"} for part, one in configs.items()}
    torch.manual_seed(11)
    unet = UNet2DConditionModel(**plain["unet"] | {"in_channels": channels})
    out = layout.original(
        unet, AutoencoderKL(**plain["vae"]), CLIPTextModel(CLIPTextConfig(**plain["text_encoder"]))
    )
    if family.key == "sdxl":
        old, new = "cond_stage_model.", "conditioner.embedders.0."
        out = {new + k.removeprefix(old) if k.startswith(old) else k: v for k, v in out.items()}
        second = CLIPTextModelWithProjection(CLIPTextConfig(**plain["text_encoder_2"]))
        for key, value in open_clip(second.state_dict()).items():
            out[f"conditioner.embedders.1.model.{key}"] = value.detach().contiguous().clone()
    save_file(out, path)
    return unet


@pytest.mark.parametrize("channels", [families.PLAIN_CHANNELS, families.MASKED_CHANNELS])
@pytest.mark.parametrize("original", [SD1, SDXL], ids=["sd1", "sdxl"])
def test_every_weight_arrives_and_a_mask_is_painted(original: Family, channels: int, tmp_path: Path) -> None:
    import torch

    family, configs = small(original, tmp_path / "config")
    path = tmp_path / "model.safetensors"
    theirs = build(family, configs, channels, path).state_dict()
    shapes = families.read_shapes(path, "It")
    assert families.channels(shapes) == channels

    pipe = loading.from_file(path, family, families.channels(shapes), torch.float32)
    pipe.set_progress_bar_config(disable=True)
    ours = pipe.unet.state_dict()
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[k], theirs[k]) for k in ours)

    model = loading.Loaded(pipe, family, dict(pipe.scheduler.config), Patches(pipe), 0)
    assert model.paints == (channels == families.MASKED_CHANNELS)
    source, mask = Image.new("RGB", (64, 64), (200, 40, 40)), Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    request = PictureRequest(Weights(path), "a red (circle:1.2)", (1,), width=64, height=64, preview_every=1)
    work = passes.Pass(
        model, request, condition(model, request), samplers.choose("euler"), 64, 64, 3, denoise=1.0, sources=(source,),
        mask=mask,
    )  # fmt: skip
    told: list[int] = []
    shown: list[bytes] = []

    def tell(step: int, _steps: int, previews: list[bytes]) -> None:
        told.append(step)
        shown.extend(previews)

    (made,) = passes.run(work, (1,), tell=tell, cancelled=lambda: False)
    assert told == [1, 2, 3] and shown
    moved = abs(pixels_of(made) - pixels_of(source))
    assert moved[:, 40:].max() == 0
    assert moved[:, :28].mean() > 1


def pixels_of(picture: Image.Image) -> Any:
    return pixels(png(picture))
