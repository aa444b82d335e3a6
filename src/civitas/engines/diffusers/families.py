"""Which architecture a file of weights has, told by the names and shapes in its header, and where its configuration is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from civitas.engines.diffusers.errors import ModelUnsupported, WeightsCorrupt
from civitas.kit.errors import Invalid
from civitas.kit.safetensors import header_end, parse

Shapes = Mapping[str, tuple[int, ...]]
CONFIGS: Final = Path(__file__).parent / "configs"


@dataclass(frozen=True, slots=True)
class Family:
    """An architecture: its vendored configuration, how its text is read, and what sizes it likes."""

    key: str
    title: str
    pipeline: str
    config: str
    normed: bool
    """Whether the text encoder's final norm is applied (Stable Diffusion 1 does, SDXL does not)."""
    skip: int
    """The hidden state that is used without clip skip, counted from the end."""
    native: int
    """Pixels of one side the model was trained for."""
    skips: bool = True
    """Whether clip skip makes sense: a text encoder of two layers has none to spare."""

    flow: tuple[str, ...] = ()
    """For models of flow matching (text goes to them as it is): the solvers that can be used."""
    grid: int = 8
    """Sizes of pictures are multiples of this."""
    ecosystems: tuple[str, ...] = ()
    """Ecosystems of the catalogue whose files have it; its own key when empty."""
    tokens: int = 0
    """How much of a prompt T5 reads, where there is one."""

    @property
    def folder(self) -> Path:
        """The configuration that stands in for what single files do not say."""
        return CONFIGS / self.config


SD1: Final = Family("sd1", "Stable Diffusion 1.x", "StableDiffusionPipeline", "sd1", True, 1, 512)
SDXL: Final = Family("sdxl", "SDXL", "StableDiffusionXLPipeline", "sdxl", False, 2, 1024)
TESSERA: Final = Family("tessera", "Tessera", "StableDiffusionPipeline", "tessera", True, 1, 64, skips=False)
SD3: Final = Family(
    "sd3", "Stable Diffusion 3", "StableDiffusion3Pipeline", "sd3", False, 2, 1024, skips=False,
    flow=("euler", "dpmpp_2m", "unipc"), grid=16, ecosystems=("sd3", "sd3_5m"), tokens=256,
)  # fmt: skip
FLUX: Final = Family(
    "flux1", "Flux.1", "FluxPipeline", "flux1", False, 1, 1024, skips=False, flow=("euler",), grid=16,
    ecosystems=("flux1", "fluxkrea"), tokens=512,
)  # fmt: skip
FAMILIES: Final = {family.key: family for family in (SD1, SDXL, TESSERA, SD3, FLUX)}

PLAIN_CHANNELS: Final = 4
MASKED_CHANNELS: Final = 9
"""Of inpainting models: latents, the mask, and the latents of what is kept."""

UNET: Final = "model.diffusion_model."
FLOWS: Final = (
    ("double_blocks.0.img_attn.qkv.weight", "time_in.in_layer.weight", FLUX),
    ("joint_blocks.0.x_block.attn.qkv.weight", "y_embedder.mlp.0.weight", SD3),
)
_STRANGERS: Final = (
    ("distilled_guidance_layer.in_proj.weight", "Chroma"),
    ("double_stream_modulation_img.lin.weight", "Flux.2"),
    ("double_blocks.0.img_attn.qkv.weight", "a relative of Flux"),
    ("joint_blocks.0.x_block.attn.qkv.weight", "a relative of Stable Diffusion 3"),
    ("cap_embedder.0.weight", "Lumina"),
    ("input_blocks.0.0.weight", "a Stable Diffusion 2 or other U-Net"),
)


def read_shapes(path: Path, title: str) -> Shapes:
    """Names and shapes of all tensors of a .safetensors file, from its header. Raises `WeightsCorrupt`."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            prefix = file.read(8)
            prefix += file.read(header_end(prefix, size) - 8)
        layout = parse(prefix, size)
    except (OSError, Invalid) as error:
        raise WeightsCorrupt(f"{title} is no whole .safetensors file: {error}") from error
    return {tensor.name: tensor.shape for tensor in layout.tensors}


def channels(shapes: Shapes) -> int:
    """What the U-Net of a single file takes in: 4 channels, or 9 when a mask and what lies around it are among them."""
    found = shapes.get(UNET + "input_blocks.0.0.weight", ())
    return found[1] if len(found) == 4 else PLAIN_CHANNELS


def of_shapes(shapes: Shapes, name: str = "The file") -> Family:
    """The family of a single-file checkpoint. Raises `ModelUnsupported` and says what it seems to be instead."""
    if channels(shapes) not in (PLAIN_CHANNELS, MASKED_CHANNELS):
        raise ModelUnsupported(
            f"{name} has a U-Net that takes {channels(shapes)} channels, as models do that edit a picture by "
            "instruction or by depth; those are not run here."
        )
    attention = next((k for k in shapes if k.startswith(UNET) and k.endswith("attn2.to_k.weight")), "")
    width = shapes[attention][-1] if attention else 0
    if any(k.startswith("conditioner.embedders.1.model.") for k in shapes) and width == 2048:
        return SDXL
    if any(k.startswith("cond_stage_model.transformer.") for k in shapes):
        if width == 768:
            return SD1
        if width == 128 and UNET + "input_blocks.0.0.weight" in shapes:
            return TESSERA
    for first, second, family in FLOWS:
        if any(prefix + first in shapes and prefix + second in shapes for prefix in ("", UNET)):
            if any(k.endswith((".scale_weight", "scaled_fp8", ".absmax")) for k in shapes):
                raise ModelUnsupported(
                    f"{name} is quantised in a way that is not read here; take a file in 16 bits or plain float8."
                )
            return family
    for mark, title in _STRANGERS:
        if mark in shapes or UNET + mark in shapes:
            raise ModelUnsupported(
                f"{name} looks like {title}, which cannot be loaded from a single file here; "
                "use it as a folder in diffusers' format."
            )
    raise ModelUnsupported(f"{name} is not a checkpoint of a known kind: its weights have unfamiliar names.")
