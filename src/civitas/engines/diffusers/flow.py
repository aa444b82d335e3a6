"""Single files of Stable Diffusion 3 and Flux: sizes from their headers, parts from the file or from a folder beside it.

Both are published with and without their text encoders. What a file lacks is looked for in the policy's folder of parts,
under the names by which it is published; what is in neither place is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from civitas.engines.diffusers import families, flow_sizes, flux_layout, gguf_weights
from civitas.engines.diffusers.errors import ModelUnsupported, PartsMissing
from civitas.engines.diffusers.families import CONFIGS, Family, Shapes
from civitas.engines.diffusers.requests import Encoder, Weights
from civitas.engines.diffusers.tensors import read_tensors
from civitas.engines.diffusers.tokenizers import clip_tokenizer

if TYPE_CHECKING:
    import torch

Tensors = dict[str, "torch.Tensor"]
SETTING: Final = "CIVITAS_AGENT__DIFFUSERS__PARTS"
TOKENIZER: Final = "t5_tokenizer"
_MARKS: Final[dict[str, Any]] = {
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "model_max_length": 512,
}
_VAE: Final = ("first_stage_model.", "vae.")


@dataclass(frozen=True, slots=True)
class Part:
    """A part that a file may lack: where it is in whole files, and how it is called by itself."""

    prefixes: tuple[str, ...]
    mark: str
    """A weight that only this part has, without the prefix."""
    file: str


CLIP_L: Final = Part(
    ("text_encoders.clip_l.transformer.",), "text_model.embeddings.token_embedding.weight", "clip_l"
)
CLIP_G: Final = Part(
    ("text_encoders.clip_g.transformer.",), "text_model.embeddings.token_embedding.weight", "clip_g"
)
T5: Final = Part(
    ("text_encoders.t5xxl.transformer.",), "encoder.block.0.layer.0.SelfAttention.q.weight", "t5xxl"
)
VAE: Final = Part(_VAE, "decoder.conv_in.weight", "ae")


@dataclass(frozen=True, slots=True)
class Beside:
    """Where parts may come from that a checkpoint's file lacks: the machine's folder, and what the request brings."""

    parts: Path | None
    encoders: tuple[Encoder, ...] = ()


class _Shelf:
    """The parts of one checkpoint: what its file holds, and what lies in the folder."""

    def __init__(self, checkpoint: Weights, shapes: Shapes, beside: Beside, dtype: torch.dtype) -> None:
        self.checkpoint, self.shapes, self.dtype = checkpoint, shapes, dtype
        self.parts, self.encoders = beside.parts, beside.encoders
        self.missing: list[str] = []

    def file_of(self, part: Part) -> Path | None:
        """The part's own file: the request's, or the folder's by its name or that with something after it (`t5xxl_fp16`)."""
        brought = next((one.path for one in self.encoders if one.part == part.file), None)
        if brought is not None:
            return brought
        if self.parts is None or not self.parts.is_dir():
            return None
        exact = self.parts / f"{part.file}.safetensors"
        return (
            exact
            if exact.exists()
            else next(iter(sorted(self.parts.glob(f"{part.file}_*.safetensors"))), None)
        )

    def has(self, part: Part) -> bool:
        """Whether the part is in the file or in the folder."""
        return self.inside(part) is not None or self.file_of(part) is not None

    def tensors(self, part: Part) -> Tensors:
        """The part's weights without prefix; empty, and noted as missing, when they are nowhere."""
        prefix = self.inside(part)
        if prefix is not None and not any(one.part == part.file for one in self.encoders):
            return read_part(self.checkpoint.path, self.checkpoint.title, prefix, self.dtype)
        path = self.file_of(part)
        if path is None:
            self.missing.append(f"{part.file}.safetensors")
            return {}
        found = read_part(path, path.stem, "", self.dtype)
        if part.mark not in found:
            raise ModelUnsupported(f"{path.name} is not the {part.file} that its name says.")
        return found

    def note(self, part: Part) -> None:
        """Note a part as missing when it is nowhere, without reading it."""
        if not self.has(part):
            self.missing.append(f"{part.file}.safetensors")

    def tokenizer(self) -> Any:
        """T5's tokenizer from its folder; None, and noted as missing, when there is none."""
        path = self.parts / TOKENIZER if self.parts is not None else None
        if path is None or not (path / "tokenizer.json").exists():
            self.missing.append(f"{TOKENIZER}/tokenizer.json")
            return None
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast(tokenizer_file=str(path / "tokenizer.json"), **_MARKS)

    def refuse(self) -> None:
        """Raises `PartsMissing` with the name of every file that was not found."""
        if not self.missing:
            return
        where = f"the folder {self.parts}" if self.parts is not None else f"a folder that {SETTING} names"
        raise PartsMissing(
            f"{self.checkpoint.title} holds only some parts of its model. Missing: {', '.join(self.missing)}; "
            f"this machine needs them in {where}."
        )

    def inside(self, part: Part) -> str | None:
        """The prefix below which the checkpoint's own file has the part."""
        return next((prefix for prefix in part.prefixes if prefix + part.mark in self.shapes), None)


