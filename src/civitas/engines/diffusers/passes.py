"""One run of a pipeline for a few seeds: from text, from a picture, within a mask, under a ControlNet, and once more larger."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from civitas.engines.diffusers import pictures, previews
from civitas.engines.diffusers.conditioning import Conditioning
from civitas.engines.diffusers.errors import Cancelled, ModelUnsupported, WeightsCorrupt
from civitas.engines.diffusers.loading import Loaded
from civitas.engines.diffusers.requests import PictureRequest
from civitas.engines.diffusers.samplers import Choice

if TYPE_CHECKING:
    import torch

Tell = Callable[[int, int, list[bytes]], None]
"""Called after each step with the step, the number of steps, and previews when it is time for them."""


@dataclass(frozen=True, slots=True)
class Control:
    """A loaded ControlNet with its picture."""

    model: Any
    image: Image.Image
    weight: float
    start: float
    end: float
    mode: int | None = None
    """Which of several kinds of pictures it is, for a net that knows several."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What a run needs; `source` makes it image to image, `mask` (white may change) inpainting."""

    model: Loaded
    request: PictureRequest
    conditioning: Conditioning
    choice: Choice
    width: int
    height: int
    steps: int
    denoise: float = 1.0
    sources: tuple[Image.Image, ...] = ()
    mask: Image.Image | None = None
    control: Control | None = None


