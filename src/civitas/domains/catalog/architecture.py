"""A guess at what a file of weights is, from the names and shapes of its tensors.

Names are habits of the programs that write the files, shapes follow from the architecture: where both speak, shapes
win. A guess carries its reasons in words, so that a person can overrule it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from civitas.domains.catalog import adapters
from civitas.domains.catalog.denoisers import CERTAIN, LIKELY, WEAK, Guess, Names, Shape, denoiser
from civitas.domains.catalog.headers import ModelHeader, TensorInfo

# The usual base model of an ecosystem, offered as the first choice.
_USUAL: Final[Mapping[str, str]] = {
    "SD1": "SD 1.5", "SD2": "SD 2.1", "SDXL": "SDXL 1.0", "SD3": "SD 3.5 Large", "SD3_5M": "SD 3.5 Medium",
    "SVD": "SVD XT", "SCascade": "Stable Cascade", "Flux1": "Flux.1 D", "Flux2": "Flux.2 D",
    "Flux2Klein_4B": "Flux.2 Klein 4B", "Flux2Klein_9B": "Flux.2 Klein 9B", "Chroma": "Chroma", "Qwen": "Qwen",
    "ZImageTurbo": "ZImageTurbo", "Lumina": "Lumina", "HiDream": "HiDream", "AuraFlow": "AuraFlow",
    "PixArtA": "PixArt a", "PixArtE": "PixArt E", "HyDit1": "Hunyuan 1", "HyV1": "Hunyuan Video",
    "WanVideo1_3B_T2V": "Wan Video 1.3B t2v", "WanVideo14B_T2V": "Wan Video 14B t2v",
    "WanVideo14B_I2V_720p": "Wan Video 14B i2v 720p", "WanVideo-22-TI2V-5B": "Wan Video 2.2 TI2V-5B",
    "LTXV": "LTXV", "LTXV2": "LTXV2", "Mochi": "Mochi", "CogVideoX": "CogVideoX", "Anima": "Anima",
    "Kolors": "Kolors", "Ace": "ACE Audio", "Pony": "Pony", "Illustrious": "Illustrious", "NoobAI": "NoobAI",
}  # fmt: skip

_DENOISER_PREFIXES: Final = (
    "model.diffusion_model.",
    "diffusion_model.",
    "unet.",
    "transformer.",
    "model.",
    "net.",
)
_VAE_PREFIXES: Final = ("first_stage_model.", "vae.")
_TEXT_PREFIXES: Final = ("cond_stage_model.", "conditioner.embedders.", "text_encoders.", "text_encoder.")


def guess(header: ModelHeader) -> Guess:
    """Guess what the file with this header is. Never raises; knows nothing: confidence 0 and a reason."""
    hint = header.training.base_model if header.training else None
    return guess_tensors(header.tensors, hint, header)


def guess_tensors(
    tensors: Iterable[TensorInfo], base_hint: str | None = None, header: ModelHeader | None = None
) -> Guess:
    """As `guess`, from tensors alone; `base_hint` is the name of the model that it was trained on."""
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    names = Names(shapes)
    found = (
        _adapter(shapes)
        or _embedding(names)
        or _control(names)
        or _whole(names)
        or _part(names)
        or Guess(reasons=("None of the tensor names is of a kind that is known here.",))
    )
    found = _hinted(found, base_hint, header)
    if found.base_model is None and found.ecosystem is not None:
        found = replace(found, base_model=_USUAL.get(found.ecosystem))
    return found


def _adapter(shapes: Mapping[str, Shape]) -> Guess | None:
    found = adapters.recognise(shapes)
    if found is None:
        return None
    confidence = LIKELY if found.ecosystem else WEAK
    return Guess(kind=found.kind, ecosystem=found.ecosystem, confidence=confidence, reasons=found.reasons)


def _embedding(names: Names) -> Guess | None:
    if len(names.shapes) > 8:
        return None
    if names.has("clip_l", "clip_g"):
        reason = "It holds vectors for both text encoders of SDXL."
        return Guess("TextualInversion", "SDXL", confidence=CERTAIN, reasons=(reason,))
    width = names.edge("emb_params", 1) or names.edge("string_to_param.*", 1)
    known = {768: "SD1", 1024: "SD2", 1280: "SDXL"}
    if width is None:
        return None
    reason = f"It holds text encoder vectors of {width} numbers."
    return Guess(
        "TextualInversion",
        known.get(width),
        confidence=CERTAIN if width in known else WEAK,
        reasons=(reason,),
    )


def _control(names: Names) -> Guess | None:
    """Networks beside the denoiser: ControlNet, IP-Adapter, T2I-Adapter, motion modules."""
    inner = names.below("control_model.") if names.any("control_model.") else names
    starts = (
        "zero_convs.",
        "input_hint_block.",
        "controlnet_cond_embedding.",
        "controlnet_blocks.",
        "controlnet_down_blocks.",
    )
    if any(inner.any(start) for start in starts):
        base = denoiser(inner)
        reasons = ("It has the extra blocks of a ControlNet.", *(base.reasons if base else ()))
        ecosystem = base.ecosystem if base else None
        return Guess("Controlnet", ecosystem, confidence=CERTAIN if ecosystem else LIKELY, reasons=reasons)
    if names.any("image_proj.") and names.any("ip_adapter."):
        width = names.edge("ip_adapter.1.to_k_ip.weight", 1)
        reasons = ("It has the key and value projections of an IP-Adapter.",)
        return Guess(
            "Controlnet", {768: "SD1", 2048: "SDXL"}.get(width or 0), confidence=LIKELY, reasons=reasons
        )
    if names.has("conv_in.weight", "body.0.block1.weight") or names.any("adapter.body."):
        return Guess("Controlnet", confidence=LIKELY, reasons=("It is built like a T2I-Adapter.",))
    if names.shapes and sum("motion_modules." in name for name in names.shapes) * 2 > len(names.shapes):
        return Guess("MotionModule", "SD1", confidence=LIKELY, reasons=("Most tensors are motion modules.",))
    return None


def _whole(names: Names) -> Guess | None:
    """A denoiser, alone or with its VAE and text encoders."""
    vae = any(names.any(prefix) for prefix in _VAE_PREFIXES)
    text = any(names.any(prefix) for prefix in _TEXT_PREFIXES)
    for prefix in (*(p for p in _DENOISER_PREFIXES if names.any(p)), ""):
        found = denoiser(names.below(prefix) if prefix else names)
        if found is None:
            continue
        with_others = "with" if vae or text else "without"
        reasons = (*found.reasons, f"The denoiser comes {with_others} VAE or text encoder.")
        return replace(found, kind="Checkpoint", bare=not (vae or text), reasons=reasons)
    return None


def _part(names: Names) -> Guess | None:
    """VAEs, text encoders, upscalers and what else comes alone."""
    for prefix in (*_VAE_PREFIXES, ""):
        inner = names.below(prefix) if prefix else names
        channels = inner.edge("decoder.conv_in.weight", 1) or inner.edge("decoder.conv1.weight", 1)
        if channels and (inner.any("decoder.up") or inner.any("decoder.mid")):
            # Four channels are those of SD 1, SD 2 and SDXL alike, sixteen those of all later ones.
            reason = f"It is a decoder of images from {channels} latent channels."
            return Guess("VAE", "Flux1" if channels == 16 else None, confidence=LIKELY, reasons=(reason,))
    parts = (
        ("TextEncoder", "encoder.block.0.layer.0.SelfAttention.", "It is built like a T5 text encoder."),
        ("TextEncoder", "text_model.encoder.layers.0.", "It is built like a CLIP text encoder."),
        ("CLIPVision", "vision_model.encoder.layers.0.", "It is built like a CLIP image encoder."),
        ("LLM", "model.layers.0.self_attn.q_proj.", "It is built like a language model."),
        ("LLM", "blk.0.attn_q.", "It is built like a language model."),
        ("Upscaler", "body.0.rdb1.", "It has the dense blocks of an ESRGAN upscaler."),
        ("Upscaler", "model.1.sub.0.RDB1.", "It has the dense blocks of an ESRGAN upscaler."),
        ("Upscaler", "layers.0.residual_group.", "It has the residual groups of a SwinIR-like upscaler."),
        ("Detection", "model.0.conv.", "It is built like a YOLO detector."),
    )
    for kind, start, reason in parts:
        if names.any(start):
            return Guess(
                kind, "Upscaler" if kind == "Upscaler" else None, confidence=LIKELY, reasons=(reason,)
            )
    return None


_CHILDREN: Final = (
    ("pony", "Pony"),
    ("noob", "NoobAI"),
    ("illustrious", "Illustrious"),
    ("wai-", "Illustrious"),
)


def _hinted(found: Guess, base_hint: str | None, header: ModelHeader | None) -> Guess:
    """Take in what the maker's own words say where the tensors leave it open."""
    told = adapters.told_ecosystem(header)
    if told is not None and found.kind is not None:
        ecosystem = found.ecosystem
        if ecosystem is None:
            reason = f"Its metadata says that it is made for {told}."
            found = replace(found, ecosystem=told, confidence=LIKELY, reasons=(*found.reasons, reason))
        elif ecosystem == told:
            found = replace(found, confidence=min(0.99, found.confidence + 0.1))
        elif not ecosystem.startswith(told) and not told.startswith(ecosystem):
            reason = f"Its metadata speaks of {told}, which does not fit."
            found = replace(found, confidence=found.confidence * 0.7, reasons=(*found.reasons, reason))
    if found.ecosystem == "SDXL" and base_hint:
        for word, child in _CHILDREN:
            if word in base_hint.lower():
                reason = f"It was trained on a model whose name speaks of {child}."
                return replace(found, ecosystem=child, confidence=LIKELY, reasons=(*found.reasons, reason))
    return found
