"""From a file or folder of weights to a pipeline that runs, without the network."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civitas.engines.diffusers import families, flow, gguf_weights
from civitas.engines.diffusers.device import Policy
from civitas.engines.diffusers.errors import ModelUnsupported, OutOfMemory, WeightsCorrupt
from civitas.engines.diffusers.loras import Patches
from civitas.engines.diffusers.requests import Encoder, Weights
from civitas.engines.diffusers.tensors import read_tensors
from civitas.engines.diffusers.tokenizers import clip_tokenizer
from civitas.kit.errors import Fault

if TYPE_CHECKING:
    import torch


@dataclass(slots=True)
class Loaded:
    """A model in memory: its pipeline, its family when it has one of ours, its adapters, its own noise schedule."""

    pipe: Any
    family: families.Family | None
    schedule: dict[str, Any]
    patches: Patches
    size: int
    others: dict[str, Any] = field(default_factory=dict)
    """Pipelines for other tasks, made of the same parts."""

    @property
    def paints(self) -> bool:
        """Whether it was made for inpainting: its U-Net is given the mask and what lies around it."""
        unet = getattr(self.pipe, "unet", None)
        return unet is not None and unet.config.in_channels == families.MASKED_CHANNELS

    def task(self, name: str, **parts: Any) -> Any:
        """The pipeline of another class of diffusers with this model's parts (and `parts`)."""
        if parts:
            return _other(self.pipe, name, parts)
        if name not in self.others:
            self.others[name] = _other(self.pipe, name, {})
        return self.others[name]

    def close(self) -> None:
        """Let go of the weights."""
        self.others.clear()
        self.patches.kept.clear()
        self.pipe = None


def _other(pipe: Any, name: str, parts: dict[str, Any]) -> Any:
    import diffusers

    kind = getattr(diffusers, name)
    known = inspect.signature(kind.__init__).parameters
    given = {**pipe.components, **parts}
    if "requires_safety_checker" in known:
        given["requires_safety_checker"] = False
    made = kind(**{k: v for k, v in given.items() if k in known})
    made.set_progress_bar_config(disable=True)
    return made


def expected_size(weights: Weights, dtype: torch.dtype, beside: flow.Beside | None = None) -> int:
    """About how many bytes the weights of a file or folder take once loaded in `dtype`, with what comes from `beside` it."""
    import torch

    path = weights.path
    if path.is_dir():
        return sum(f.stat().st_size for f in path.rglob("*.safetensors"))
    if path.suffix == gguf_weights.SUFFIX and beside is not None:
        shapes = gguf_weights.read_shapes(path, weights.title)
        return path.stat().st_size + _beside(weights, shapes, beside)
    if path.suffix != ".safetensors":
        return path.stat().st_size if path.exists() else 0
    count = 0
    shapes = families.read_shapes(path, weights.title)
    for shape in shapes.values():
        size = 1
        for side in shape:
            size *= side
        count += size
    more = _beside(weights, shapes, beside) if beside is not None else 0
    return count * int(torch.finfo(dtype).bits) // 8 + more


def _beside(weights: Weights, shapes: families.Shapes, beside: flow.Beside) -> int:
    family = next((f for first, _, f in families.FLOWS if {first, families.UNET + first} & set(shapes)), None)
    return flow.size(weights, family, shapes, beside) if family is not None else 0


def load(
    checkpoint: Weights,
    vae: Weights | None,
    *,
    policy: Policy,
    device: torch.device,
    dtype: torch.dtype,
    encoders: tuple[Encoder, ...] = (),
) -> Loaded:
    """The model, on its device; models of flow matching in bfloat16 where others are in float16, which is too narrow for them.

    Raises `WeightsCorrupt`, `ModelUnsupported`, `PartsMissing`, `OutOfMemory`.
    """
    wide = policy.dtype == "auto" and device.type != "cpu"
    with reading(checkpoint):
        if checkpoint.path.is_dir():
            pipe, family = _folder(checkpoint, dtype, wide=wide)
        else:
            pipe, family = _file(
                checkpoint, dtype, beside=flow.Beside(policy.parts, encoders), vae=vae is not None, wide=wide
            )
    if vae is not None:
        with reading(vae):
            pipe.register_modules(vae=_vae(vae, pipe, family, getattr(pipe, "dtype", dtype)))
    pipe.set_progress_bar_config(disable=True)
    with reading(checkpoint):
        if policy.offload and device.type != "cpu":
            pipe.enable_model_cpu_offload(device=device)
        else:
            pipe.to(device)
    if getattr(pipe, "vae", None) is not None and hasattr(pipe.vae, "enable_slicing"):
        pipe.vae.enable_slicing()
    size = sum(_bytes(part) for part in pipe.components.values())
    return Loaded(pipe, family, dict(pipe.scheduler.config), Patches(pipe), size)


@contextmanager
def reading(weights: Weights) -> Iterator[None]:
    """Turns whatever libraries raise while they read weights into a fault that names the file."""
    try:
        yield
    except Fault:
        raise
    except MemoryError as error:
        raise OutOfMemory(f"There is not enough memory to load {weights.title}.") from error
    except Exception as error:
        if is_memory(error):
            raise OutOfMemory(f"There is not enough memory to load {weights.title}.") from error
        raise WeightsCorrupt(f"{weights.title} cannot be loaded: {_line(error)}") from error


