from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civitas.domains.catalog import base_models
from civitas.domains.catalog.architecture import Guess, guess, guess_tensors
from civitas.domains.catalog.headers import ModelHeader, TensorInfo, Training

Shapes = dict[str, tuple[int, ...]]


def tensors(shapes: Shapes) -> tuple[TensorInfo, ...]:
    return tuple(TensorInfo(name, "F16", shape, 0) for name, shape in shapes.items())


def header(shapes: Shapes, **more: Any) -> ModelHeader:
    return ModelHeader("safetensors", {}, tensors(shapes), **more)


def under(prefix: str, shapes: Shapes) -> Shapes:
    return {prefix + name: shape for name, shape in shapes.items()}


def unet(low: int | None, high: int, inputs: int = 4) -> Shapes:
    shapes: Shapes = {
        "input_blocks.0.0.weight": (320, inputs, 3, 3),
        "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (640, high),
    }
    if low:
        shapes["input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"] = (320, low)
    return shapes


VAE: Shapes = {
    "decoder.conv_in.weight": (512, 4, 3, 3),
    "decoder.up.0.block.0.conv1.weight": (128, 128, 3, 3),
}
CLIP: Shapes = {"transformer.text_model.encoder.layers.0.mlp.fc1.weight": (3072, 768)}
SD1 = {
    **under("model.diffusion_model.", unet(768, 768)),
    **under("first_stage_model.", VAE),
    **under("cond_stage_model.", CLIP),
}
FLUX: Shapes = {
    "double_blocks.0.img_attn.qkv.weight": (9216, 3072),
    "single_blocks.0.linear1.weight": (21504, 3072),
    "img_in.weight": (3072, 64),
}
SDXL = under("model.diffusion_model.", unet(None, 2048)) | under("conditioner.embedders.0.", CLIP)
KLEIN: Shapes = {"double_stream_modulation_img.lin.weight": (1, 1), "img_in.weight": (3072, 128)}
WAN: Shapes = {
    "patch_embedding.weight": (5120, 16, 1, 2, 2),
    "blocks.0.cross_attn.k.weight": (5120, 5120),
    "head.modulation": (1, 2, 5120),
}


def pair(name: str, width: int, out: int = 320, rank: int = 8) -> Shapes:
    return {
        f"{name}.lora_down.weight": (rank, width),
        f"{name}.lora_up.weight": (out, rank),
        f"{name}.alpha": (),
    }


def peft(name: str, width: int, out: int = 3072, rank: int = 8) -> Shapes:
    return {f"{name}.lora_A.weight": (rank, width), f"{name}.lora_B.weight": (out, rank)}


