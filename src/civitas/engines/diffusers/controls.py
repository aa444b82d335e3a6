"""ControlNets: loaded beside the model they steer, and let go of with it."""

from __future__ import annotations

from typing import Any, Final

from civitas.engines.diffusers import families, flow_sizes
from civitas.engines.diffusers.errors import ModelUnsupported, RequestImpossible
from civitas.engines.diffusers.families import FLUX, SD3, Family
from civitas.engines.diffusers.loading import Loaded, reading
from civitas.engines.diffusers.requests import Weights
from civitas.engines.diffusers.tensors import read_tensors

_KINDS: Final = {SD3.key: "SD3ControlNetModel", FLUX.key: "FluxControlNetModel"}
# What a net of Flux for several kinds of pictures calls each of them, by how `textToImage` names the pictures.
_MODES: Final = {
    "canny": 0,
    "tile": 1,
    "depthZoe": 2,
    "depthAnything": 2,
    "depthAnythingV2": 2,
    "zoeDepthAnything": 2,
    "zoeDepth": 2,
    "midasDepth": 2,
    "leresDepth": 2,
    "metric3dDepth": 2,
    "openpose": 4,
    "dwpose": 4,
    "gray": 5,
}


def control_net(model: Loaded, weights: Weights) -> Any:
    """The ControlNet of a file or folder, on the model's device. Raises `WeightsCorrupt`, `ModelUnsupported`."""
    family = model.family
    if family is None:
        raise ModelUnsupported("This model does not take a ControlNet here.")
    if not weights.path.exists():
        raise RequestImpossible(f"The ControlNet {weights.title} is not on this machine.")
    key = f"control {weights.stamp}"
    if key in model.others:
        return model.others[key]
    with reading(weights):
        net = _flowing(model, family, weights) if family.flow else _plain(model, family, weights)
    for old in [k for k in model.others if k.startswith("control ")]:
        del model.others[old]
    model.others[key] = net
    return net


def mode_of(net: Any, kind: str, title: str) -> int | None:
    """The number by which a net for several kinds of pictures knows this one; None for a net that knows one only.

    Raises `RequestImpossible` when the kind is not said, or not one that it knows.
    """
    if not getattr(net, "union", False):
        return None
    mode = _MODES.get(kind)
    if mode is None or mode >= net.config.num_mode:
        raise RequestImpossible(
            f"The ControlNet {title} is for several kinds of pictures and does not know {kind or 'this one'}; say which kind "
            "the control picture is: canny, tile, depth, openpose or gray."
        )
    return mode


def _plain(model: Loaded, family: Family, weights: Weights) -> Any:
    import diffusers

    unet = model.pipe.unet
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
    return net.to(unet.device)


def _flowing(model: Loaded, family: Family, weights: Weights) -> Any:
    import diffusers

    kind, dtype = getattr(diffusers, _KINDS[family.key]), model.pipe.vae.dtype
    if weights.path.is_dir():
        net = kind.from_pretrained(str(weights.path), dtype=dtype, local_files_only=True)
    else:
        net = _from_file(kind, family, weights, dtype)
    config, wanted = net.config, model.pipe.transformer.config
    same = (
        "num_attention_heads",
        "attention_head_dim",
        "joint_attention_dim",
        "pooled_projection_dim",
        "in_channels",
    )
    if any(config[name] != wanted[name] for name in same if config[name] is not None):
        raise ModelUnsupported(f"The ControlNet {weights.title} was made for another kind of model.")
    if config.get("extra_conditioning_channels"):
        raise ModelUnsupported(
            f"The ControlNet {weights.title} fills what a mask leaves; use the model with a mask instead."
        )
    return net.to(model.pipe.vae.device)


def _from_file(kind: Any, family: Family, weights: Weights, dtype: Any) -> Any:
    """A net from one file: sizes are read off its weights, whose names must be diffusers'."""
    from accelerate import init_empty_weights  # type: ignore[import-untyped]

    if weights.path.suffix == ".safetensors":
        shapes = families.read_shapes(weights.path, weights.title)
        sizes = flow_sizes.control_flux(shapes) if family is FLUX else flow_sizes.control_sd3(shapes)
    else:
        sizes = {}
    if not sizes:
        raise ModelUnsupported(
            f"The ControlNet {weights.title} is not in the form that is read here for {family.title}: one .safetensors "
            "with diffusers' names, or a folder."
        )
    with init_empty_weights():
        net = kind(**sizes)
    found = read_tensors(weights.path, weights.title)
    net.load_state_dict({k: v.to(dtype) for k, v in found.items()}, assign=True)
    return net.eval()
