"""Low-rank and other adapters: which kind of network, and for which base, by tensor names and shapes.

Three habits of naming: kohya's (`lora_unet_..._to_k.lora_down.weight`), PEFT's and diffusers'
(`transformer...lora_A.weight`), and LyCORIS' endings for its own kinds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from civitas.domains.catalog.headers import ModelHeader

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Adapter:
    """The model type of the site, the ecosystem when it can be told, and why."""

    kind: str
    ecosystem: str | None
    reasons: tuple[str, ...]


_DOWN: Final = (
    ".lora_down.weight",
    ".lora_A.weight",
    ".lora_A.default.weight",
    ".lora.down.weight",
    "_lora.down.weight",
)
_UP: Final = (
    ".lora_up.weight",
    ".lora_B.weight",
    ".lora_B.default.weight",
    ".lora.up.weight",
    "_lora.up.weight",
)
_LYCORIS: Final[Mapping[str, str]] = {
    ".hada_w1_a": "LoHa", ".lokr_w1": "LoKr", ".lokr_w1_a": "LoKr", ".oft_blocks": "OFT", ".oft_diag": "OFT",
    ".lora_mid.weight": "LoCon", ".on_input": "IA3", ".a1.weight": "GLoRA",
}  # fmt: skip
_DORA: Final = (".dora_scale", ".lora_magnitude_vector", ".lora_magnitude_vector.weight")


def recognise(shapes: Mapping[str, Shape]) -> Adapter | None:
    """What adapter these tensors are, None when they are none."""
    downs = {name: shape for name, shape in shapes.items() if name.endswith(_DOWN)}
    special = {label for name in shapes for end, label in _LYCORIS.items() if name.endswith(end)}
    if not special and (not downs or not any(name.endswith(_UP) for name in shapes)):
        return None
    reasons = [f"{len(downs)} layers have low-rank pairs." if downs else "It has LyCORIS layers."]
    kind = "LORA"
    if any(name.endswith(_DORA) for name in shapes):
        kind = "DoRA"
        reasons.append("Their weights are split into direction and magnitude.")
    elif special:
        kind = "LoCon"
        reasons.append(f"Its layers are of the LyCORIS kinds {', '.join(sorted(special))}.")
    elif any(len(shape) == 4 and shape[2] * shape[3] > 1 for shape in downs.values()):
        kind = "LoCon"
        reasons.append("Convolutions are adapted as well.")
    ecosystem, reason = _base(_plain(shapes))
    if reason:
        reasons.append(reason)
    return Adapter(kind, ecosystem, tuple(reasons))


def _plain(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Names with every separator as `_`, so that kohya's and diffusers' habits can be asked alike."""
    return {re.sub(r"[._]+", "_", name): shape for name, shape in shapes.items()}


_TEXT_WIDTHS: Final[Mapping[int, str]] = {768: "SD1", 1024: "SD2", 2048: "SDXL"}
# What occurs in the name, the ecosystem, what to say; the first that fits counts.
_NAMES: Final[tuple[tuple[str, str, str], ...]] = (
    (r"(?:^|_)double_stream_modulation|(?:^|_)single_blocks_4[0-7]_", "Flux2", "Its streams are those of Flux.2."),
    (r"(?:^|_)double_blocks_19_|individual_token_refiner", "HyV1", "It has as many streams as Hunyuan Video."),
    (r"distilled_guidance_layer", "Chroma", "It adapts Chroma's guidance layer."),
    (r"(?:^|_)double_blocks_\d+_img|(?:^|_)single_transformer_blocks_\d+", "Flux1", "Its streams are those of Flux.1."),
    (r"(?:^|_)joint_blocks_\d+_", "SD3", "It adapts the joint blocks of Stable Diffusion 3."),
    (r"(?:^|_)double_stream_blocks_\d+_", "HiDream", "It adapts HiDream's double streams."),
    (r"transformer_blocks_\d+_(?:img_mlp|img_mod|txt_mlp)_", "Qwen", "It adapts the streams of Qwen-Image."),
    (r"(?:^|_)layers_\d+_attention_(?:to_q|qkv)_|noise_refiner", "ZImageTurbo", "Its layers are named as in Z-Image."),
    (r"(?:^|_)llm_adapter_|adaln_modulation_self_attn", "Anima", "It adapts Anima's blocks."),
    (r"lora_te2_|text_encoder_2_", "SDXL", "It adapts a second text encoder."),
    (r"input_blocks_[4578]_1_transformer_blocks_[1-9]", "SDXL", "It adapts deep attention as in SDXL."),
)  # fmt: skip
_CROSS = re.compile(
    r"attn2_(?:to_)?[kv](?:_proj)?_(?:lora_down|lora_A|lora_A_default|lora_down_default)_weight$"
)
_WAN_BLOCK = re.compile(
    r"(?:^|_)blocks_\d+_(?:self|cross)_attn_[qkvo]_(?:lora_down|lora_A|lora_A_default)_weight$"
)
_TE_LAYER = re.compile(r"lora_te_text_model_encoder_layers_(\d+)_")
_WAN_WIDTHS: Final[Mapping[int, str]] = {
    1536: "WanVideo1_3B_T2V", 5120: "WanVideo14B_T2V", 3072: "WanVideo-22-TI2V-5B",
}  # fmt: skip