def read_part(path: Path, title: str, prefix: str, dtype: torch.dtype) -> Tensors:
    """The weights below a prefix, without it, in numbers that can be computed with. Raises `WeightsCorrupt`."""
    import torch

    if path.suffix == ".safetensors" and prefix:
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            found = {k: file.get_tensor(k) for k in file.keys() if k.startswith(prefix)}  # noqa: SIM118
    else:
        found = {k: v for k, v in read_tensors(path, title).items() if k.startswith(prefix)}
    return {
        k.removeprefix(prefix): v.to(dtype) if v.is_floating_point() and v.dtype.itemsize == 1 else v
        for k, v in found.items()
        if isinstance(v, torch.Tensor)
    }


def size(checkpoint: Weights, family: Family, shapes: Shapes, beside: Beside) -> int:
    """Bytes of the files beside it that this checkpoint would be completed with."""
    import torch

    shelf = _Shelf(checkpoint, shapes, beside, torch.float32)
    wanted = [CLIP_L, VAE] if family is families.FLUX else [CLIP_L, CLIP_G, VAE]
    if can_encode(beside.parts):
        wanted.append(T5)
    files = [shelf.file_of(part) for part in wanted if not shelf.inside(part)]
    return sum(path.stat().st_size for path in files if path is not None)


def can_encode(parts: Path | None) -> bool:
    """Whether this machine has T5's tokenizer, without which no file of Flux can be used."""
    return parts is not None and (parts / TOKENIZER / "tokenizer.json").exists()


def load(
    checkpoint: Weights, family: Family, shapes: Shapes, *, beside: Beside, dtype: torch.dtype, vae: bool
) -> Any:
    """The pipeline of a single file; without its VAE where `vae` says that another comes in its place.

    Raises `PartsMissing` with the names of the files that are nowhere, `WeightsCorrupt`, `ModelUnsupported`.
    """
    import diffusers

    shelf = _Shelf(checkpoint, shapes, beside, dtype)
    made = _sd3_text(shelf) if family is families.SD3 else _flux_text(shelf)
    wanted = {} if vae else shelf.tensors(VAE)
    shelf.refuse()
    prefix = families.UNET if any(k.startswith(families.UNET) for k in shapes) else ""
    weights = (
        gguf_weights.read_tensors(checkpoint.path, checkpoint.title, prefix)
        if checkpoint.path.suffix == gguf_weights.SUFFIX
        else read_part(checkpoint.path, checkpoint.title, prefix, dtype)
    )
    if not prefix:
        weights = {k: v for k, v in weights.items() if not k.startswith((*_VAE, "text_encoders."))}
    made["vae"] = build_vae(family, wanted, dtype) if wanted else None
    made["transformer"], schedule = _transformer(checkpoint, family, weights, dtype)
    _match(checkpoint, family, made)
    made["scheduler"] = diffusers.FlowMatchEulerDiscreteScheduler.from_pretrained(
        str(CONFIGS / schedule), subfolder="scheduler", local_files_only=True
    )
    return getattr(diffusers, family.pipeline)(**made)


def _match(checkpoint: Weights, family: Family, made: dict[str, Any]) -> None:
    """Raises `ModelUnsupported` when the text encoders are not those that the transformer was trained with."""
    wanted = made["transformer"].config
    clips = [made["text_encoder"]] + ([made["text_encoder_2"]] if family is families.SD3 else [])
    t5 = made["text_encoder_3"] if family is families.SD3 else made["text_encoder_2"]
    pooled = sum(
        one.config.projection_dim if family is families.SD3 else one.config.hidden_size for one in clips
    )
    if pooled != wanted.pooled_projection_dim or (t5 and t5.config.d_model != wanted.joint_attention_dim):
        raise ModelUnsupported(
            f"The text encoders on this machine are not those that {checkpoint.title} was made with."
        )


def build_vae(family: Family, weights: Tensors, dtype: torch.dtype) -> Any:
    """The VAE of a family from its weights, by diffusers' loader."""
    import diffusers

    sizes = flow_sizes.vae(_shapes(weights))
    return diffusers.AutoencoderKL.from_single_file(
        weights, config=str(family.folder), subfolder="vae", dtype=dtype, local_files_only=True, **sizes
    )