KNOWN: list[tuple[str, Shapes, str, str | None, bool]] = [
    ("sd1", SD1, "Checkpoint", "SD1", False),
    ("sd2", under("model.diffusion_model.", unet(1024, 1024)) | under("first_stage_model.", VAE), "Checkpoint", "SD2", False),
    ("sdxl", SDXL, "Checkpoint", "SDXL", False),
    ("flux dev", FLUX | {"guidance_in.in_layer.weight": (3072, 256)}, "Checkpoint", "Flux1", True),
    ("flux in comfy", under("model.diffusion_model.", FLUX) | under("vae.", VAE), "Checkpoint", "Flux1", False),
    ("chroma", FLUX | {"distilled_guidance_layer.layers.0.in_layer.weight": (1, 1)}, "Checkpoint", "Chroma", True),
    ("klein", KLEIN, "Checkpoint", "Flux2Klein_4B", True),
    ("hunyuan video", {**FLUX, "txt_in.individual_token_refiner.blocks.0.norm1.weight": (1,)}, "Checkpoint", "HyV1", True),
    ("sd3", {"joint_blocks.0.context_block.attn.qkv.weight": (1, 1)}, "Checkpoint", "SD3", True),
    ("sd3.5 medium", {"joint_blocks.0.x_block.attn2.qkv.weight": (1, 1)}, "Checkpoint", "SD3_5M", True),
    ("wan", WAN, "Checkpoint", "WanVideo14B_T2V", True),
    ("wan i2v", WAN | {"img_emb.proj.0.weight": (1,)}, "Checkpoint", "WanVideo14B_I2V_720p", True),
    ("qwen", {"txt_norm.weight": (1,), "transformer_blocks.0.img_mod.1.weight": (1, 1)}, "Checkpoint", "Qwen", True),
    ("ltx", {"patchify_proj.weight": (1, 1)}, "Checkpoint", "LTXV", True),
    ("z-image", {"cap_embedder.1.weight": (3840, 2560), "noise_refiner.0.a": (1,)}, "Checkpoint", "ZImageTurbo", True),
    ("vae", VAE, "VAE", None, False),
    ("flux vae", VAE | {"decoder.conv_in.weight": (512, 16, 3, 3)}, "VAE", "Flux1", False),
    ("controlnet", under("control_model.", {**unet(768, 768), "zero_convs.0.0.weight": (1,)}), "Controlnet", "SD1", False),
    ("embedding", {"emb_params": (4, 768)}, "TextualInversion", "SD1", False),
    ("sdxl embedding", {"clip_l": (4, 768), "clip_g": (4, 1280)}, "TextualInversion", "SDXL", False),
    ("t5", {"encoder.block.0.layer.0.SelfAttention.q.weight": (1, 1)}, "TextEncoder", None, False),
    ("clip vision", {"vision_model.encoder.layers.0.mlp.fc1.weight": (1, 1)}, "CLIPVision", None, False),
    ("esrgan", {"body.0.rdb1.conv1.weight": (1, 1)}, "Upscaler", "Upscaler", False),
    ("motion", {"down_blocks.0.motion_modules.0.proj.weight": (1, 1)}, "MotionModule", "SD1", False),
    ("lora sd1", pair("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", 768), "LORA", "SD1", False),
    ("lora sdxl", pair("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", 2048), "LORA", "SDXL", False),
    ("lora sdxl text", pair("lora_te2_text_model_encoder_layers_0_mlp_fc1", 1280), "LORA", "SDXL", False),
    ("lora sd2 text", pair("lora_te_text_model_encoder_layers_22_mlp_fc1", 1024), "LORA", "SD2", False),
    ("lora flux", pair("lora_unet_double_blocks_0_img_attn_qkv", 3072), "LORA", "Flux1", False),
    ("lora flux diffusers", peft("transformer.single_transformer_blocks.0.attn.to_q", 3072), "LORA", "Flux1", False),
    ("lora hunyuan", pair("lora_unet_double_blocks_19_img_attn_qkv", 3072), "LORA", "HyV1", False),
    ("lora wan", peft("diffusion_model.blocks.0.self_attn.q", 5120), "LORA", "WanVideo14B_T2V", False),
    ("lora qwen", peft("transformer.transformer_blocks.0.img_mlp.net.0.proj", 3072), "LORA", "Qwen", False),
    ("lora z-image", peft("diffusion_model.layers.0.attention.to_q", 3840), "LORA", "ZImageTurbo", False),
    ("dora", pair("lora_unet_double_blocks_0_img_attn_qkv", 3072) | {"x.dora_scale": (1,)}, "DoRA", "Flux1", False),
    ("loha", {"lora_unet_double_blocks_0_img_attn_qkv.hada_w1_a": (1, 1)}, "LoCon", "Flux1", False),
    ("locon", pair("lora_te2_x", 8) | {"lora_unet_conv.lora_down.weight": (8, 320, 3, 3)}, "LoCon", "SDXL", False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("shapes", "kind", "ecosystem", "bare"), [case[1:] for case in KNOWN], ids=[c[0] for c in KNOWN]
)
def test_known_architectures(shapes: Shapes, kind: str, ecosystem: str | None, bare: bool) -> None:
    found = guess(header(shapes))
    assert (found.kind, found.ecosystem, found.bare) == (kind, ecosystem, bare)
    assert found.confidence >= 0.6
    assert found.reasons
    assert all(reason.endswith(".") for reason in found.reasons)


def test_every_ecosystem_and_base_model_is_in_the_registry() -> None:
    registry = base_models.packaged()
    for _, shapes, _, ecosystem, _ in KNOWN:
        assert ecosystem is None or ecosystem in registry.ecosystems
        found = guess(header(shapes))
        assert found.base_model is None or registry.find(found.base_model)


def test_variants() -> None:
    assert guess(header(unet(768, 768, inputs=9))).variant == "Inpainting"
    assert guess(header(unet(768, 768, inputs=8))).variant == "Pix2Pix"
    assert guess(header(unet(None, 1280))).variant == "Refiner"
    assert guess(header(FLUX)).base_model == "Flux.1 S"
    assert guess(header(FLUX | {"guidance_in.a": (1,)})).base_model == "Flux.1 D"


def test_metadata_fills_what_the_tensors_leave_open() -> None:
    unknown = pair("lora_unet_somewhere", 8)
    assert guess(header(unknown)).ecosystem is None
    told = guess(header(unknown, modelspec={"architecture": "stable-diffusion-xl-v1-base/lora"}))
    assert told.ecosystem == "SDXL"
    assert told.confidence > guess(header(unknown)).confidence


def test_shapes_win_over_metadata() -> None:
    plain = guess(header(SD1))
    contradicted = guess(header(SD1, modelspec={"architecture": "flux-1-dev"}))
    agreed = guess(header(SD1, training=Training(base_version="sd_v1")))
    assert contradicted.ecosystem == "SD1"
    assert contradicted.confidence < plain.confidence <= agreed.confidence
    assert any("does not fit" in reason for reason in contradicted.reasons)


@pytest.mark.parametrize(
    ("base", "child"), [("ponyDiffusionV6XL", "Pony"), ("noobaiXL", "NoobAI"), ("base", "SDXL")]
)
def test_children_of_sdxl_by_the_model_they_were_trained_on(base: str, child: str) -> None:
    shapes = pair("lora_te2_text_model_encoder_layers_0_mlp_fc1", 1280)
    assert guess(header(shapes, training=Training(base_model=base))).ecosystem == child


def test_what_is_unknown_is_said_so() -> None:
    found = guess_tensors([])
    assert found == Guess(reasons=found.reasons)
    assert found.reasons


@given(
    st.dictionaries(
        st.sampled_from(sorted({name for case in KNOWN for name in case[1]})) | st.text(max_size=20),
        st.lists(st.integers(0, 9000), max_size=5).map(tuple),
        max_size=12,
    )
)
def test_any_tensors_give_a_guess(shapes: Shapes) -> None:
    found = guess(header(shapes))
    assert 0 <= found.confidence <= 1
    assert found.reasons
