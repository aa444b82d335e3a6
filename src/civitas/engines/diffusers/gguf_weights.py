"""Checkpoints in the GGUF container: weights that stay quantised in memory and are unpacked as they are used.

Only the transformers of Stable Diffusion 3 and Flux are published like that in a form that diffusers runs.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Final

from civitas.engines.diffusers.errors import ExtraMissing, WeightsCorrupt
from civitas.engines.diffusers.families import Shapes
from civitas.kit import gguf
from civitas.kit.errors import Fault

if TYPE_CHECKING:
    import torch

SUFFIX: Final = ".gguf"


def installed() -> bool:
    """Whether the reader of these files (the extra `gguf`) is there. Imports nothing."""
    return importlib.util.find_spec("gguf") is not None


def read_shapes(path: Path, title: str) -> Shapes:
    """Names and shapes of all tensors, unpacked, from the header. Raises `WeightsCorrupt`."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            layout = gguf.parse(file.read(min(size, gguf.MAX_PREFIX)), size)
    except (OSError, Fault) as error:
        raise WeightsCorrupt(f"{title} is no whole GGUF file: {error}") from error
    return {tensor.name: tensor.shape for tensor in layout.tensors}


def read_tensors(path: Path, title: str, prefix: str) -> dict[str, torch.Tensor]:
    """The weights below a prefix, without it, quantised as they are in the file.

    Raises `ExtraMissing`, and `WeightsCorrupt` for a file that is damaged or quantised in a way that nothing here unpacks.
    """
    if not installed():
        raise ExtraMissing(f"{title} is a GGUF file; reading those needs pip install 'civitas[gguf]'.")
    from diffusers.models.model_loading_utils import load_gguf_checkpoint

    try:
        found = load_gguf_checkpoint(str(path), return_tensors=True)
    except Exception as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise WeightsCorrupt(f"{title} cannot be read as a GGUF file: {line}") from error
    # Only matrices stay as they are: nothing else is unpacked as it is used.
    return {
        k.removeprefix(prefix): v if len(shape_of(v)) == 2 else whole(v)
        for k, v in found.items()
        if k.startswith(prefix)
    }


def shape_of(weight: torch.Tensor) -> tuple[int, ...]:
    """The shape of a weight as it is when unpacked."""
    return tuple(getattr(weight, "quant_shape", weight.shape))


def whole(weight: torch.Tensor) -> torch.Tensor:
    """The weight unpacked, when it is quantised; else itself."""
    if not hasattr(weight, "quant_type"):
        return weight
    from diffusers.quantizers.gguf.utils import dequantize_gguf_tensor

    unpacked: torch.Tensor = dequantize_gguf_tensor(weight)
    return unpacked
