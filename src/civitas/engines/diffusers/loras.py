"""Adapters (LoRA, LoCon, LoHa, LoKr, DoRA, full differences) as changes of weights that can be taken back exactly.

Each layer an adapter names gets W + sum(strength * change); the untouched W is kept aside, so another set of adapters
is a matter of additions, never of loading the checkpoint again, and an empty set restores every bit. Kohya's, LyCORIS',
diffusers' and peft's names are understood.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from civitas.engines.diffusers import layout
from civitas.engines.diffusers.errors import ModelUnsupported
from civitas.engines.diffusers.requests import Lora, Notice
from civitas.engines.diffusers.tensors import read_tensors

if TYPE_CHECKING:
    import torch

Factors = dict[str, "torch.Tensor"]

_SUFFIXES: Final[Mapping[str, str]] = {
    ".lora_down.weight": "down",
    ".lora_up.weight": "up",
    ".lora_mid.weight": "mid",
    ".lora_A.weight": "down",
    ".lora_B.weight": "up",
    ".lora_A.default.weight": "down",
    ".lora_B.default.weight": "up",
    ".lora.down.weight": "down",
    ".lora.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    ".alpha": "alpha",
    ".dora_scale": "magnitude",
    ".lora_magnitude_vector": "magnitude",
    ".lora_magnitude_vector.weight": "magnitude",
    ".lora_magnitude_vector.default.weight": "magnitude",
    ".diff": "diff",
    ".diff_b": "diff_b",
    **{f".hada_{name}": f"hada_{name}" for name in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")},
    **{f".lokr_{name}": f"lokr_{name}" for name in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")},
}
_TEXT: Final = ("text_encoder", "text_encoder_2", "text_encoder_3")
_KEPT_FILES: Final = 16


@dataclass(slots=True)
class Adapter:
    """What a file of an adapter says, by the name of the layer in the file."""

    layers: dict[str, Factors]
    unread: int = 0
    """Tensors whose names mean nothing to us."""


def read_adapter(path: Path, title: str) -> Adapter:
    """Read a file of an adapter. Raises `WeightsCorrupt`, or `ModelUnsupported` when nothing in it is known."""
    adapter = Adapter({})
    for key, value in read_tensors(path, title).items():
        suffix = next((s for s in _SUFFIXES if key.endswith(s)), None)
        if suffix is None:
            adapter.unread += 1
            continue
        adapter.layers.setdefault(key.removesuffix(suffix), {})[_SUFFIXES[suffix]] = value
    if not adapter.layers:
        raise ModelUnsupported(
            f"{title} is no LoRA of a known kind: none of its weights has a familiar name."
        )
    return adapter


def change(factors: Factors, weight: torch.Tensor) -> torch.Tensor:
    """What the adapter adds to `weight` at strength one, in float32 and the weight's shape.

    Raises ValueError when the factors do not make that shape, KeyError when some are missing.
    """
    import torch

    made = {k: v.to(device=weight.device, dtype=torch.float32) for k, v in factors.items()}
    base = weight.to(torch.float32)
    if "diff" in made:
        delta = made["diff"]
    elif "hada_w1_a" in made:
        delta = _loha(made) * _scale(made, made["hada_w1_b"].shape[0])
    elif "lokr_w1" in made or "lokr_w1_a" in made:
        delta = _lokr(made)
    else:
        delta = _lora(made, base) * _scale(made, made["down"].shape[0])
    if delta.numel() != base.numel():
        raise ValueError(f"{tuple(delta.shape)} does not fit {tuple(base.shape)}")
    delta = delta.reshape(base.shape)
    if "magnitude" in made:
        delta = _dora(base, delta, made["magnitude"]) - base
    return delta


def _scale(made: Factors, rank: int) -> float:
    return float(made["alpha"]) / rank if "alpha" in made else 1.0


def _lora(made: Factors, base: torch.Tensor) -> torch.Tensor:
    import torch

    up, down = made["up"], made["down"]
    if "mid" in made:
        up = up.reshape(up.shape[0], up.shape[1])
        down = down.reshape(down.shape[0], down.shape[1])
        return torch.einsum("or,rskl,si->oikl", up, made["mid"], down)
    if up.ndim == 4 and up.shape[2:] != (1, 1):
        raise ValueError("the second factor is a convolution")
    return up.flatten(1) @ down.flatten(1)


def _loha(made: Factors) -> torch.Tensor:
    import torch

    if "hada_t1" in made:
        one = torch.einsum("ijkl,jr,ip->prkl", made["hada_t1"], made["hada_w1_b"], made["hada_w1_a"])
        two = torch.einsum("ijkl,jr,ip->prkl", made["hada_t2"], made["hada_w2_b"], made["hada_w2_a"])
        return one * two
    return (made["hada_w1_a"] @ made["hada_w1_b"]) * (made["hada_w2_a"] @ made["hada_w2_b"])


def _lokr(made: Factors) -> torch.Tensor:
    import torch

    rank = 0
    parts = []
    for side in ("w1", "w2"):
        whole = made.get(f"lokr_{side}")
        if whole is None:
            a, b = made[f"lokr_{side}_a"], made[f"lokr_{side}_b"]
            rank = b.shape[0]
            if side == "w2" and "lokr_t2" in made:
                whole = torch.einsum("ijkl,ip,jr->prkl", made["lokr_t2"], a, b)
            else:
                whole = a @ b.flatten(1)
                if b.ndim == 4:
                    whole = whole.reshape(a.shape[0], b.shape[1], *b.shape[2:])
        parts.append(whole)
    one, two = parts
    if two.ndim == 4 and one.ndim == 2:
        one = one[..., None, None]
    return torch.kron(one, two) * (_scale(made, rank) if rank else 1.0)


def _dora(base: torch.Tensor, delta: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
    moved = base + delta
    flat = moved.flatten(1)
    if magnitude.numel() == base.shape[0] and (magnitude.ndim == 1 or magnitude.shape[0] == base.shape[0]):
        lengths = flat.norm(dim=1).reshape(-1, *([1] * (base.ndim - 1)))
        wanted = magnitude.reshape(lengths.shape)
    else:
        lengths = moved.transpose(0, 1).flatten(1).norm(dim=1).reshape(1, -1, *([1] * (base.ndim - 2)))
        wanted = magnitude.reshape(lengths.shape)
    return moved * (wanted / lengths.clamp(min=1e-12))


def layer_names(pipe: Any) -> dict[str, tuple[str, Any]]:
    """Every name by which a file can mean a layer of the pipeline: name -> (component, layer)."""
    names: dict[str, tuple[str, Any]] = {}
    for part, module in _layers(pipe, "unet"):
        for dotted in (part, *_original(pipe.unet, part)):
            names["lora_unet_" + dotted.replace(".", "_")] = ("unet", module)
        names["unet." + part] = ("unet", module)
        for dotted in _original(pipe.unet, part):
            names["diffusion_model." + dotted] = ("unet", module)
    for part, module in _layers(pipe, "transformer"):
        for name in (f"transformer.{part}", f"diffusion_model.{part}", "lora_unet_" + part.replace(".", "_")):
            names[name] = ("transformer", module)
    for number, component in enumerate(_TEXT, start=1):
        for part, module in _layers(pipe, component):
            long = part if part.startswith("text_model.") else "text_model." + part
            flat = long.replace(".", "_")
            names[f"lora_te{number}_{flat}"] = (component, module)
            if number == 1:
                names[f"lora_te_{flat}"] = (component, module)
            names[f"{component}.{long}"] = names[f"{component}.{part}"] = (component, module)
    return names


def _layers(pipe: Any, component: str) -> Iterator[tuple[str, Any]]:
    model = getattr(pipe, component, None)
    for name, module in model.named_modules() if model is not None else ():
        if name and getattr(module, "weight", None) is not None and not list(module.children()):
            yield name, module


def _original(unet: Any, part: str) -> list[str]:
    layers = unet.config.layers_per_block
    if not isinstance(layers, int):
        return []
    attended = {i for i, name in enumerate(unet.config.up_block_types) if "CrossAttn" in name}
    try:
        return [layout.unet_key(part + ".weight", layers, attended).removesuffix(".weight")]
    except KeyError:
        return []


@dataclass(slots=True)
class Patches:
    """The adapters of one loaded model: which are in, and the weights as they were without."""

    pipe: Any
    names: dict[str, tuple[str, Any]] = field(default_factory=dict)
    kept: dict[int, tuple[Any, str, torch.Tensor]] = field(default_factory=dict)
    files: OrderedDict[tuple[str, int, int], Adapter] = field(default_factory=OrderedDict)
    now: tuple[tuple[str, int, int, float, float], ...] = ()
    told: tuple[Notice, ...] = ()

    def use(self, loras: Sequence[Lora]) -> tuple[Notice, ...]:
        """Make exactly these adapters take effect. Raises `WeightsCorrupt`, `ModelUnsupported`.

        Whatever raises, the model is left without adapters, never half changed.
        """
        wanted = tuple((*lora.stamp, lora.weight, _text_weight(lora)) for lora in loras)
        if wanted == self.now:
            return self.told
        self.restore()
        try:
            self.told = tuple(notice for lora in loras for notice in self._add(lora))
        except BaseException:
            self.restore()
            raise
        self.now = wanted
        return self.told

    def restore(self) -> None:
        """Put every weight back as the checkpoint has it, to the bit."""
        for module, name, weight in self.kept.values():
            getattr(module, name).data.copy_(weight)
        self.kept.clear()
        self.now, self.told = (), ()

    def _adapter(self, lora: Lora) -> Adapter:
        key = lora.stamp
        if key in self.files:
            self.files.move_to_end(key)
            return self.files[key]
        adapter = self.files[key] = read_adapter(lora.path, lora.title)
        while len(self.files) > _KEPT_FILES:
            self.files.popitem(last=False)
        return adapter

    def _add(self, lora: Lora) -> Iterator[Notice]:
        adapter = self._adapter(lora)
        if not self.names:
            self.names = layer_names(self.pipe)
        strange = [name for name in adapter.layers if name not in self.names]
        if len(strange) == len(adapter.layers):
            raise ModelUnsupported(
                f"The LoRA {lora.title} was made for another kind of model: none of its layers exists here."
            )
        for name, factors in adapter.layers.items():
            if name not in self.names:
                continue
            component, module = self.names[name]
            strength = _text_weight(lora) if component in _TEXT else lora.weight
            if strength:
                self._change(module, factors, strength, lora)
        if strange or adapter.unread:
            count = len(strange) + adapter.unread
            yield Notice(
                "lora_partly",
                f"{count} parts of the LoRA {lora.title} do not fit this model; the rest is used.",
            )

    def _change(self, module: Any, factors: Factors, strength: float, lora: Lora) -> None:
        import torch

        if set(factors) - {"diff_b", "alpha"}:
            base = self._keep(module, "weight")
            try:
                delta = change(factors, base)
            except (ValueError, KeyError, RuntimeError) as error:
                raise ModelUnsupported(
                    f"The LoRA {lora.title} does not fit this model: a layer has another shape ({error})."
                ) from error
            weight = module.weight.data
            weight.copy_((weight.to(torch.float32) + strength * delta).to(weight.dtype))
        if "diff_b" in factors and getattr(module, "bias", None) is not None:
            self._keep(module, "bias")
            bias = module.bias.data
            bias.copy_((bias.float() + strength * factors["diff_b"].to(bias.device).float()).to(bias.dtype))

    def _keep(self, module: Any, name: str) -> torch.Tensor:
        key = hash((id(module), name))
        if key not in self.kept:
            self.kept[key] = (module, name, getattr(module, name).data.clone())
        return self.kept[key][2]


def _text_weight(lora: Lora) -> float:
    return lora.weight if lora.text_weight is None else lora.text_weight