def _base(shapes: Mapping[str, Shape]) -> tuple[str | None, str | None]:
    for name, shape in shapes.items():
        if _CROSS.search(name) and len(shape) >= 2 and shape[1] in _TEXT_WIDTHS:
            return _TEXT_WIDTHS[shape[1]], f"Its cross attention takes text of {shape[1]} numbers."
        if _WAN_BLOCK.search(name) and len(shape) >= 2 and shape[1] in _WAN_WIDTHS:
            image = any("k_img" in other or "img_emb" in other for other in shapes)
            ecosystem = _WAN_WIDTHS[shape[1]]
            if image and ecosystem == "WanVideo14B_T2V":
                return "WanVideo14B_I2V_720p", "It adapts Wan's attention to an image."
            return ecosystem, f"Its blocks are named as in Wan, {shape[1]} wide."
    for pattern, ecosystem, reason in _NAMES:
        if any(re.search(pattern, name) for name in shapes):
            return _measured(ecosystem, shapes), reason
    layers = [int(match[1]) for name in shapes if (match := _TE_LAYER.search(name))]
    if layers:
        return (
            "SD2" if max(layers) > 11 else "SD1"
        ), f"It adapts a text encoder of {max(layers) + 1} layers."
    return None, None


def _measured(ecosystem: str, shapes: Mapping[str, Shape]) -> str:
    """Tell apart architectures with the same names by the width of what they adapt."""
    widths = {
        shape[1] for name, shape in shapes.items() if len(shape) == 2 and re.search(r"lora_(?:down|A)", name)
    }
    if ecosystem == "ZImageTurbo" and 2304 in widths and 3840 not in widths:
        return "Lumina"
    if ecosystem == "Flux1" and 6144 in widths and 3072 not in widths:
        return "Flux2"
    if ecosystem == "SD3" and 2432 not in widths and any("x_block_attn2" in name for name in shapes):
        return "SD3_5M"
    return ecosystem


# What trainers write about the base, the more particular first.
_TOLD: Final[tuple[tuple[str, str], ...]] = (
    (r"hunyuan[-_ ]?video", "HyV1"),
    (r"hunyuan", "HyDit1"),
    (r"stable-diffusion-xl|sdxl|sd_xl", "SDXL"),
    (r"stable-diffusion-v?3|sd3|sd_3", "SD3"),
    (r"stable-diffusion-v2|sd_v2|sd2", "SD2"),
    (r"stable-diffusion-v1|sd_v1|sd1", "SD1"),
    (r"flux-?2", "Flux2"),
    (r"chroma", "Chroma"),
    (r"flux", "Flux1"),
    (r"qwen[-_ ]?image", "Qwen"),
    (r"z-?image", "ZImageTurbo"),
    (r"wan-?[0-9]|wan[-_ ]video", "WanVideo"),
    (r"lumina", "Lumina"),
    (r"hidream", "HiDream"),
    (r"ltx", "LTXV"),
)  # fmt: skip


def told_ecosystem(header: ModelHeader | None) -> str | None:
    """The ecosystem that the metadata names, by `modelspec.architecture` or kohya's base version."""
    if header is None:
        return None
    words = header.modelspec.get("architecture") or (header.training and header.training.base_version) or ""
    lowered = words.lower()
    return next((ecosystem for pattern, ecosystem in _TOLD if re.search(pattern, lowered)), None)
