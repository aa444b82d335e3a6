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

from civitas.engines.diffusers.errors import ModelUnsupported
from civitas.engines.diffusers.flow_layers import Rows
from civitas.engines.diffusers.gguf_weights import whole
from civitas.engines.diffusers.lora_names import TEXT, Layer, layer_names
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
    ".w_norm": "diff",
    ".b_norm": "diff_b",
    ".lora_B.bias": "diff_b",
    **{f".hada_{name}": f"hada_{name}" for name in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")},
    **{f".lokr_{name}": f"lokr_{name}" for name in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")},
    ".down.weight": "down",
    ".up.weight": "up",
}
# Kinds of adapters that are no sum of a weight and a change of it, by what their tensors' names end with.
_OTHER_KINDS: Final[Mapping[str, str]] = {
    ".oft_blocks": "OFT",
    ".oft_R.weight": "OFT",
    ".boft_R": "BOFT",
    ".on_input": "IA3",
    ".a1.weight": "GLoRA",
    ".b1.weight": "GLoRA",
    ".vera_lambda_b": "VeRA",
}
_KEPT_FILES: Final = 16


@dataclass(slots=True)
class Adapter:
    """What a file of an adapter says, by the name of the layer in the file."""

    layers: dict[str, Factors]
    unread: int = 0
    """Tensors whose names mean nothing to us."""


def read_adapter(path: Path, title: str) -> Adapter:
    """Read a file of an adapter.

    Raises `WeightsCorrupt`, and `ModelUnsupported` when nothing in it is known or it is of a kind that is not used here.
    """
    adapter = Adapter({})
    for key, value in read_tensors(path, title).items():
        other = next((kind for end, kind in _OTHER_KINDS.items() if key.endswith(end)), None)
        if other is not None:
            raise ModelUnsupported(
                f"{title} is an adapter of the kind {other}, which is not used here; LoRA, LoCon, LoHa, LoKr, DoRA and "
                "full differences are."
            )
        suffix = next((s for s in _SUFFIXES if key.endswith(s)), None)
        if suffix is None:
            adapter.unread += 1
            continue
        adapter.layers.setdefault(key.removesuffix(suffix), {})[_SUFFIXES[suffix]] = value
    if not any(set(factors) - {"alpha"} for factors in adapter.layers.values()):
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


@dataclass(slots=True)
class Patches:
    """The adapters of one loaded model: which are in, and the weights as they were without."""

    pipe: Any
    names: dict[str, Layer] = field(default_factory=dict)
    kept: dict[int, tuple[Any, str, Any]] = field(default_factory=dict)
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
            if hasattr(weight, "quant_type"):
                setattr(module, name, weight)
                module.__dict__.pop("forward", None)
            else:
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
            layer = self.names[name]
            strength = _text_weight(lora) if layer.component in TEXT else lora.weight
            if strength:
                self._change(layer.rows, factors, strength, lora)
        if strange or adapter.unread:
            count = len(strange) + adapter.unread
            yield Notice(
                "lora_partly",
                f"{count} parts of the LoRA {lora.title} do not fit this model; the rest is used.",
            )

    def _change(self, rows: tuple[Rows, ...], factors: Factors, strength: float, lora: Lora) -> None:
        import torch

        if set(factors) - {"diff_b", "alpha"}:
            parts = [self._keep(one.module, "weight")[one.begin : one.end] for one in rows]
            base = parts[0] if len(parts) == 1 else torch.cat(parts)
            try:
                delta = change(factors, base)
            except (ValueError, KeyError, RuntimeError) as error:
                raise ModelUnsupported(
                    f"The LoRA {lora.title} does not fit this model: a layer has another shape ({error})."
                ) from error
            _add_to(rows, "weight", strength * delta)
        if "diff_b" in factors and all(getattr(one.module, "bias", None) is not None for one in rows):
            for one in rows:
                self._keep(one.module, "bias")
            _add_to(rows, "bias", strength * factors["diff_b"].float())

    def _keep(self, module: Any, name: str) -> torch.Tensor:
        """The weight as the checkpoint has it, in numbers that can be added to; the module's own becomes a copy of it."""
        import torch

        key = hash((id(module), name))
        if key not in self.kept:
            now = getattr(module, name)
            if hasattr(now, "quant_type"):
                # What is quantised is put aside as it is, and unpacked for as long as something is added to it.
                unpacked = whole(now).to(getattr(module, "compute_dtype", None) or torch.float32)
                setattr(module, name, torch.nn.Parameter(unpacked, requires_grad=False))
                module.forward = module.forward_native
                self.kept[key] = (module, name, now)
            else:
                self.kept[key] = (module, name, now.data.clone())
        return whole(self.kept[key][2])


def _add_to(rows: tuple[Rows, ...], name: str, delta: torch.Tensor) -> None:
    """Add what belongs to each of the layers."""
    at = 0
    for one in rows:
        piece = getattr(one.module, name).data[one.begin : one.end]
        part = delta[at : at + len(piece)].to(piece.device)
        piece.copy_((piece.float() + part).to(piece.dtype))
        at += len(piece)


def _text_weight(lora: Lora) -> float:
    return lora.weight if lora.text_weight is None else lora.text_weight
