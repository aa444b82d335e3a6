"""AIR, the AI Resource Identifier: one line of text that names a model, a file or a container image.

Form: `urn:air:{ecosystem}:{type}:{source}:{id}[@{version}][:{layer}][+{fileId}][.{format}]`. The prefixes, the
ecosystem and the type may be missing. `urn:air:oci:image:{registry}:{repo}@{tag or digest}` names a container
image; there, dots, colons and plus signs belong to the tag.

The form is ambiguous where an id or a version holds a dot; the rule here is that the last `.word` is a format when
it is one of `FORMATS`, or when nothing but digits stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from civitas.kit.errors import Invalid
from civitas.kit.ids import row_id

MAX_LENGTH: Final = 512

# The site's model types by the name that AIR gives them.
AIR_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "Checkpoint": "checkpoint",
        "TextualInversion": "embedding",
        "Hypernetwork": "hypernet",
        "AestheticGradient": "ag",
        "LORA": "lora",
        "LoCon": "lycoris",
        "DoRA": "dora",
        "Controlnet": "controlnet",
        "Upscaler": "upscaler",
        "MotionModule": "motion",
        "VAE": "vae",
        "TextEncoder": "textencoder",
        "UNet": "unet",
        "CLIPVision": "clipvision",
        "CLIP": "clip",
        "VisionLanguage": "visionlanguage",
    }
)
# A checkpoint whose primary file is the bare denoiser is named after the file.
AIR_FILE_TYPES: Mapping[str, str] = MappingProxyType({"Diffusion Model": "diffusionmodel", "UNet": "unet"})

FORMATS: Final = frozenset(
    [
        "safetensors",
        "safetensor",
        "ckpt",
        "pt",
        "pth",
        "bin",
        "gguf",
        "onnx",
        "diffuser",
        "diffusers",
        "pickletensor",
        "coreml",
        "sft",
        "npz",
        "zip",
        "json",
        "yaml",
    ]
)

_MODEL_TYPES: Mapping[str, str] = MappingProxyType({air: name for name, air in AIR_TYPES.items()})
# Alone before the source, these are a type; anything else there is an ecosystem.
_TYPES = frozenset(AIR_TYPES.values()) | {"diffusionmodel", "image", "model"}
_NAME = re.compile(r"[A-Za-z0-9_\-/]+")
_ID = re.compile(r"[A-Za-z0-9_\-/.]+")
_VERSION = re.compile(r"[A-Za-z0-9_\-/.=,%+:]+")
_WORD = re.compile(r"[A-Za-z0-9_\-]+")
_PREFIX = re.compile(r"(?:urn:)?air:|urn:", re.IGNORECASE)
_FILE = re.compile(r"\+([0-9]{1,18})$")
_DOTTED = re.compile(r"\.([A-Za-z0-9_\-]+)$")


@dataclass(frozen=True, slots=True)
class Air:
    """One identifier, taken apart. `str()` gives the canonical `urn:air:` form.

    Ecosystem, type and source are lower case. Build one with `parse` or `make`: both make sure that its text
    reads back as the same value.
    """

    source: str
    id: str
    ecosystem: str | None = None
    type: str | None = None
    version: str | None = None
    layer: str | None = None
    file_id: int | None = None
    format: str | None = None

    def __str__(self) -> str:
        return f"urn:air:{self.bare}"

    @property
    def bare(self) -> str:
        """The form without `urn:air:`."""
        parts = [part for part in (self.ecosystem, self.type, self.source, self.id) if part is not None]
        text = ":".join(parts)
        text += f"@{self.version}" if self.version is not None else ""
        text += f":{self.layer}" if self.layer is not None else ""
        text += f"+{self.file_id}" if self.file_id is not None else ""
        return text + (f".{self.format}" if self.format is not None else "")

    @property
    def is_image(self) -> bool:
        """Whether this names a container image."""
        return self.ecosystem == "oci" and self.type == "image"

    @property
    def model_id(self) -> int | None:
        """The model's number on this kind of site, when the source is `civitai`."""
        return _number(self.id) if self.source == "civitai" else None

    @property
    def version_id(self) -> int | None:
        """The model version's number on this kind of site, when the source is `civitai`."""
        return _number(self.version) if self.source == "civitai" else None

    @property
    def model_type(self) -> str | None:
        """The site's model type, `Other` for types that it does not know, None when no type is given."""
        if self.type is None:
            return None
        if self.type in AIR_FILE_TYPES.values():
            return "Checkpoint"
        return _MODEL_TYPES.get(self.type, "Other")