def is_memory(error: BaseException) -> bool:
    """Whether an exception of torch means that memory ran out, on any device."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(
        mark in text
        for mark in ("can't allocate memory", "out of memory", "not enough memory", "Cannot allocate")
    )


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _file(
    checkpoint: Weights, dtype: torch.dtype, *, beside: flow.Beside, vae: bool, wide: bool
) -> tuple[Any, families.Family]:
    import torch

    path = checkpoint.path
    packed = path.suffix == gguf_weights.SUFFIX
    if packed:
        shapes = gguf_weights.read_shapes(path, checkpoint.title)
    elif path.suffix == ".safetensors":
        shapes = families.read_shapes(path, checkpoint.title)
    else:
        shapes = {name: tuple(tensor.shape) for name, tensor in read_tensors(path, checkpoint.title).items()}
    family = families.of_shapes(shapes, checkpoint.title)
    if family.flow:
        dtype = torch.bfloat16 if wide else dtype
        return flow.load(checkpoint, family, shapes, beside=beside, dtype=dtype, vae=vae), family
    if packed:
        raise ModelUnsupported(
            f"{checkpoint.title} is a GGUF file of {family.title}; here only Flux.1 and Stable Diffusion 3 are read from those."
        )
    return from_file(path, family, families.channels(shapes), dtype), family


def from_file(path: Path, family: families.Family, channels: int, dtype: torch.dtype) -> Any:
    """The pipeline of a single file with a U-Net that takes so many channels, in the configuration of its family."""
    import diffusers

    given: dict[str, Any] = {}
    if family.key != "tessera":
        given["tokenizer"] = clip_tokenizer()
    if family.key == "sdxl":
        given["tokenizer_2"] = clip_tokenizer(pad="!")
    if family.pipeline == "StableDiffusionPipeline":
        given["safety_checker"] = None
    if channels != families.PLAIN_CHANNELS:
        given["unet"] = diffusers.UNet2DConditionModel.from_single_file(
            str(path), config=str(family.folder), subfolder="unet", dtype=dtype, local_files_only=True,
            in_channels=channels,
        )  # fmt: skip
    return getattr(diffusers, family.pipeline).from_single_file(
        str(path), config=str(family.folder), dtype=dtype, local_files_only=True, **given
    )


def _folder(checkpoint: Weights, dtype: torch.dtype, *, wide: bool) -> tuple[Any, families.Family | None]:
    import diffusers
    import torch

    index = checkpoint.path / "model_index.json"
    if not index.exists():
        raise ModelUnsupported(
            f"{checkpoint.title} is a folder without model_index.json, not a diffusers model."
        )
    if wide and json.loads(index.read_text()).get("_class_name") in (
        families.SD3.pipeline,
        families.FLUX.pipeline,
    ):
        dtype = torch.bfloat16
    extra = {"safety_checker": None} if (checkpoint.path / "safety_checker").exists() else {}
    pipe = diffusers.DiffusionPipeline.from_pretrained(
        str(checkpoint.path), dtype=dtype, local_files_only=True, use_safetensors=True, **extra
    )
    name = type(pipe).__name__.replace("Inpaint", "")
    if name == families.SDXL.pipeline:
        return pipe, families.SDXL
    for flowing in (families.SD3, families.FLUX):
        if name == flowing.pipeline:
            return pipe, flowing
    if name == families.SD1.pipeline:
        small = pipe.unet.config.cross_attention_dim == 128
        return pipe, families.TESSERA if small else families.SD1
    return pipe, None


def _vae(weights: Weights, pipe: Any, family: families.Family | None, dtype: torch.dtype) -> Any:
    import diffusers

    if family is not None and family.flow and not weights.path.is_dir():
        prefix = next(
            (p for p in ("first_stage_model.", "vae.") if any(k.startswith(p) for k in _names(weights))), ""
        )
        made = flow.build_vae(family, flow.read_part(weights.path, weights.title, prefix, dtype), dtype)
        # Flux takes each square of four latents as one.
        squares = 4 if family is families.FLUX else 1
        if made.config.latent_channels * squares != pipe.transformer.config.in_channels:
            raise ModelUnsupported(f"The VAE {weights.title} was made for another kind of model.")
        return made
    kind = getattr(diffusers, type(pipe.vae).__name__)
    if weights.path.is_dir():
        vae = kind.from_pretrained(str(weights.path), dtype=dtype, local_files_only=True)
    elif family is None:
        raise ModelUnsupported("Another VAE as a single file is only possible for Stable Diffusion models.")
    else:
        vae = kind.from_single_file(
            str(weights.path),
            config=str(family.folder),
            subfolder="vae",
            dtype=dtype,
            local_files_only=True,
        )
    if vae.config.latent_channels != pipe.vae.config.latent_channels:
        raise ModelUnsupported(f"The VAE {weights.title} was made for another kind of model.")
    return vae


def _names(weights: Weights) -> families.Shapes:
    return families.read_shapes(weights.path, weights.title)


def _bytes(part: Any) -> int:
    if not hasattr(part, "parameters"):
        return 0
    return sum(p.numel() * p.element_size() for p in part.parameters())
