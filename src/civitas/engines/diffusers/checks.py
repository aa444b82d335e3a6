"""Bounds of a request: what is bent into shape with a notice, and what is refused."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Final

from civitas.engines.diffusers.errors import OutOfMemory, RequestImpossible
from civitas.engines.diffusers.requests import MAX_SEED, Notice, PictureRequest

MAX_STEPS: Final = 150
MAX_CFG: Final = 30.0
MAX_PICTURES: Final = 64
GRID: Final = 8
_DISTILLED: Final = (
    (re.compile(r"lcm", re.IGNORECASE), "lcm", 6),
    (re.compile(r"tcd|hyper", re.IGNORECASE), "tcd", 8),
    (re.compile(r"lightning|turbo|dmd", re.IGNORECASE), "euler", 8),
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A request within bounds, and what had to be changed for that."""

    request: PictureRequest
    notices: tuple[Notice, ...]


def check(request: PictureRequest, *, max_pixels: int) -> Checked:
    """Bring a request within bounds. Raises `RequestImpossible` and `OutOfMemory` for what cannot be."""
    _refuse(request)
    notices: list[Notice] = []
    request = _drafted(request, notices) if request.draft else request

    def bounded(name: str, value: float, low: float, high: float) -> float:
        kept = min(high, max(low, value))
        if kept != value:
            notices.append(Notice("clamped", f"{name} {value:g} is out of bounds; {kept:g} was used."))
        return kept

    width, height = (
        int(bounded(name, max(GRID, round(value / GRID) * GRID), GRID, 16384))
        for name, value in (("Width", request.width), ("Height", request.height))
    )
    if (width, height) != (request.width, request.height):
        notices.append(
            Notice(
                "size_rounded",
                f"{request.width}x{request.height} was rounded to {width}x{height}: sizes are multiples of {GRID}.",
            )
        )
    steps = int(bounded("Steps", request.steps, 1, MAX_STEPS))
    denoise = bounded("Denoise", request.denoise, 0.0, 1.0)
    if request.source is not None and int(steps * denoise) < 1:
        notices.append(
            Notice(
                "denoise_raised", f"Denoise {denoise:g} of {steps} steps is less than one; one step is done."
            )
        )
        denoise = min(1.0, 1 / steps + 1e-6)
    hires = request.hires
    if hires is not None:
        scale = bounded("Hires scale", hires.scale, 1.0, 4.0)
        hires = replace(hires, scale=scale, denoise=bounded("Hires denoise", hires.denoise, 0.05, 1.0))
    largest = width * height * (hires.scale**2 if hires else 1)
    if largest > max_pixels:
        raise OutOfMemory(
            f"{width}x{height}{' enlarged' if hires else ''} is {largest / 1e6:.1f} million pixels; "
            f"this machine allows {max_pixels / 1e6:.1f} million."
        )
    request = replace(
        request,
        width=width,
        height=height,
        steps=steps,
        cfg=bounded("CFG", request.cfg, 0.0, MAX_CFG),
        denoise=denoise,
        clip_skip=int(bounded("Clip skip", request.clip_skip, 1, 12)),
        batch=max(1, request.batch),
        hires=hires,
    )
    return Checked(request, tuple(notices))


def _refuse(request: PictureRequest) -> None:
    if not request.seeds:
        raise RequestImpossible("There is nothing to make: give one seed for each picture.")
    if len(request.seeds) > MAX_PICTURES:
        raise RequestImpossible(f"At most {MAX_PICTURES} pictures can be made by one request.")
    if any(not 0 <= seed <= MAX_SEED for seed in request.seeds):
        raise RequestImpossible(f"A seed is a whole number from 0 to {MAX_SEED}.")
    if request.mask is not None and request.source is None:
        raise RequestImpossible("A mask needs a source picture to change.")
    for name, value in (("CFG", request.cfg), ("denoise", request.denoise)):
        if not math.isfinite(value):
            raise RequestImpossible(f"{name} must be a number.")


def _drafted(request: PictureRequest, notices: list[Notice]) -> PictureRequest:
    for lora in request.loras:
        for pattern, sampler, steps in _DISTILLED:
            if pattern.search(lora.title) or pattern.search(lora.path.stem):
                notices.append(
                    Notice("draft", f"A draft with {lora.title}: {steps} steps of {sampler.upper()}, CFG 1.")
                )
                schedule = "sgm_uniform" if sampler == "euler" else ""
                return replace(request, steps=steps, cfg=1.0, sampler=sampler, schedule=schedule)
    steps = min(request.steps, 8)
    notices.append(Notice("draft", f"A draft without a distilled LoRA: {steps} steps of DPM++ 2M Karras."))
    return replace(request, steps=steps, sampler="dpmpp_2m", schedule="karras")
