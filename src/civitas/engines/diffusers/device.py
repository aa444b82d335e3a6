"""Where and how exactly the engine computes: device, precision, what may stay in memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from civitas.engines.diffusers.errors import ExtraMissing, RequestImpossible

if TYPE_CHECKING:
    import torch

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Policy:
    """How the engine uses the machine.

    `memory` bounds the weights that are kept, in bytes; None takes two thirds of what the device has. `offload` keeps
    models in main memory and moves each part to the GPU when its turn comes. `threads` is for the CPU; 0 leaves torch's own.
    """

    device: str = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    memory: int | None = None
    offload: bool = False
    threads: int = 0
    max_pixels: int = 4096 * 4096
    parts: Path | None = None
    """A folder with what files of Stable Diffusion 3 and Flux are often without: text encoders, T5's tokenizer, a VAE."""


def begin() -> Any:
    """Import torch and diffusers, offline. Gives back torch. Raises `ExtraMissing` with what to install."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    try:
        import diffusers
        import torch
        import transformers
    except ImportError as error:
        raise ExtraMissing(
            f"This machine cannot make pictures: {error.name or error} is not installed. "
            "Run: pip install 'civitas[generate]'."
        ) from error
    diffusers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()
    return torch


def device_of(policy: Policy) -> torch.device:
    """The device that is meant. Raises `RequestImpossible` when it is not there."""
    import torch

    if policy.device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(policy.device)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise RequestImpossible(f"The device {policy.device!r} is not there: {error}") from error
    return device


def dtype_of(policy: Policy, device: torch.device) -> torch.dtype:
    """float16 on a GPU, float32 on a CPU, unless the policy says otherwise."""
    import torch

    if policy.dtype != "auto":
        chosen: torch.dtype = getattr(torch, policy.dtype)
        return chosen
    return torch.float16 if device.type in ("cuda", "mps") else torch.float32


def budget_of(policy: Policy, device: torch.device) -> int:
    """Bytes of weights that may be kept."""
    import torch

    if policy.memory is not None:
        return policy.memory
    if device.type == "cuda" and not policy.offload:
        return int(torch.cuda.get_device_properties(device).total_memory * 2 / 3)
    try:
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 2 / 3)
    except (ValueError, OSError, AttributeError):
        return 8 * GIB