def run(work: Pass, seeds: Sequence[int], *, tell: Tell, cancelled: Callable[[], bool]) -> list[Image.Image]:
    """The pictures, one for each seed. Raises `Cancelled`, `WeightsCorrupt`, `ModelUnsupported`."""
    import torch

    pipe = _pipeline(work)
    if work.model.family is not None:
        pipe.scheduler = work.choice.build(work.model.schedule)
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    given = arguments(work, generators, len(seeds))
    hook = _Hook(work, pipe, seeds, tell, cancelled)
    given["callback_on_step_end"] = hook
    if work.mask is not None and not work.model.paints and not _flows(work):
        hook.keep_outside(work)
    known = inspect.signature(pipe.__call__).parameters
    if cancelled():
        raise Cancelled("The pictures were cancelled before they were begun.")
    # One pipeline samples the control picture without the generators: it is given the seed, and torch its own back.
    with torch.inference_mode(), torch.random.fork_rng(enabled=work.control is not None):
        if work.control is not None:
            torch.manual_seed(seeds[0])
        out = pipe(**{k: v for k, v in given.items() if k in known}, output_type="pt").images
    if not bool(torch.isfinite(out).all()):
        raise WeightsCorrupt(
            f"{work.request.checkpoint.title} makes numbers that are no picture; the file may be damaged, "
            "or the precision too low for it."
        )
    array = (out.float().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    made = [Image.fromarray(one) for one in array]
    if work.mask is not None:
        made = [
            pictures.blended(one, source, work.mask) for one, source in zip(made, work.sources, strict=True)
        ]
    return made


def _flows(work: Pass) -> bool:
    return work.model.family is not None and bool(work.model.family.flow)


def _pipeline(work: Pass) -> Any:
    family = work.model.family
    if family is None:
        if work.sources or work.control:
            raise ModelUnsupported("This model makes pictures from text only here.")
        return work.model.pipe
    if family.flow:
        way = "Inpaint" if work.mask is not None else "Img2Img" if work.sources else ""
        if work.control is None:
            return work.model.task(family.pipeline.replace("Pipeline", f"{way}Pipeline"))
        if way and family.key == "sd3":
            raise ModelUnsupported(
                "Stable Diffusion 3 follows a control picture from words only; leave out the picture to begin from."
            )
        name = family.pipeline.replace("Pipeline", f"ControlNet{way}Pipeline")
        return work.model.task(name, controlnet=work.control.model)
    stem = "StableDiffusionXL" if family.key == "sdxl" else "StableDiffusion"
    way = "Inpaint" if work.model.paints else "Img2Img" if work.sources else ""
    name = stem + ("ControlNet" if work.control else "") + way + "Pipeline"
    if work.control:
        return work.model.task(name, controlnet=work.control.model)
    return work.model.task(name)


def arguments(work: Pass, generators: list[torch.Generator], count: int) -> dict[str, Any]:
    """What the pipeline is called with for so many pictures."""
    given: dict[str, Any] = {
        **work.conditioning.repeated(count),
        "guidance_scale": work.request.cfg,
        "num_inference_steps": work.steps,
        "generator": generators,
        "num_images_per_prompt": 1,
    }
    if work.request.cfg <= 1:
        given = {k: v for k, v in given.items() if not k.startswith("negative_")}
    if work.control is not None:
        images = [work.control.image] * count
        beside = work.sources or work.model.paints or _flows(work)
        given["control_image" if beside else "image"] = images
        given["control_mode"] = work.control.mode
        given["controlnet_conditioning_scale"] = work.control.weight
        given["control_guidance_start"], given["control_guidance_end"] = work.control.start, work.control.end
    if _flows(work):
        assert work.model.family is not None
        given["width"], given["height"] = work.width, work.height
        given["max_sequence_length"] = _longest(work)
        if work.sources:
            given["image"], given["strength"] = list(work.sources), work.denoise
        if work.mask is not None:
            given["mask_image"] = [work.mask] * count
    elif work.model.paints:
        # Without a mask everything is painted, over grey when there is no picture either.
        size = (work.width, work.height)
        given["width"], given["height"] = size
        given["image"] = list(work.sources) or [Image.new("RGB", size, (127, 127, 127))] * count
        given["mask_image"] = [work.mask or Image.new("L", size, 255)] * count
        given["strength"] = work.denoise if work.sources else 1.0
    elif work.sources:
        given["image"], given["strength"] = list(work.sources), work.denoise
    else:
        given["width"], given["height"] = work.width, work.height
    return given


def _longest(work: Pass) -> int:
    """How many tokens T5 may read; the distilled Flux was trained for half as many."""
    family = work.model.family
    assert family is not None
    config = work.model.pipe.transformer.config
    return family.tokens // 2 if config.get("guidance_embeds") is False else family.tokens


class _Hook:
    """Runs between steps: tells, stops, shows, and puts back what lies outside the mask."""

    callbacks: tuple[Any, ...] = ()
    tensor_inputs = ("latents",)

    def __init__(
        self, work: Pass, pipe: Any, seeds: Sequence[int], tell: Tell, cancelled: Callable[[], bool]
    ) -> None:
        self.size = (work.width, work.height)
        self.pipe, self.seeds, self.tell, self.cancelled = pipe, seeds, tell, cancelled
        self.every = work.request.preview_every if work.model.family is not None else 0
        self.watch = previews.Watch(pipe.scheduler) if self.every else None
        self.outside: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None

    def keep_outside(self, work: Pass) -> None:
        """Prepare the latents of the source, noise for them, and the mask at their size."""
        import torch
        from torch.nn.functional import interpolate

        vae = self.pipe.vae
        pixels = self.pipe.image_processor.preprocess(list(work.sources)).to(
            device=vae.device, dtype=vae.dtype
        )
        assert work.mask is not None
        with torch.inference_mode():
            clean = (
                torch.cat([vae.encode(one[None]).latent_dist.mode() for one in pixels])
                * vae.config.scaling_factor
            )
        noise = torch.cat(
            [
                torch.randn(clean[:1].shape, generator=torch.Generator("cpu").manual_seed(s ^ 0x5EED))
                for s in self.seeds
            ]
        ).to(clean)
        mask = torch.frombuffer(bytearray(work.mask.tobytes()), dtype=torch.uint8)
        mask = mask.reshape(1, 1, work.mask.height, work.mask.width).float() / 255
        mask = interpolate(mask, size=clean.shape[-2:], mode="area").to(clean)
        self.outside = (clean, noise, (mask > 0.2).to(clean))

    def __call__(self, pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if self.cancelled():
            raise Cancelled("The pictures were cancelled while they were made.")
        total = int(getattr(pipe, "num_timesteps", 0) or len(pipe.scheduler.timesteps))
        if self.outside is not None:
            tensors["latents"] = self._put_back(pipe.scheduler, tensors["latents"], step, total)
        shown: list[bytes] = []
        due = self.every and (step + 1) % self.every == 0 and step + 1 < total
        if due and self.watch is not None and self.watch.clean is not None:
            shown = previews.decode(pipe, previews.unpacked(pipe, self.watch.clean, self.size))
        self.tell(step + 1, total, shown)
        return tensors

    def _put_back(self, scheduler: Any, latents: torch.Tensor, step: int, total: int) -> torch.Tensor:
        assert self.outside is not None
        clean, noise, mask = self.outside
        if step + 1 < total:
            times = scheduler.timesteps[-total:]
            at = times[step + 1]
            clean = scheduler.add_noise(clean, noise, at.reshape(1).repeat(len(clean)))
        return mask * latents + (1 - mask) * clean.to(latents.dtype)