def _transformer(
    checkpoint: Weights, family: Family, weights: Tensors, dtype: torch.dtype
) -> tuple[Any, str]:
    import diffusers

    common: dict[str, Any] = {"config": str(family.folder), "subfolder": "transformer", "dtype": dtype}
    if checkpoint.path.suffix == gguf_weights.SUFFIX:
        common["quantization_config"] = diffusers.GGUFQuantizationConfig(compute_dtype=dtype)
    shapes = _shapes(weights)
    if family is families.SD3:
        sizes = flow_sizes.sd3(shapes)
        kind = diffusers.SD3Transformer2DModel
    else:
        sizes = flow_sizes.flux(shapes)
        weights = flux_layout.diffusers_names(weights)
        kind = diffusers.FluxTransformer2DModel
    if sizes.pop("taken") != sizes["in_channels"]:
        raise ModelUnsupported(
            f"{checkpoint.title} takes more than noise and words (it fills, or follows edges or depth); "
            "such models are not run here."
        )
    made = kind.from_single_file(weights, local_files_only=True, **common, **sizes)
    return made, "flux1-schnell" if sizes.get("guidance_embeds") is False else family.config


def _sd3_text(shelf: _Shelf) -> dict[str, Any]:
    made: dict[str, Any] = {
        "text_encoder": _clip(shelf, CLIP_L, "text_encoder", projected=True),
        "text_encoder_2": _clip(shelf, CLIP_G, "text_encoder_2", projected=True),
        "tokenizer": clip_tokenizer(),
        "tokenizer_2": clip_tokenizer(pad="!"),
        "text_encoder_3": None,
        "tokenizer_3": None,
    }
    if shelf.has(T5) and can_encode(shelf.parts):
        made["text_encoder_3"], made["tokenizer_3"] = _t5(shelf), shelf.tokenizer()
    return made


def _flux_text(shelf: _Shelf) -> dict[str, Any]:
    if not can_encode(shelf.parts):
        shelf.note(T5)
    return {
        "text_encoder": _clip(shelf, CLIP_L, "text_encoder", projected=False),
        "tokenizer": clip_tokenizer(),
        "tokenizer_2": shelf.tokenizer(),
        "text_encoder_2": _t5(shelf) if can_encode(shelf.parts) else None,
    }


def _clip(shelf: _Shelf, part: Part, like: str, *, projected: bool) -> Any:
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    weights = shelf.tensors(part)
    if not weights:
        return None
    sizes = flow_sizes.clip(_shapes(weights))
    config = CLIPTextConfig.from_pretrained(str(CONFIGS / "sdxl" / like), local_files_only=True, **sizes)
    if projected:
        width = config.hidden_size
        weights.setdefault("text_projection.weight", torch.eye(width))
        return _filled(CLIPTextModelWithProjection, config, weights, shelf.dtype)
    return _filled(CLIPTextModel, config, weights, shelf.dtype)


def _t5(shelf: _Shelf) -> Any:
    from transformers import T5Config, T5EncoderModel

    weights = shelf.tensors(T5)
    if not weights:
        return None
    table = weights.get("shared.weight", weights.get("encoder.embed_tokens.weight"))
    if table is None:
        raise ModelUnsupported("The T5 text encoder has no table of words.")
    weights["shared.weight"] = weights["encoder.embed_tokens.weight"] = table
    sizes = flow_sizes.t5(_shapes(weights))
    config = T5Config.from_pretrained(str(CONFIGS / "t5"), local_files_only=True, **sizes)
    return _filled(T5EncoderModel, config, weights, shelf.dtype)


def _filled(kind: Any, config: Any, weights: Tensors, dtype: torch.dtype) -> Any:
    """A model of transformers with these weights. Raises `ModelUnsupported` when some that it needs are not there."""
    from accelerate import init_empty_weights  # type: ignore[import-untyped]

    with init_empty_weights():
        model = kind(config)
    wanted = set(model.state_dict())
    short = {k if k in wanted else k.removeprefix("text_model."): v for k, v in weights.items()}
    lacking = sorted(wanted - set(short))
    if lacking:
        raise ModelUnsupported(f"A text encoder has no weight {lacking[0]} ({len(lacking)} are missing).")
    model.load_state_dict({k: short[k].to(dtype) for k in wanted}, assign=True)
    return model.eval()


def _shapes(weights: Mapping[str, torch.Tensor]) -> Shapes:
    return {name: gguf_weights.shape_of(tensor) for name, tensor in weights.items()}
