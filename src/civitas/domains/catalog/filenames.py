"""What the name of a file tells: its format, precision and quantisation, and which endings are taken."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from civitas.domains.catalog.forms import QUANTISATIONS, FileForm
from civitas.domains.catalog.types import FileFormat, FileType, ModelType
from civitas.kit.errors import Invalid

# FEATURES B14: weights, settings, archives, workflows. Nothing here is ever run by us.
ENDINGS: dict[str, FileFormat] = {
    "safetensors": FileFormat.SAFE_TENSOR,
    "sft": FileFormat.SAFE_TENSOR,
    "ckpt": FileFormat.PICKLE_TENSOR,
    "pt": FileFormat.PICKLE_TENSOR,
    "pth": FileFormat.PICKLE_TENSOR,
    "bin": FileFormat.PICKLE_TENSOR,
    "pkl": FileFormat.PICKLE_TENSOR,
    "gguf": FileFormat.GGUF,
    "onnx": FileFormat.ONNX,
    "mlmodel": FileFormat.CORE_ML,
    "mlpackage": FileFormat.CORE_ML,
    "zip": FileFormat.OTHER,
    "yaml": FileFormat.OTHER,
    "yml": FileFormat.OTHER,
    "json": FileFormat.OTHER,
    "txt": FileFormat.OTHER,
}
_SETTINGS = frozenset({"yaml", "yml", "txt"})
# Accompany a model and are never what a download means by default.
ADDITIONAL = frozenset(
    {
        FileType.TEXT_ENCODER,
        FileType.VISION_ENCODER,
        FileType.CLIP_VISION,
        FileType.TRAINING_DATA,
        FileType.VAE,
        FileType.CONFIG,
        FileType.NEGATIVE,
        FileType.ENHANCEMENT_LORA,
        FileType.OTHER,
    }
)
_TEXTS = frozenset({FileType.CONFIG, FileType.OTHER})
# What accompanies other models is the thing itself in these.
_OWN: dict[str, frozenset[FileType]] = {
    ModelType.VAE: frozenset({FileType.VAE}),
    ModelType.TEXT_ENCODER: frozenset({FileType.TEXT_ENCODER}),
    ModelType.CLIP: frozenset({FileType.TEXT_ENCODER}),
    ModelType.CLIP_VISION: frozenset({FileType.CLIP_VISION, FileType.VISION_ENCODER}),
    ModelType.VISION_LANGUAGE: frozenset({FileType.TEXT_ENCODER, FileType.VISION_ENCODER}),
    ModelType.TEXTUAL_INVERSION: frozenset({FileType.NEGATIVE}),
    ModelType.WILDCARDS: _TEXTS,
    ModelType.POSES: _TEXTS,
    ModelType.WORKFLOWS: _TEXTS,
    ModelType.COMFY_WORKFLOWS: _TEXTS,
    ModelType.OTHER: _TEXTS,
}
_PRECISION = re.compile(
    r"(?<![a-z0-9])(fp8_scaled|fp8_mixed|mxfp8|nvfp4|nf4|bf16|fp16|fp32|fp8|int8|int4)(?![0-9])",
    re.IGNORECASE,
)
_QUANTISATION = re.compile(
    r"(?<![A-Za-z0-9])("
    + "|".join(sorted((name for name in QUANTISATIONS if "_" in name), key=len, reverse=True))
    + r")(?![A-Za-z0-9])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """How a file is to be shown."""

    type: FileType
    format: FileFormat
    size_class: str | None
    precision: str | None
    quantisation: str | None


def ending(name: str) -> str:
    """The ending of a file name in lower case, without the dot; empty when there is none."""
    stem, dot, last = name.rpartition(".")
    return last.lower() if dot and stem else ""


def is_main(type_: str, model_type: str) -> bool:
    """Whether files of this type can be the main file of a version of such a model."""
    return type_ not in ADDITIONAL or type_ in _OWN.get(model_type, frozenset())


def facts_of(name: str, form: FileForm) -> FileFacts:
    """What the form says, completed from the name. Raises Invalid (`bad_file_name`, and what `check` raises)."""
    if not name:
        raise Invalid("Give the file a name.", code="bad_file_name", fields={"name": "needed"})
    last = ending(name)
    format_ = form.format or ENDINGS.get(last, FileFormat.OTHER)
    type_ = form.type or _type_of(name, last)
    check(name, type_, format_)
    quantised = _QUANTISATION.search(name) if format_ is FileFormat.GGUF else None
    precise = _PRECISION.search(name)
    return FileFacts(
        type=type_,
        format=format_,
        size_class=form.size or ("pruned" if type_ is FileType.PRUNED_MODEL else None),
        precision=form.fp or (precise[1].lower() if precise else None),
        quantisation=form.quant_type or (quantised[1].upper() if quantised else None),
    )


def check(name: str, type_: str, format_: str) -> None:
    """Raises Invalid (`file_ending`, `file_format`) for an ending not taken, or a format that contradicts it."""
    last = ending(name)
    if last not in ENDINGS:
        raise Invalid(
            f"Files must end with one of {', '.join('.' + known for known in ENDINGS)}.",
            code="file_ending",
            fields={"name": "this ending is not taken"},
        )
    meant = ENDINGS[last]
    loose = meant is FileFormat.OTHER or meant is FileFormat.CORE_ML
    archives = (FileFormat.DIFFUSERS, FileFormat.CORE_ML, FileFormat.OTHER)
    allowed = (
        archives if loose else (meant, FileFormat.DIFFUSERS) if last in ("safetensors", "bin") else (meant,)
    )
    if format_ not in allowed:
        raise Invalid(
            f"A .{last} file is not {format_}.",
            code="file_format",
            fields={"format": f"must be {meant} for .{last}"},
        )
    if type_ == FileType.WORKFLOW and last not in ("json", "zip", "yaml", "yml", "txt"):
        raise Invalid(
            "A workflow is a .json or .zip file.",
            code="file_ending",
            fields={"name": "must be .json or .zip"},
        )


def _type_of(name: str, last: str) -> FileType:
    folded = name.lower()
    if last in _SETTINGS:
        return FileType.CONFIG
    if last == "zip":
        return FileType.TRAINING_DATA if "training" in folded or "dataset" in folded else FileType.ARCHIVE
    if last == "json":
        return FileType.WORKFLOW
    if "pruned" in folded:
        return FileType.PRUNED_MODEL
    return FileType.MODEL


def unique_name(name: str, taken: Collection[str]) -> str:
    """The name, or `name (2).ending` and so on when it is taken in the same version, whatever the case."""
    folded = {other.casefold() for other in taken}
    if name.casefold() not in folded:
        return name
    stem, _, last = name.rpartition(".")
    number = 2
    while f"{stem} ({number}).{last}".casefold() in folded:
        number += 1
    return f"{stem} ({number}).{last}"
