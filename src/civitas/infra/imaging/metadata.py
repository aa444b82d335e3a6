"""What a picture says about how it was made: raw texts kept within bounds, and Civitai's `meta` fields read from them.

Where writers put it: PNG text chunks `parameters` (A1111, SwarmUI), `prompt` and `workflow` (ComfyUI); EXIF
UserComment (A1111 in JPEG, WebP, AVIF; EXIF 2.32 section 4.6.5), Make `workflow:{...}` and Model `prompt:{...}`
(ComfyUI in WebP and JPEG). Places and camera serial numbers are not kept.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

from PIL import Image

from civitas.infra.imaging import comfy
from civitas.kit.generation_text import clean_text, load_json, parse_parameters, resources_of

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
_SWARM: Final = {
    "prompt": "prompt",
    "negativeprompt": "negativePrompt",
    "steps": "steps",
    "cfgscale": "cfgScale",
    "seed": "seed",
    "sampler": "sampler",
    "scheduler": "scheduler",
    "model": "Model",
    "width": "width",
    "height": "height",
}


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


def meta_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Civitai `meta` fields from raw metadata (`text`, `exif`); `{}` when there are none. Never raises."""
    text: Mapping[str, str] = metadata.get("text") or {}
    exif: Mapping[str, str] = metadata.get("exif") or {}
    meta: dict[str, Any] = {}
    graphs = _comfy(text, exif)
    written = text.get("parameters") or exif.get("UserComment") or exif.get("XPComment") or ""
    if written.lstrip().startswith("{"):
        value = _mapping(written)
        if comfy.is_graph(value):
            graphs.setdefault("prompt", value)
        elif isinstance(value.get("sui_image_params"), dict):
            meta = _swarm(value["sui_image_params"])
    elif written:
        meta = parse_parameters(written)
    if graphs:
        meta = comfy.fields_of(graphs.get("prompt", {})) | meta
        meta["comfy"] = graphs
    return meta


def _comfy(text: Mapping[str, str], exif: Mapping[str, str]) -> dict[str, Any]:
    graphs: dict[str, Any] = {}
    for name in ("prompt", "workflow"):
        candidates = [text.get(name, "")]
        for field in ("Model", "Make", "ImageDescription"):
            label, _, body = exif.get(field, "").partition(":")
            if label.strip().lower() == name:
                candidates.append(body)
        for candidate in candidates:
            value = _mapping(candidate)
            if comfy.is_graph(value) if name == "prompt" else "nodes" in value:
                graphs.setdefault(name, value)
    return graphs


def _mapping(text: str) -> dict[str, Any]:
    text = text.strip().rstrip("\0")
    if not text.startswith("{"):
        return {}
    try:
        value = load_json(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _swarm(parameters: Mapping[str, Any]) -> dict[str, Any]:
    meta = {
        field: parameters[name]
        for name, field in _SWARM.items()
        if isinstance(parameters.get(name), str | int | float) and parameters[name] != ""
    }
    if isinstance(meta.get("width"), int) and isinstance(meta.get("height"), int):
        meta["Size"] = f"{meta['width']}x{meta['height']}"
    resources = resources_of(meta)
    return meta | ({"resources": resources} if resources else {})


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
