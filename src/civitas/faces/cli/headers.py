"""What a safetensors file says of itself: enough to fill in a form, read without loading a tensor."""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from civitas.faces.cli.records import as_dict, as_int, as_text

# The format's own bound on a header is 100 MB; those of real models stay far below this.
MAX_HEADER = 32 * 1024 * 1024
MAX_WORDS = 20
_PHRASE = re.compile(r"[^,\n]{1,120}")


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What the header suggests; empty or None where it says nothing."""

    model_type: str | None = None
    base_model: str | None = None
    trained_words: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    rank: int | None = None
    alpha: float | None = None
    epochs: int | None = None
    steps: int | None = None
    clip_skip: int | None = None
    fp: str | None = None
    title: str | None = None


def read_header(path: Path) -> Mapping[str, Any] | None:
    """The JSON header of a safetensors file; None when the file is none or its header lies about its length."""
    size = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(8)
        if len(head) < 8:
            return None
        (length,) = struct.unpack("<Q", head)
        if length < 2 or length > min(MAX_HEADER, size - 8):
            return None
        body = handle.read(length)
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return tree if isinstance(tree, dict) else None


def suggest(path: Path) -> Suggestions:
    """Type, base model, trigger words and training facts that the file's header suggests."""
    header = read_header(path) if path.suffix.lower() in (".safetensors", ".sft") else None
    if header is None:
        return Suggestions()
    meta = as_dict(header.get("__metadata__"))
    names = [name for name in header if name != "__metadata__"]
    words, tags = _words(meta)
    return Suggestions(
        model_type=_model_type(names),
        base_model=_base_model(meta, names),
        trained_words=words,
        tags=tags,
        rank=_whole(meta.get("ss_network_dim")) or _rank(header, names),
        alpha=_decimal(meta.get("ss_network_alpha")),
        epochs=_whole(meta.get("ss_epoch")) or _whole(meta.get("ss_num_epochs")),
        steps=_whole(meta.get("ss_steps")),
        clip_skip=_whole(meta.get("ss_clip_skip")),
        fp=_precision(header, names),
        title=as_text(meta.get("modelspec.title") or meta.get("ss_output_name"))[:200] or None,
    )


def _whole(value: object) -> int | None:
    return as_int(value if not isinstance(value, str) else value.strip()) or None


def _decimal(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _has(names: Iterable[str], *parts: str) -> bool:
    return any(any(part in name for part in parts) for name in names)


def _model_type(names: list[str]) -> str | None:
    if _has(names, "hada_w1", "lokr_w1", "oft_blocks", "oft_diag"):
        return "LoCon"
    if _has(names, "dora_scale"):
        return "DoRA"
    if _has(names, "lora_down", "lora_up", "lora_A", "lora_B"):
        convolution = _has(names, "lora_mid")
        return "LoCon" if convolution else "LORA"
    if _has(names, "control_model.", "controlnet_cond_embedding", "input_hint_block"):
        return "Controlnet"
    if names and all(name in ("emb_params", "string_to_param", "clip_l", "clip_g") for name in names):
        return "TextualInversion"
    if _has(names, "model.diffusion_model.", "double_blocks.", "unet."):
        return "Checkpoint"
    if _has(names, "motion_modules."):
        return "MotionModule"
    if _has(names, "decoder.up", "decoder.conv_in"):
        return "VAE"
    return None


_ARCHITECTURES = (
    ("stable-diffusion-v1", "SD 1.5"),
    ("stable-diffusion-v2-768", "SD 2.1 768"),
    ("stable-diffusion-v2", "SD 2.1"),
    ("stable-diffusion-xl", "SDXL 1.0"),
    ("stable-diffusion-3.5-large", "SD 3.5 Large"),
    ("stable-diffusion-3.5-medium", "SD 3.5 Medium"),
    ("stable-diffusion-3", "SD 3"),
    ("flux-1-schnell", "Flux.1 S"),
    ("flux-1", "Flux.1 D"),
    ("sdxl", "SDXL 1.0"),
    ("sd_v1", "SD 1.5"),
    ("sd_1.5", "SD 1.5"),
    ("sd_v2", "SD 2.1"),
    ("sd3", "SD 3"),
    ("flux1", "Flux.1 D"),
    ("flux", "Flux.1 D"),
)
_NAMED = (("pony", "Pony"), ("noobai", "NoobAI"), ("illustrious", "Illustrious"))


def _base_model(meta: Mapping[str, Any], names: list[str]) -> str | None:
    told = as_text(meta.get("modelspec.architecture") or meta.get("ss_base_model_version")).lower()
    found = next((name for prefix, name in _ARCHITECTURES if told.startswith(prefix)), None)
    if found is None:
        found = _by_shape(names)
    if found == "SDXL 1.0":
        trained_on = as_text(meta.get("ss_sd_model_name")).lower()
        return next((name for part, name in _NAMED if part in trained_on), found)
    return found


def _by_shape(names: list[str]) -> str | None:
    if _has(names, "double_blocks", "lora_unet_double_blocks"):
        return "Flux.1 D"
    if _has(names, "conditioner.embedders.1", "lora_te2_", "clip_g"):
        return "SDXL 1.0"
    if _has(names, "cond_stage_model.model.transformer"):
        return "SD 2.1"
    if _has(names, "cond_stage_model.transformer", "lora_te_text_model"):
        return "SD 1.5"
    return None


def _words(meta: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Trigger words and frequent tags of kohya's `ss_tag_frequency`: {folder: {tag: count}} as JSON text.

    A tag on nearly every caption of a folder is a trigger word; so is modelspec's trigger phrase.
    """
    counts: Counter[str] = Counter()
    triggers: list[str] = []
    try:
        folders = orjson.loads(str(meta.get("ss_tag_frequency") or "{}"))
    except orjson.JSONDecodeError:
        folders = {}
    for tags in as_dict(folders).values():
        rows = {as_text(tag): count for tag, count in as_dict(tags).items() if isinstance(count, int)}
        most = max(rows.values(), default=0)
        triggers += [tag for tag, count in rows.items() if tag and count >= 0.95 * most and most > 1]
        counts.update({tag: count for tag, count in rows.items() if tag})
    phrase = as_text(meta.get("modelspec.trigger_phrase"))
    triggers = [part.strip() for part in _PHRASE.findall(phrase)] + triggers
    words = tuple(dict.fromkeys(word for word in triggers if word))[:5]
    common = tuple(tag for tag, _count in counts.most_common(MAX_WORDS))
    return words, common


def _rank(header: Mapping[str, Any], names: list[str]) -> int | None:
    for name in names:
        if name.endswith(("lora_down.weight", "lora_A.weight")):
            shape = as_dict(header[name]).get("shape")
            if isinstance(shape, list) and shape and isinstance(shape[0], int):
                return shape[0]
    return None


_DTYPES = {"F32": "fp32", "F16": "fp16", "BF16": "bf16", "F8_E4M3": "fp8", "F8_E5M2": "fp8", "I8": "int8"}


def _precision(header: Mapping[str, Any], names: list[str]) -> str | None:
    kinds = Counter(as_text(as_dict(header[name]).get("dtype")) for name in names)
    return _DTYPES.get(kinds.most_common(1)[0][0]) if kinds else None
