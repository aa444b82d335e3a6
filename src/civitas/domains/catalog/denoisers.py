"""The denoisers of image and video models, told apart by their tensors: UNets and transformers.

Names are those of the original programs and of diffusers, without whatever prefix a file puts before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Shape = tuple[int, ...]

CERTAIN, LIKELY, WEAK = 0.98, 0.85, 0.6


@dataclass(frozen=True, slots=True)
class Guess:
    """What a file seems to be.

    `kind` is a model type of the site (`Checkpoint`, `LORA`, `VAE`, ...), `ecosystem` a key and `base_model` a name
    of the base model registry, `variant` a base model type (`Standard`, `Inpainting`, `Refiner`, `Pix2Pix`).
    `bare` says that it is the denoiser alone, without text encoder and VAE. `confidence` is from 0 to 1.
    """

    kind: str | None = None
    ecosystem: str | None = None
    base_model: str | None = None
    variant: str = "Standard"
    bare: bool = False
    confidence: float = 0.0
    reasons: tuple[str, ...] = ()


class Names:
    """Tensor shapes by name, as one program would call them: `below` takes a prefix off."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.shapes = shapes

    def below(self, prefix: str) -> Names:
        """The tensors below `prefix`, without it."""
        return Names(
            {name[len(prefix) :]: shape for name, shape in self.shapes.items() if name.startswith(prefix)}
        )

    def has(self, *names: str) -> bool:
        """Whether all of these are there."""
        return all(name in self.shapes for name in names)

    def any(self, start: str) -> bool:
        """Whether any name starts so."""
        return any(name.startswith(start) for name in self.shapes)

    def edge(self, name: str, axis: int) -> int | None:
        """The length of one axis, None when there is no such tensor or axis."""
        shape = self.shapes.get(name, ())
        return shape[axis] if axis < len(shape) else None

    def blocks(self, start: str) -> int:
        """How many numbered blocks follow `start`."""
        numbers = {name[len(start) :].split(".", 1)[0] for name in self.shapes if name.startswith(start)}
        return sum(number.isdigit() for number in numbers)


def denoiser(names: Names) -> Guess | None:
    """The diffusion model whose tensor names these are, with its family and why, or None."""
    for recognise in (_unet, _diffusers_unet, _flux_like, _other_transformer, _video):
        found = recognise(names)
        if found is not None:
            return found
    return None


_INPUTS: Final[Mapping[int, str]] = {4: "Standard", 9: "Inpainting", 8: "Pix2Pix"}
_WIDTHS: Final[Mapping[int, str]] = {768: "SD1", 1024: "SD2", 2048: "SDXL"}


def _variant(inputs: int | None) -> str:
    return _INPUTS.get(inputs or 4, "Standard")


def _unet(names: Names) -> Guess | None:
    """A UNet with the names of the original Stable Diffusion code."""
    if not names.has("input_blocks.0.0.weight"):
        return None
    inputs = names.edge("input_blocks.0.0.weight", 1)
    variant = _variant(inputs)
    if names.any("input_blocks.1.1.time_stack."):
        return Guess(ecosystem="SVD", confidence=CERTAIN, reasons=("The UNet has layers over time.",))
    low = names.edge("input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight", 1)
    high = names.edge("input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", 1)
    if low is None and high == 1280:
        reason = "The UNet looks at text of 1280 numbers, as the SDXL refiner does."
        return Guess(ecosystem="SDXL", variant="Refiner", confidence=CERTAIN, reasons=(reason,))
    return _by_width(low or high, variant)


def _by_width(width: int | None, variant: str) -> Guess:
    ecosystem = _WIDTHS.get(width or 0)
    reason = f"The UNet looks at text of {width} numbers." if width else "It is a UNet of an unknown kind."
    more = () if variant == "Standard" else (f"Its first layer has the inputs of the {variant} variant.",)
    confidence = CERTAIN if ecosystem else WEAK
    return Guess(ecosystem=ecosystem, variant=variant, confidence=confidence, reasons=(reason, *more))


def _diffusers_unet(names: Names) -> Guess | None:
    """A UNet with the names of diffusers."""
    if not names.has(
        "conv_in.weight", "down_blocks.0.resnets.0.conv1.weight", "time_embedding.linear_1.weight"
    ):
        return None
    low = names.edge("down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight", 1)
    high = names.edge("down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight", 1)
    if names.has("encoder_hid_proj.weight"):
        return Guess(
            ecosystem="Kolors", confidence=LIKELY, reasons=("An SDXL UNet with a projection of its text.",)
        )
    return _by_width(low or high, _variant(names.edge("conv_in.weight", 1)))


