"""Small pictures of what a run is heading for, guessed from the middle of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from civitas.engines.diffusers import pictures

if TYPE_CHECKING:
    import torch

SIDE = 32
"""Latents are shrunk to this before they are decoded: a preview costs little, whatever the size of the picture."""


class Watch:
    """Stands between a pipeline and its scheduler and remembers the clean latents that the last step implied."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        self.clean: torch.Tensor | None = None
        self._step = scheduler.step
        # Pipelines look at the signature of `step` to find out whether it takes their random generators.
        scheduler.step = functools.wraps(self._step)(self._watched_step())

    def _watched_step(self) -> Callable[..., Any]:
        def step(
            model_output: torch.Tensor, timestep: Any, sample: torch.Tensor, *rest: Any, **named: Any
        ) -> Any:
            before = getattr(self.scheduler, "step_index", None)
            self.clean = self._guess(model_output, timestep, sample, before)
            return self._step(model_output, timestep, sample, *rest, **named)

        return step

    def _guess(
        self, output: torch.Tensor, timestep: Any, sample: torch.Tensor, index: int | None
    ) -> torch.Tensor | None:
        sigmas = getattr(self.scheduler, "sigmas", None)
        if sigmas is not None and _flows(self.scheduler):
            at = index if index is not None else (getattr(self.scheduler, "begin_index", None) or 0)
            return sample - sigmas[min(at, len(sigmas) - 1)].to(sample) * output
        kind = getattr(self.scheduler.config, "prediction_type", "epsilon")
        scaled = float(getattr(self.scheduler, "init_noise_sigma", 1.0)) > 1.01
        if scaled and sigmas is not None:
            at = index if index is not None else 0
            sigma = sigmas[min(at, len(sigmas) - 1)].to(sample)
            if kind == "epsilon":
                return sample - sigma * output
            if kind == "v_prediction":
                return sample / (sigma**2 + 1) - output * sigma / (sigma**2 + 1) ** 0.5
            return output
        table = getattr(self.scheduler, "alphas_cumprod", None)
        if table is None:
            return None
        alpha = table[int(timestep)].to(sample)
        if kind == "epsilon":
            return (sample - (1 - alpha) ** 0.5 * output) / alpha**0.5
        if kind == "v_prediction":
            return alpha**0.5 * sample - (1 - alpha) ** 0.5 * output
        return output


def _flows(scheduler: Any) -> bool:
    """Whether a sample is a mixture of picture and noise on a straight line between both."""
    return type(scheduler).__name__.startswith("FlowMatch") or bool(
        scheduler.config.get("use_flow_sigmas", False)
    )


def unpacked(pipe: Any, clean: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Latents as the VAE takes them: Flux has them in rows of patches."""
    if clean.ndim != 3:
        return clean
    made: torch.Tensor = pipe._unpack_latents(clean, size[1], size[0], pipe.vae_scale_factor)
    return made


def decode(pipe: Any, clean: torch.Tensor) -> list[bytes]:
    """One small JPEG for each of the clean latents."""
    import torch
    from torch.nn.functional import interpolate

    vae = pipe.vae
    latents = clean.detach()
    longest = max(latents.shape[-2:])
    if longest > SIDE:
        latents = interpolate(latents.float(), scale_factor=SIDE / longest, mode="area").to(clean.dtype)
    with torch.no_grad():
        shift = getattr(vae.config, "shift_factor", None) or 0.0
        raw = vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor + shift, return_dict=False)[0]
    made = pipe.image_processor.postprocess(raw.float().nan_to_num(), output_type="pil")
    return [pictures.thumbnail(picture) for picture in made]
