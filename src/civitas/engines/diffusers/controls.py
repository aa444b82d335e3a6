"""ControlNets: loaded beside the model they steer, and let go of with it."""

from __future__ import annotations

from typing import Any

from civitas.engines.diffusers.errors import ModelUnsupported, RequestImpossible
from civitas.engines.diffusers.loading import Loaded, reading
from civitas.engines.diffusers.requests import Weights


def control_net(model: Loaded, weights: Weights) -> Any:
    """The ControlNet of a file or folder, on the model's device. Raises `WeightsCorrupt`, `ModelUnsupported`."""
    import diffusers

    family = model.family
    if family is None or family.flow:
        raise ModelUnsupported("This model does not take a ControlNet here.")
    if not weights.path.exists():
        raise RequestImpossible(f"The ControlNet {weights.title} is not on this machine.")
    key = f"control {weights.stamp}"
    if key in model.others:
        return model.others[key]
    unet = model.pipe.unet
    with reading(weights):
        if weights.path.is_dir():
            net = diffusers.ControlNetModel.from_pretrained(
                str(weights.path), dtype=unet.dtype, local_files_only=True
            )
        elif (family.folder / "controlnet").is_dir():
            net = diffusers.ControlNetModel.from_single_file(
                str(weights.path), config=str(family.folder), subfolder="controlnet", dtype=unet.dtype,
                local_files_only=True,
            )  # fmt: skip
        else:
            raise ModelUnsupported(f"A ControlNet for {family.title} must be a folder in diffusers' format.")
        if net.config.cross_attention_dim != unet.config.cross_attention_dim:
            raise ModelUnsupported(f"The ControlNet {weights.title} was made for another kind of model.")
        net.to(unet.device)
    for old in [k for k in model.others if k.startswith("control ")]:
        del model.others[old]
    model.others[key] = net
    return net
