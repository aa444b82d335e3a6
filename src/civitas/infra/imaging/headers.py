"""What a file says it is, read from its headers by our own few lines, before any decoder sees a byte.

Formats: PNG (W3C PNG third edition), JPEG (ITU T.81), GIF89a, WebP (RFC 9649), AVIF and HEIC (ISO 23008-12 in ISO 14496-12).
Nothing here allocates by what a header claims, and every walk has a bound on its steps.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from typing import Final

from civitas.infra.imaging import heif, png
from civitas.infra.imaging.pieces import Unreadable
from civitas.infra.imaging.port import SourceFormat
from civitas.infra.imaging.settings import ImagingSettings
from civitas.kit.errors import Invalid

_MAX_STEPS: Final = 200_000
_ACCEPTED: Final = "Send a PNG, JPEG, WebP, AVIF, HEIC or GIF."
_MARKUP: Final = (b"<script", b"<html", b"<!doctype", b"<body", b"<iframe", b"<svg", b"<?php")


@dataclass(frozen=True, slots=True)
class Header:
    """Claims of a header, within limits: stored (not oriented) pixels, and frames as far as the header tells."""

    format: SourceFormat
    width: int
    height: int
    frames: int


def read_header(data: bytes, limits: ImagingSettings) -> Header:
    """What the file claims to be, if that is acceptable. Raises `Invalid` (the codes of `port.Imaging`) if not."""
    if len(data) > limits.max_bytes:
        raise too_many_bytes(len(data), limits)
    format = _format(data)
    try:
        width, height, frames = _READERS[format](data, limits)
    except (struct.error, IndexError):
        raise broken("its header is cut off or damaged") from None
    check_edges(width, height, limits)
    if frames > limits.max_frames:
        raise too_many_frames(limits)
    _refuse_polyglot(data, format)
    return Header(format, width, height, frames)


def check_edges(width: int, height: int, limits: ImagingSettings) -> None:
    """Raise `Invalid` unless the pixels are within `limits`."""
    details = {"width": width, "height": height}
    if width * height > limits.max_pixels or max(width, height) > limits.max_edge:
        raise Invalid(
            f"The image has {width} x {height} pixels; at most {limits.max_pixels:,} pixels and {limits.max_edge:,} "
            "along one edge are accepted. Make it smaller and send it again.",
            code="image_too_large",
            details={**details, "maxPixels": limits.max_pixels, "maxEdge": limits.max_edge},
        )
    if min(width, height) < limits.min_edge:
        raise Invalid(
            f"The image has {width} x {height} pixels; each edge needs at least {limits.min_edge}.",
            code="image_too_small",
            details={**details, "minEdge": limits.min_edge},
        )


def too_many_bytes(size: int, limits: ImagingSettings) -> Invalid:
    """The fault for a file that is too large; it is not read."""
    return Invalid(
        f"The image file has {size:,} bytes; at most {limits.max_bytes:,} are accepted.",
        code="image_too_large",
        details={"size": size, "maxBytes": limits.max_bytes},
    )


def too_many_frames(limits: ImagingSettings) -> Invalid:
    """The fault for an absurd animation."""
    return Invalid(
        f"The animation has more than {limits.max_frames:,} frames, which is the most accepted.",
        code="image_too_many_frames",
        details={"maxFrames": limits.max_frames},
    )


def broken(why: str) -> Invalid:
    """The fault for a damaged file; `why` completes the sentence."""
    return Invalid(
        f"The image cannot be read: {why}. Export it again and send the new file.", code="image_broken"
    )


def _format(data: bytes) -> SourceFormat:
    head = data[:64]
    if head.startswith(png.MAGIC):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        length = min(max(int.from_bytes(head[:4], "big"), 16), 256)
        brands = {head[8:12], *(data[at : at + 4] for at in range(16, length, 4))}
        if brands & {b"avif", b"avis"}:
            return "avif"
        if head[8:12] in heif.BRANDS:
            return "heic"
    what = _other(data[:1024])
    raise Invalid(
        f"This file is {what}, not an image that can be shown. {_ACCEPTED}", code="image_not_supported"
    )


def _other(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n").replace(b"\x00", b"").lower()
    if b"<svg" in text and text.startswith(b"<"):
        return "an SVG drawing"
    if text.startswith(b"<"):
        return "an HTML or XML page"
    if head[4:8] == b"ftyp":
        return "a video"
    known = {
        b"%PDF": "a PDF document",
        b"PK\x03\x04": "a ZIP archive",
        b"\x1f\x8b": "a compressed file",
        b"BM": "a BMP image",
        b"II*\x00": "a TIFF image",
        b"MM\x00*": "a TIFF image",
        b"8BPS": "a Photoshop document",
        b"\xff\x0a": "a JPEG XL image",
        b"\x00\x00\x00\x0cJXL": "a JPEG XL image",
        b"\x1a\x45\xdf\xa3": "a WebM video",
        b"RIFF": "a video or a sound",
    }
    empty = "empty" if not head else "of an unknown kind"
    return next((name for magic, name in known.items() if head.startswith(magic)), empty)


def _png(data: bytes, limits: ImagingSettings) -> tuple[int, int, int]:
    facts = png.read_facts(data)
    return facts.width, facts.height, facts.frames


def _jpeg(data: bytes, limits: ImagingSettings) -> tuple[int, int, int]:
    at = 2
    for _ in range(5000):
        at = data.find(b"\xff", at)
        if at < 0:
            break
        marker = data[at + 1]
        if marker in (0xFF, 0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (0xD9, 0xDA):
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height, 1
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    raise broken("it has no picture header")


def _gif(data: bytes, limits: ImagingSettings) -> tuple[int, int, int]:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    frames = steps = 0
    while at < len(data) and frames <= limits.max_frames:
        block, steps = data[at], steps + 1
        if block == 0x2C:
            # Cut off within a frame's header: the frames before it can be shown.
            if frames and at + 10 > len(data):
                break
            left, top, wide, high, flags = struct.unpack_from("<HHHHB", data, at + 1)
            width, height, frames = max(width, left + wide), max(height, top + high), frames + 1
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        elif block == 0x21:
            at += 2
        else:
            break
        while at < len(data) and data[at]:
            at, steps = at + 1 + data[at], steps + 1
            if steps > 5 * _MAX_STEPS:
                break
        if steps > 5 * _MAX_STEPS:
            raise broken("it has an absurd number of blocks")
        at += 1
    if not frames:
        raise broken("it holds no picture")
    return width, height, frames


def _webp(data: bytes, limits: ImagingSettings) -> tuple[int, int, int]:
    kind = data[12:16]
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF, 1
    if kind == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 1
    if kind != b"VP8X":
        raise broken("its first chunk is not a WebP picture")
    width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
    at, frames = 12, 0
    for _ in range(_MAX_STEPS):
        if at + 8 > len(data) or frames > limits.max_frames:
            break
        frames += data[at : at + 4] == b"ANMF"
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + (length & 1)
    return width, height, max(1, frames)


def _avif(data: bytes, limits: ImagingSettings) -> tuple[int, int, int]:
    """The largest size that any image property (`ispe`) or video track (`av01`) claims; frames are for the decoder."""
    sizes: list[tuple[int, int]] = []
    within = [(0, len(data))]
    containers = {
        b"meta": 12,
        b"iprp": 8,
        b"ipco": 8,
        b"moov": 8,
        b"trak": 8,
        b"mdia": 8,
        b"minf": 8,
        b"stbl": 8,
    }
    containers[b"stsd"] = 16
    for _ in range(_MAX_STEPS):
        if not within:
            break
        at, end = within.pop()
        if at + 8 > end:
            continue
        length, kind = struct.unpack_from(">I4s", data, at)
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + 8)
        stop = end if length == 0 else at + length
        if (length != 0 and length < 8) or stop > end:
            raise broken("its boxes do not fit into one another")
        within.append((stop, end))
        if kind == b"ispe":
            width, height = struct.unpack_from(">II", data, at + 12)
            sizes.append((width, height))
        elif kind == b"av01":
            width, height = struct.unpack_from(">HH", data, at + 32)
            sizes.append((width, height))
        elif kind in containers and len(within) < 64:
            within.append((at + containers[kind], stop))
    if not sizes:
        raise broken("it has no picture header")
    return max(w for w, _ in sizes), max(h for _, h in sizes), 1


def _heic(data: bytes, limits: ImagingSettings) -> tuple[int, int, int]:
    """The size of the primary picture, which is all that is shown of bursts and sequences."""
    try:
        width, height = heif.primary_size(data, limits.max_pixels)
    except Unreadable:
        raise broken("it is cut off or damaged, or holds no picture that can be shown") from None
    return width, height, 1


def reads_also_as(data: bytes | mmap.mmap, *, markup: bool) -> str:
    """What else others would read a file as, or "": PDF readers search the first KiB, ZIP readers the end.

    With `markup`, a page that a browser would run counts, too.
    """
    head, tail = data[:1024], data[-66_000:]
    other = "a PDF document" if b"%PDF-" in head else ""
    if markup and any(mark in head.lower() for mark in _MARKUP):
        other = "an HTML page"
    at = tail.rfind(b"PK\x05\x06")
    if at >= 0 and len(tail) >= at + 22:
        entries, size, start = struct.unpack_from("<HII", tail, at + 10)
        end = len(data) - len(tail) + at
        starts = {start, end - size}
        if entries and any(0 <= s < end and data[s : s + 4] == b"PK\x01\x02" for s in starts):
            other = "a ZIP archive"
    return other


def _refuse_polyglot(data: bytes, format: SourceFormat) -> None:
    """Refuse what others would read as something else."""
    if other := reads_also_as(data, markup=format == "gif"):
        raise Invalid(
            f"The file is an image and {other} at once. Export the picture again and send the new file.",
            code="image_polyglot",
        )


_READERS: Final = {"png": _png, "jpeg": _jpeg, "gif": _gif, "webp": _webp, "avif": _avif, "heic": _heic}
