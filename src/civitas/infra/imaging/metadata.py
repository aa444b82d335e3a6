"""What a picture says about how it was made: raw texts kept within bounds, and Civitai's `meta` fields read from them.

Where writers put it: PNG text chunks `parameters` (A1111, SwarmUI), `prompt` and `workflow` (ComfyUI); EXIF
UserComment (A1111 in JPEG, WebP, AVIF; EXIF 2.32 section 4.6.5), Make `workflow:{...}` and Model `prompt:{...}`
(ComfyUI in WebP and JPEG). Places and camera serial numbers are not kept.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image

from civitas.infra.imaging import comfy, dialects
from civitas.kit.generation_text import clean_text, parse_parameters

_MAX_EXIF: Final = 8 * 1024 * 1024
_EXIF_IFD: Final = 0x8769
_TAGS: Final = {
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x0132: "DateTime",
    0x013B: "Artist",
    0x8298: "Copyright",
    0x9C9B: "XPTitle",
    0x9C9C: "XPComment",
    0x9C9E: "XPKeywords",
}
_SUB_TAGS: Final = {0x9003: "DateTimeOriginal", 0x9286: "UserComment"}
_ORIENTATION: Final = 0x0112
_EXIF_ERRORS: Final = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, struct.error, AttributeError,
    RecursionError, OverflowError, ZeroDivisionError,
)  # fmt: skip
_MAX_FAULTS: Final = 40


def read_exif(exif: bytes, *, entries: int, characters: int) -> tuple[dict[str, str], int]:
    """Named text fields (cleaned, at most `characters` in all) and the orientation, 1 to 8. Never raises."""
    fields: dict[str, str] = {}
    if not exif or len(exif) > _MAX_EXIF:
        return fields, 1
    book = Image.Exif()
    try:
        book.load(exif)
        orientation = book.get(_ORIENTATION, 1)
    except _EXIF_ERRORS:
        return fields, 1
    left = characters
    for table, names in ((book, _TAGS), (_sub_directory(book), _SUB_TAGS)):
        for tag, name in names.items():
            try:
                text = _exif_text(name, table.get(tag))[:left]
            except _EXIF_ERRORS:
                continue
            if text and len(fields) < entries:
                fields[name] = text
                left -= len(text)
    return fields, orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def decode_user_comment(raw: bytes) -> str:
    """Text of an EXIF UserComment: 8 bytes of encoding name, then text, as many writers in fact do it.

    `UNICODE` is UTF-16 of either order with or without a mark, and UTF-8 by some; nameless text is UTF-8 or UTF-16.
    """
    head, body = raw[:8], raw[8:]
    if head == b"ASCII\0\0\0":
        return _utf8(body) if b"\0" not in body.rstrip(b"\0") else _unicode(body)
    if head == b"JIS\0\0\0\0\0":
        return clean_text(body.decode("iso2022_jp", "replace"))
    if head in (b"UNICODE\0", b"\0" * 8):
        return _unicode(body)
    return _unicode(raw)


@dataclass(frozen=True, slots=True)
class Read:
    """What was understood: Civitai's `meta` fields, which writer's way of telling it was, what could not be read."""

    meta: dict[str, Any]
    format: str | None
    faults: list[str]


def meta_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Civitai `meta` fields from raw metadata (`text`, `exif`); `{}` when there are none. Never raises."""
    return read(metadata).meta


def read(metadata: Mapping[str, Any]) -> Read:
    """The recipe in raw metadata, partial where some of it cannot be read. Never raises."""
    text: Mapping[str, str] = metadata.get("text") or {}
    exif: Mapping[str, str] = metadata.get("exif") or {}
    faults: list[str] = []
    text = {**_wrapped(text.get("comment", "")), **text}
    graphs = _comfy(text, exif, faults)
    written = text.get("parameters") or exif.get("UserComment") or exif.get("XPComment") or ""
    meta, format = _written(written, graphs, faults)
    if not meta:
        meta, format = _by_names(text, exif, faults)
    if graphs:
        graph = graphs.get("prompt") or comfy.from_workflow(graphs.get("workflow", {}))
        named = comfy.named_by_air(graphs.get("workflow", {}))
        meta = comfy.fields_of(graph) | ({"civitaiResources": named} if named else {}) | meta
        meta["comfy"] = graphs
        format = format or "comfyui"
    for name in [one for one, value in meta.items() if isinstance(value, int) and abs(value) >= 2**63]:
        # Numbers that nothing keeps exactly; seeds of that size were made up.
        if not 0 <= meta[name] < 2**64:
            faults.append(f"{name}: {str(meta.pop(name))[:40]} is too large a number.")
    return Read(meta, format if meta else None, faults[:_MAX_FAULTS])


