"""Reading files of weights: tensors or a fault, never code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civitas.engines.diffusers.errors import WeightsCorrupt

if TYPE_CHECKING:
    import torch


def read_tensors(path: Path, title: str) -> dict[str, torch.Tensor]:
    """All tensors of a .safetensors, .ckpt, .pt or .bin file, on the CPU.

    Pickles are read by torch's restricted reader, which makes tensors and refuses everything else. Raises `WeightsCorrupt`.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (
        SafetensorError,
        OSError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        pickle.UnpicklingError,
    ) as error:
        raise WeightsCorrupt(f"{title} cannot be read as weights: {_line(error)}") from error
    return flat(found)


def flat(found: Any) -> dict[str, torch.Tensor]:
    """The tensors of a nested mapping, under dotted names; `state_dict` at the top is left out of the name."""
    import torch

    out: dict[str, torch.Tensor] = {}

    def walk(value: Any, name: str) -> None:
        if isinstance(value, torch.Tensor):
            out[name] = value
        elif isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{name}.{key}" if name else str(key))

    walk(found.get("state_dict", found) if isinstance(found, dict) else found, "")
    return out


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
