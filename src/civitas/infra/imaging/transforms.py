"""The words of an image address: `/width=450,anim=false/`, and which stored copy answers them.

Clients rewrite `/width=N/` to any N and add `original=true` or `anim=false` (the read API's rule 16), so what they
ask for is a wish: it is read with tolerance and answered with the nearest copy that exists.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from civitas.infra.imaging.port import SourceFormat, VariantFormat
from civitas.infra.imaging.settings import ImagingSettings

DEFAULT_WIDTHS: Final = ImagingSettings().widths
MAX_WIDTH: Final = 16_383
_MAX_SEGMENT: Final = 400
_MAX_PAIRS: Final = 24
_PAIR = re.compile(r"([A-Za-z][A-Za-z-]{0,24})=([^=/]{0,64})")
_WORDS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_EXTENSION: Final[dict[SourceFormat, str]] = {
    "png": ".png", "jpeg": ".jpeg", "webp": ".webp", "avif": ".avif", "gif": ".gif",
}  # fmt: skip
_SPELLINGS: Final[dict[SourceFormat, tuple[str, ...]]] = {
    "png": (".png", ".apng"),
    "jpeg": (".jpeg", ".jpg", ".jpe", ".jfif"),
    "webp": (".webp",),
    "avif": (".avif", ".avifs"),
    "gif": (".gif",),
}


@dataclass(frozen=True, slots=True)
class Transform:
    """What an address asks for. `anim` is None when it does not say; `original` outweighs all else."""

    width: int | None = None
    height: int | None = None
    original: bool = False
    anim: bool | None = None
    optimized: bool = False
    quality: int | None = None


def looks_like_transform(segment: str) -> bool:
    """Whether a path segment is a transform (`name=value` pairs) and not a file name."""
    first = segment[:_MAX_SEGMENT].replace("%2C", ",").replace("%3D", "=").split(",", 1)[0].strip()
    return _PAIR.fullmatch(first) is not None


def parse_transform(segment: str) -> Transform:
    """Read `width=450,optimized=true`. Never raises: unknown words and wrong values are passed over.

    Widths and heights are clamped to 1..16383, quality to 1..100; the last of two equal words counts; at most 400
    characters and 24 pairs are read.
    """
    found: dict[str, str] = {}
    text = (
        segment[:_MAX_SEGMENT].replace("%2C", ",").replace("%2c", ",").replace("%3D", "=").replace("%3d", "=")
    )
    for pair in text.split(",")[:_MAX_PAIRS]:
        match = _PAIR.fullmatch(pair.strip())
        if match:
            found[match[1].lower()] = match[2].strip().lower()
    return Transform(
        width=_number(found.get("width") or found.get("w"), MAX_WIDTH),
        height=_number(found.get("height") or found.get("h"), MAX_WIDTH),
        original=_WORDS.get(found.get("original", ""), False),
        anim=_WORDS.get(found.get("anim", "")),
        optimized=_WORDS.get(found.get("optimized", ""), False),
        quality=_number(found.get("quality"), 100),
    )


def widths_for(original_width: int, widths: Sequence[int] = DEFAULT_WIDTHS) -> list[int]:
    """Widths at which copies of an image exist, ascending: the fixed ones below its own, then its own or the largest.

    Nothing is enlarged, so an image 500 wide has 96, 180, 320, 450 and 500.
    """
    top = min(original_width, max(widths))
    return [*sorted({width for width in widths if 0 < width < top}), top]


def best_width(wanted: int | None, original_width: int, widths: Sequence[int] = DEFAULT_WIDTHS) -> int:
    """The width of the stored copy that serves a wish for `wanted` pixels: the next larger one, or the largest."""
    exist = widths_for(original_width, widths)
    if wanted is None:
        return exist[-1]
    return next((width for width in exist if width >= wanted), exist[-1])


def best_format(accept: str | None) -> VariantFormat:
    """The smallest format that an `Accept` header names outright (RFC 9110 12.5.1); JPEG, which all know, otherwise."""
    named = {}
    for part in (accept or "")[:2000].lower().split(","):
        media, _, parameters = part.partition(";")
        named[media.strip()] = re.search(r"q=0(\.0*)?\s*(;|$)", parameters) is None
    if named.get("image/avif"):
        return "avif"
    return "webp" if named.get("image/webp") else "jpeg"


def corrected_name(name: str, format: SourceFormat) -> str:
    """The file name with the extension its bytes deserve: `fox.jpg` that holds a PNG becomes `fox.png`."""
    path = PurePosixPath(name.replace("\\", "/")).name or "image"
    suffix = PurePosixPath(path).suffix
    if suffix.lower() in _SPELLINGS[format]:
        return path
    stem = path[: -len(suffix)] if suffix and re.fullmatch(r"\.[A-Za-z0-9]{1,5}", suffix) else path
    return f"{stem or 'image'}{_EXTENSION[format]}"


def _number(text: str | None, most: int) -> int | None:
    if text is None or not re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?|[0-9]{1,9}px", text):
        return None
    return max(1, min(most, round(float(text.removesuffix("px")))))