def _written(written: str, graphs: dict[str, Any], faults: list[str]) -> tuple[dict[str, Any], str | None]:
    """What the one text tells that most writers use."""
    if written.lstrip().startswith("{"):
        value = dialects.mapping(written)
        if comfy.is_graph(value):
            graphs.setdefault("prompt", value)
            return {}, None
        for name, is_it, reader in dialects.JSON_DIALECTS:
            if is_it(value):
                return reader(value, faults), name
        if not value:
            faults.append("The parameters look like JSON and cannot be read as such.")
        return {}, None
    meta = parse_parameters(written, faults) if written else {}
    if not meta:
        return {}, None
    version = str(meta.get("Version", ""))
    if "civitaiResources" in meta or "extra" in meta:
        return meta, "civitai"
    return meta, "fooocus" if version.startswith("Fooocus") else "a1111"


def _by_names(
    text: Mapping[str, str], exif: Mapping[str, str], faults: list[str]
) -> tuple[dict[str, Any], str | None]:
    """What writers tell in texts of their own names."""
    for name, reader in (("invokeai_metadata", dialects.invoke), ("sd-metadata", dialects.invoke_two)):
        if name in text:
            value = dialects.mapping(text[name])
            if value:
                return reader(value, faults), "invokeai"
            faults.append(f"{name} is not JSON.")
    if "Dream" in text:
        return dialects.dream(text["Dream"], faults), "invokeai"
    if text.get("Software") == "NovelAI" or exif.get("Software") == "NovelAI":
        return dialects.novel(text, faults), "novelai"
    if "num_inference_steps" in text:
        return dialects.easy(text, faults), "easydiffusion"
    return {}, None


def _wrapped(comment: str) -> dict[str, str]:
    """Texts that are told together in one comment, as videos of ComfyUI and hidden texts have it."""
    value = dialects.mapping(comment)
    return {
        name: given if isinstance(given, str) else json.dumps(given)
        for name, given in value.items()
        if name in ("prompt", "workflow", "parameters") and isinstance(given, str | dict)
    }


def texts_of_hidden(hidden: str) -> dict[str, str]:
    """A text that was hidden in the pixels, as the texts that a file would have told."""
    value = dialects.mapping(hidden)
    if "Comment" in value or ("sui_image_params" not in value and value.get("Software")):
        return {key: clean_text(given) for key, given in value.items() if isinstance(given, str)}
    return {"parameters": clean_text(hidden)} if hidden else {}


def _comfy(text: Mapping[str, str], exif: Mapping[str, str], faults: list[str]) -> dict[str, Any]:
    graphs: dict[str, Any] = {}
    for name in ("prompt", "workflow"):
        candidates = [text.get(name, "")]
        for field in ("Model", "Make", "ImageDescription"):
            label, _, body = exif.get(field, "").partition(":")
            if label.strip().lower() == name:
                candidates.append(body)
        for candidate in candidates:
            value = dialects.mapping(candidate)
            if comfy.is_graph(value) if name == "prompt" else "nodes" in value:
                graphs.setdefault(name, value)
            elif candidate.lstrip().startswith("{") and not value:
                faults.append(f"ComfyUI's {name} is not JSON.")
    return graphs


def _sub_directory(book: Image.Exif) -> Mapping[int, Any]:
    try:
        return book.get_ifd(_EXIF_IFD)
    except _EXIF_ERRORS:
        return {}


def _exif_text(name: str, value: Any) -> str:
    if isinstance(value, tuple):
        value = bytes(part for part in value if isinstance(part, int) and 0 <= part < 256)
    if isinstance(value, str):
        return _utf8(value.encode("latin-1", "replace"))
    if not isinstance(value, bytes):
        return ""
    if name.startswith("XP"):
        return clean_text(value.decode("utf-16-le", "replace")).strip()
    return decode_user_comment(value) if name == "UserComment" else _utf8(value)


def _utf8(raw: bytes) -> str:
    raw = raw.rstrip(b"\0")
    try:
        return clean_text(raw.decode("utf-8")).strip()
    except UnicodeDecodeError:
        return clean_text(raw.decode("latin-1")).strip()


def _unicode(raw: bytes) -> str:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return clean_text(raw.decode("utf-16", "replace")).strip()
    guesses = []
    for encoding in ("utf-8", "utf-16-be", "utf-16-le"):
        text = raw[: len(raw) & ~1 if encoding != "utf-8" else None].decode(encoding, "replace")
        sample = text[:4096]
        likely = sum(ch.isascii() and (ch.isprintable() or ch == "\n") for ch in sample)
        odd = sum(
            ch in "\0\ufffd" or "\ue000" <= ch <= "\uf8ff" or "\ud800" <= ch <= "\udfff" for ch in sample
        )
        guesses.append(((2 * likely - 8 * odd) / max(1, len(sample)), text))
    best = max(guesses, key=lambda guess: guess[0])[1]
    return clean_text(best).strip()