def parse(text: str) -> Air:
    """Read an identifier in any of its forms; case does not matter before the id.

    Raises Invalid (`bad_air`) with what is wrong; text over `MAX_LENGTH` characters is not looked at.
    """
    if len(text) > MAX_LENGTH:
        raise _bad(f"it is longer than {MAX_LENGTH} characters")
    text = text.strip()
    prefix = _PREFIX.match(text)
    body = text[prefix.end() :] if prefix else text
    head, at, tail = body.partition("@")
    if "@" in tail:
        raise _bad("it holds more than one @")
    if at and not tail:
        raise _bad("nothing follows the @")
    fields = head.split(":")
    if fields[:2] and [field.lower() for field in fields[:2]] == ["oci", "image"]:
        return _image(fields, tail if at else None)
    return _resource(fields, tail if at else None)


def make(
    *,
    source: str,
    id: str | int,
    ecosystem: str | None = None,
    type: str | None = None,
    version: str | int | None = None,
    layer: str | None = None,
    file_id: int | None = None,
    format: str | None = None,
) -> Air:
    """Build an identifier from its parts, in the form in which it reads back.

    Raises Invalid (`bad_air`) when a part holds characters that its place does not allow.
    """
    for name in (source, ecosystem, type):
        if name is not None:
            _check(_NAME, name, "part before the id")
    _check(_ID, str(id), "id")
    drawn = Air(
        source=source.lower(),
        id=str(id),
        ecosystem=ecosystem.lower() if ecosystem else None,
        type=type.lower() if type else None,
        version=None if version is None else str(version),
        layer=layer,
        file_id=file_id,
        format=format,
    )
    return parse(str(drawn))


def of_version(
    *,
    ecosystem: str,
    model_type: str,
    model_id: int,
    version_id: int,
    file_id: int | None = None,
    file_type: str | None = None,
    source: str = "civitai",
) -> Air:
    """The identifier of a model version here: `ecosystem` is the base model's AIR key.

    `file_type` is the type of the primary file (or of the file that `file_id` names); it decides between
    `checkpoint`, `diffusionmodel` and `unet`.
    """
    air_type = AIR_TYPES.get(model_type, "other")
    if model_type == "Checkpoint" and file_type is not None:
        air_type = AIR_FILE_TYPES.get(file_type, air_type)
    return make(
        ecosystem=ecosystem, type=air_type, source=source, id=model_id, version=version_id, file_id=file_id
    )


def _bad(reason: str) -> Invalid:
    return Invalid(
        f"This is not a valid AIR: {reason}. An AIR looks like urn:air:sdxl:checkpoint:civitai:101@202.",
        code="bad_air",
    )


def _number(text: str | None) -> int | None:
    return row_id(text or "")


def _check(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text):
        raise _bad(f"the {what} is empty or holds a character that is not allowed there")
    return text


def _image(fields: list[str], version: str | None) -> Air:
    if len(fields) != 4:
        raise _bad("a container image needs a registry and a repository")
    return Air(
        ecosystem="oci",
        type="image",
        source=_check(_NAME, fields[2], "registry").lower(),
        id=_check(_ID, fields[3], "repository"),
        version=None if version is None else _check(_VERSION, version, "tag"),
    )


def _resource(fields: list[str], tail: str | None) -> Air:
    if not 2 <= len(fields) <= 5 or (len(fields) == 5 and tail is not None):
        raise _bad("it needs at least a source and an id, and at most an ecosystem and a type before them")
    layer = fields.pop() if len(fields) == 5 else None
    names = [_check(_NAME, name, "part before the id").lower() for name in fields[:-1]]
    if names[0] in ("urn", "air"):
        raise _bad("urn and air are prefixes, not names")
    found = Air(source=names[-1], id=fields[-1])
    if len(names) == 3:
        found = replace(found, ecosystem=names[0], type=names[1])
    elif len(names) == 2:
        found = replace(found, type=names[0]) if names[0] in _TYPES else replace(found, ecosystem=names[0])
    last = tail if tail is not None else layer if layer is not None else found.id
    last, format, file_id = _endings(last)
    if tail is not None:
        version, colon, after = last.rpartition(":")
        layer = after if colon else None
        version = _check(_VERSION, version if colon else last, "version")
        found = replace(found, version=version)
    elif layer is not None:
        layer = last
    else:
        found = replace(found, id=last)
    _check(_ID, found.id, "id")
    if layer is not None:
        _check(_WORD, layer, "layer")
    return replace(found, layer=layer, file_id=file_id, format=format)


def _endings(text: str) -> tuple[str, str | None, int | None]:
    """Split `text` from the `.format` and `+fileId` at its end."""
    format = None
    dotted = _DOTTED.search(text)
    if dotted:
        stem, word = text[: dotted.start()], dotted[1]
        bare = _FILE.sub("", stem)
        if word.lower() in FORMATS or (bare.isascii() and bare.isdigit() and not word.isdigit()):
            text, format = stem, word
    file_id = None
    numbered = _FILE.search(text)
    if numbered:
        text, file_id = text[: numbered.start()], int(numbered[1])
    return text, format, file_id
