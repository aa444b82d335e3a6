"""Originals without where and with what they were taken: segments are rewritten, no pixel is touched.

Colour profile, orientation and recipe stay; places, cameras, serial numbers, XMP, small previews and whatever
follows the picture go. What is kept is named, so that a field nobody knows of does not slip through; only texts of
PNGs, where every generator has a name of its own, are kept unless they are known to hold EXIF, XMP or IPTC.

Results are slices of the given bytes with a few new ones between them, so a large picture is not copied.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from civitas.infra.imaging import bmff, exif
from civitas.infra.imaging.pieces import Pieces, Unreadable
from civitas.infra.imaging.port import Original, SourceFormat

_MAX_STEPS: Final = 100_000
_MAX_BLOCKS: Final = 1_000_000
_NEXT_MARKER: Final = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_PNG_KEPT: Final = frozenset(
    (
        b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP mDCV cLLI sBIT bKGD hIST pHYs sPLT "
        b"acTL fcTL fdAT tEXt zTXt iTXt eXIf"
    ).split()
)
_PNG_TEXT: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_PNG_TEXT_GOES: Final = (b"raw profile", b"xml:", b"xmp", b"exif", b"iptc", b"gps", b"photoshop", b"date:")
_WEBP_KEPT: Final = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF"})
_WEBP_HAS_EXIF, _WEBP_HAS_XMP = 0x08, 0x04
_GIF_APPLICATIONS: Final = frozenset({b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"})
_EXIF_MARK: Final = b"Exif\0\0"


def strip(data: bytes, format: SourceFormat, target: Path) -> Original:
    """Write the picture without its origin to `target`; nothing when there is nothing to take away.

    `withheld` when its structure is not understood well enough to promise anything, and for HEIC: few browsers show
    it, and beside its picture it may hold others, such as what the sharing person cropped away.
    """
    if format == "heic":
        return "withheld"
    try:
        pieces = _STRIPPERS[format](data)
    except (Unreadable, struct.error, IndexError):
        return "withheld"
    if pieces.unchanged:
        return "as_is"
    with target.open("wb") as file:
        for piece in pieces:
            file.write(piece)
    return "stripped"


def _png(data: bytes) -> Pieces:
    kept = Pieces(data)
    kept.copy(0, 8)
    at = 8
    for _ in range(_MAX_STEPS):
        length, kind = struct.unpack_from(">I4s", data, at)
        body, end = at + 8, at + 12 + length
        if end > len(data):
            raise Unreadable
        if kind == b"eXIf":
            old = data[body : body + length]
            new = exif.rewritten(old)
            if new is old:
                kept.copy(at, end)
            elif new:
                checksum = zlib.crc32(kind + new)
                kept.add(struct.pack(">I4s", len(new), kind) + new + struct.pack(">I", checksum))
        elif kind in _PNG_KEPT and not (kind in _PNG_TEXT and _tells_origin(data[body : body + 80])):
            kept.copy(at, end)
        if kind == b"IEND":
            return kept
        at = end
    raise Unreadable


def _tells_origin(text: bytes) -> bool:
    return text.lower().lstrip().startswith(_PNG_TEXT_GOES)


def _jpeg(data: bytes) -> Pieces:
    kept = Pieces(data)
    kept.copy(0, 2)
    at, scanning = 2, False
    for _ in range(_MAX_STEPS):
        found = _NEXT_MARKER.search(data, at)
        if found is None and not scanning:
            raise Unreadable
        if found is None:
            # A picture that is cut off ends with its last scan.
            kept.copy(at, len(data))
            return kept
        marker, place = data[found.start() + 1], found.start()
        if scanning:
            # Only a scan has bytes before the next segment; what lies between others is fill, or hidden.
            kept.copy(at, place)
        if marker == 0xD9:
            kept.copy(place, place + 2)
            return kept
        if marker in (0x01, 0xD8):
            raise Unreadable
        (length,) = struct.unpack_from(">H", data, place + 2)
        end = place + 2 + length
        if length < 2 or end > len(data):
            raise Unreadable
        _jpeg_segment(data, kept, marker, place, end)
        at, scanning = end, marker == 0xDA
    raise Unreadable


def _jpeg_segment(data: bytes, kept: Pieces, marker: int, place: int, end: int) -> None:
    body = data[place + 4 : end]
    if marker == 0xE1 and body.startswith(_EXIF_MARK):
        old = body[len(_EXIF_MARK) :]
        new = exif.rewritten(old)
        if new is old:
            kept.copy(place, end)
        elif new and len(new) < 65_500:
            kept.add(struct.pack(">HH", 0xFFE1, 2 + len(_EXIF_MARK) + len(new)) + _EXIF_MARK + new)
        return
    applications = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}
    if not 0xE0 <= marker <= 0xEF or (marker in applications and body.startswith(applications[marker])):
        kept.copy(place, end)


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, first byte of the body and its length, of every chunk within the RIFF."""
    end = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    at = 12
    for _ in range(_MAX_STEPS):
        if at + 8 > end:
            return
        kind, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > end:
            raise Unreadable
        yield kind, at + 8, length
        at += 8 + length + (length & 1)
    raise Unreadable


def _webp(data: bytes) -> Pieces:
    told = next((data[at : at + size] for kind, at, size in _webp_chunks(data) if kind == b"EXIF"), None)
    told_tiff = told.removeprefix(_EXIF_MARK) if told is not None else b""
    new = exif.rewritten(told_tiff)
    same = new is told_tiff
    # The outer size comes first and depends on all the rest.
    inner = Pieces(data)
    seen = False
    for kind, at, size in _webp_chunks(data):
        end = min(len(data), at + size + (size & 1))
        if kind == b"VP8X":
            flags = data[at] & ~_WEBP_HAS_XMP
            flags &= 0xFF if new else ~_WEBP_HAS_EXIF
            inner.copy(at - 8, at)
            inner.add(bytes([flags]))
            inner.copy(at + 1, end)
        elif kind == b"EXIF":
            if new and not seen:
                body = told or b"" if same else new
                inner.add(struct.pack("<4sI", kind, len(body)) + body + bytes(len(body) & 1))
            seen = True
        elif kind in _WEBP_KEPT:
            inner.copy(at - 8, end)
    kept = Pieces(data)
    kept.add(b"RIFF" + struct.pack("<I", 4 + inner.size) + b"WEBP")
    kept.extend(inner)
    return kept


def _gif(data: bytes) -> Pieces:
    kept = Pieces(data)
    flags = data[10]
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    kept.copy(0, at)
    for _ in range(_MAX_STEPS):
        start, block = at, data[at]
        if block == 0x3B:
            kept.copy(at, at + 1)
            return kept
        wanted = True
        if block == 0x2C:
            flags = data[at + 9]
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        elif block == 0x21:
            wanted = data[at + 1] != 0xFF or data[at + 3 : at + 14] in _GIF_APPLICATIONS
            at += 2
        else:
            raise Unreadable
        for _ in range(_MAX_BLOCKS):
            if data[at] == 0:
                break
            at += 1 + data[at]
        at += 1
        if wanted:
            kept.copy(start, at)
    raise Unreadable


_STRIPPERS: Final[dict[SourceFormat, Callable[[bytes], Pieces]]] = {
    "png": _png,
    "jpeg": _jpeg,
    "webp": _webp,
    "gif": _gif,
    "avif": bmff.without_origin,
}