def _flux_like(names: Names) -> Guess | None:
    """Transformers with double and single streams: Flux and what was built on it."""
    if names.any("distilled_guidance_layer."):
        return Guess(
            ecosystem="Chroma", confidence=CERTAIN, reasons=("It has Chroma's distilled guidance layer.",)
        )
    if names.has("double_stream_modulation_img.lin.weight"):
        width = names.edge("img_in.weight", 0)
        ecosystem = {3072: "Flux2Klein_4B", 4096: "Flux2Klein_9B"}.get(width or 0, "Flux2")
        return Guess(
            ecosystem=ecosystem, confidence=CERTAIN, reasons=(f"Flux.2's shared modulation, {width} wide.",)
        )
    if names.any("txt_in.individual_token_refiner."):
        reason = "Double and single streams with Hunyuan's token refiner."
        return Guess(ecosystem="HyV1", confidence=CERTAIN, reasons=(reason,))
    original = names.has("double_blocks.0.img_attn.qkv.weight") and names.any("single_blocks.")
    diffusers = names.any("single_transformer_blocks.") and names.any("transformer_blocks.0.norm1_context.")
    if not original and not diffusers:
        return None
    guided = names.any("guidance_in.") or names.any("time_text_embed.guidance_embedder.")
    reason = f"Double and single streams as in Flux.1, {'with' if guided else 'without'} a guidance input."
    return Guess(
        ecosystem="Flux1",
        base_model="Flux.1 D" if guided else "Flux.1 S",
        confidence=CERTAIN if original else LIKELY,
        reasons=(reason,),
    )


# Names that only one architecture has, and what to say about them.
_MARKS: Final[tuple[tuple[tuple[str, ...], str, str], ...]] = (
    (("clip_txt_mapper.weight",), "SCascade", "It maps CLIP text as Stable Cascade's stage C does."),
    (
        ("txt_norm.weight", "transformer_blocks.0.img_mod.1.weight"),
        "Qwen",
        "Image and text modulation of Qwen-Image.",
    ),
    (
        ("caption_projection.0.linear.weight", "x_embedder.proj.weight"),
        "HiDream",
        "HiDream's caption projections.",
    ),
    (("cond_seq_linear.weight", "double_layers.0.attn.w1q.weight"), "AuraFlow", "AuraFlow's double layers."),
    (("text_embedding_padding", "mlp_t5.0.weight"), "HyDit1", "Hunyuan DiT's text padding."),
    (
        ("y_embedder.y_embedding", "csize_embedder.mlp.0.weight"),
        "PixArtA",
        "PixArt's captions and size conditions.",
    ),
    (
        ("y_embedder.y_embedding", "blocks.0.cross_attn.kv_linear.weight"),
        "PixArtE",
        "PixArt's captions, no sizes.",
    ),
    (("lyric_embs.weight", "genre_embedder.weight"), "Ace", "It embeds lyrics and genres."),
)


def _other_transformer(names: Names) -> Guess | None:
    for marks, ecosystem, reason in _MARKS:
        if names.has(*marks):
            return Guess(ecosystem=ecosystem, confidence=CERTAIN, reasons=(reason,))
    if names.any("llm_adapter.") and names.any("blocks.0.adaln_modulation_self_attn."):
        return Guess(
            ecosystem="Anima", confidence=CERTAIN, reasons=("A Cosmos transformer with a language adapter.",)
        )
    joint = names.blocks("joint_blocks.")
    if joint:
        medium = names.any("joint_blocks.0.x_block.attn2.")
        ecosystem = "SD3_5M" if medium else "SD3"
        name = None if medium or joint >= 38 else "SD 3"
        reason = f"{joint} joint blocks of Stable Diffusion 3{', with a second attention' if medium else ''}."
        return Guess(ecosystem=ecosystem, base_model=name, confidence=CERTAIN, reasons=(reason,))
    if names.any("cap_embedder.") and names.any("noise_refiner."):
        width = names.edge("cap_embedder.1.weight", 0)
        ecosystem = "ZImageTurbo" if width == 3840 else "Lumina"
        return Guess(
            ecosystem=ecosystem,
            confidence=LIKELY,
            reasons=(f"Caption embedder and refiners, {width} wide.",),
        )
    return None


_WAN: Final[Mapping[int, str]] = {
    1536: "WanVideo1_3B_T2V",
    5120: "WanVideo14B_T2V",
    3072: "WanVideo-22-TI2V-5B",
}


def _video(names: Names) -> Guess | None:
    if names.has("patch_embedding.weight") and names.any("blocks.0.cross_attn.") and names.any("head."):
        width = names.edge("patch_embedding.weight", 0) or 0
        ecosystem = _WAN.get(width, "WanVideo")
        inputs = names.edge("patch_embedding.weight", 1)
        reasons = [f"Wan's blocks, {width} wide."]
        if width == 5120 and (inputs == 36 or names.any("img_emb.")):
            ecosystem = "WanVideo14B_I2V_720p"
            reasons.append("It takes an image to begin with.")
        return Guess(ecosystem=ecosystem, confidence=LIKELY, reasons=tuple(reasons))
    if names.has("patchify_proj.weight"):
        sound = names.has("audio_patchify_proj.weight")
        reason = "LTX's patches of video" + (" and sound." if sound else ".")
        return Guess(ecosystem="LTXV2" if sound else "LTXV", confidence=CERTAIN, reasons=(reason,))
    if names.has("t5_yproj.weight", "blocks.0.attn.qkv_x.weight"):
        return Guess(ecosystem="Mochi", confidence=CERTAIN, reasons=("Mochi's two streams.",))
    if names.has("patch_embed.text_proj.weight") and names.any("transformer_blocks.0.attn1."):
        return Guess(ecosystem="CogVideoX", confidence=LIKELY, reasons=("CogVideoX's text projection.",))
    return None
