"""PNG at the level of chunks (W3C PNG, third edition): facts, bounded text, a copy without extras, a text put in.

No pixel is decoded here. Text that is compressed is inflated within a bound, whatever it claims.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from civitas.kit.errors import Invalid

MAGIC: Final = b"\x89PNG\r\n\x1a\n"
_MAX_CHUNKS: Final = 100_000
_MAX_PROFILE: Final = 4 * 1024 * 1024
_NEEDED: Final = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}


@dataclass(frozen=True, slots=True)
class PngFacts:
    """What IHDR and acTL claim."""

    width: int
    height: int
    frames: int


@dataclass(frozen=True, slots=True)
class PngText:
    """What a PNG says about itself: text by keyword (bounded), raw EXIF or empty."""

    text: dict[str, str]
    exif: bytes


def read_facts(data: bytes) -> PngFacts:
    """Width, height and frames. Raises `Invalid` (image_broken) when there is no whole IHDR or no picture data."""
    first = next(_chunks(data), None)
    if first is None or first[0] != b"IHDR" or first[2] - first[1] != 13:
        raise _broken("it does not begin with a picture header")
    width, height = struct.unpack_from(">II", data, first[1])
    frames = 1
    for kind, start, end in _chunks(data):
        if kind == b"acTL" and end - start >= 4:
            frames = max(1, int.from_bytes(data[start : start + 4], "big"))
        elif kind == b"IDAT":
            return PngFacts(width, height, frames)
    raise _broken("it holds no picture data")


def read_text(data: bytes, *, entries: int, characters: int) -> PngText:
    """tEXt, zTXt, iTXt and eXIf, at most `entries` of them and `characters` in all; damaged ones are passed over."""
    text: dict[str, str] = {}
    exif, left, tries = b"", characters, 0
    for kind, start, end in _chunks(data):
        if kind == b"eXIf" and end - start <= 1024 * 1024:
            exif = data[start:end]
        if (
            kind not in (b"tEXt", b"zTXt", b"iTXt")
            or len(text) >= entries
            or tries >= 2 * entries
            or left <= 0
        ):
            continue
        tries += 1
        key, _, _ = data[start : min(end, start + 80)].partition(b"\0")
        body = start + len(key) + 1
        if not 0 < len(key) < 80 or body > end:
            continue
        value = _value(kind, data[body : min(end, body + 4 * left + 512)], left)
        if value:
            text.setdefault(key.decode("latin-1"), value)
            left -= len(value)
    return PngText(text, exif)


def without_extras(data: bytes) -> bytes:
    """The same first picture with only the chunks a decoder needs, and a colour profile if it is sound and small.

    Text, animation and anything after the end are gone, so nothing in them can reach a decoder.
    """
    kept, profiles = [MAGIC], 0
    for kind, start, end in _chunks(data):
        if kind == b"iCCP":
            profiles += 1
            if profiles > 1 or not _sound_profile(data[start:end]):
                continue
        if kind in _NEEDED or kind == b"iCCP":
            kept.append(data[start - 8 : end + 4])
        if kind == b"IEND":
            break
    return b"".join(kept)


def embed_text(data: bytes, text: str, *, keyword: str = "parameters") -> bytes:
    """The PNG with `text` under `keyword`, in place of any text it had there; tEXt, or iTXt when not Latin-1.

    Raises `Invalid` (image_broken) when `data` is not a PNG, ValueError when `keyword` is not 1 to 79 Latin-1 letters.
    """
    key = keyword.encode("latin-1")
    if not 0 < len(key) < 80 or b"\0" in key:
        raise ValueError("a PNG keyword has 1 to 79 characters")
    if not data.startswith(MAGIC):
        raise _broken("it is not a PNG")
    plain = text.replace("\0", "")
    try:
        chunk = _chunk(b"tEXt", key + b"\0" + plain.encode("latin-1"))
    except UnicodeEncodeError:
        chunk = _chunk(b"iTXt", key + b"\0\0\0\0\0" + plain.encode("utf-8", "replace"))
    made = [MAGIC]
    for kind, start, end in _chunks(data):
        if kind in (b"tEXt", b"zTXt", b"iTXt") and data[start : start + len(key) + 1] == key + b"\0":
            continue
        made.append(data[start - 8 : end + 4])
        if kind == b"IHDR":
            made.append(chunk)
    return b"".join(made)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of every chunk body that is whole; stops after IEND. Raises `Invalid` for absurd numbers."""
    at = len(MAGIC)
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        start, end = at + 8, min(at + 8 + length, len(data))
        yield kind, start, end
        if kind == b"IEND" or at + 12 + length > len(data):
            return
        at += 12 + length
    raise _broken("it has an absurd number of chunks")


def _value(kind: bytes, body: bytes, characters: int) -> str:
    try:
        if kind == b"tEXt":
            return _latin(body[:characters])
        if kind == b"zTXt":
            return _latin(_inflated(body[1:], characters))
        packed, _method, rest = body[0], body[1], body[2:]
        _language, _, rest = rest.partition(b"\0")
        _translated, _, rest = rest.partition(b"\0")
        raw = _inflated(rest, 4 * characters) if packed else rest
        return raw.decode("utf-8", "replace")[:characters]
    except (zlib.error, IndexError):
        return ""


def _latin(raw: bytes) -> str:
    """tEXt is Latin-1 by the standard, but many writers put UTF-8 there."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _inflated(packed: bytes, most: int) -> bytes:
    return zlib.decompressobj().decompress(packed, most)


def _sound_profile(body: bytes) -> bool:
    _name, nul, rest = body.partition(b"\0")
    inflater = zlib.decompressobj()
    try:
        inflater.decompress(rest[1:], _MAX_PROFILE)
    except zlib.error:
        return False
    return bool(nul) and inflater.eof


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _broken(why: str) -> Invalid:
    return Invalid(
        f"The image cannot be read: {why}. Export it again and send the new file.", code="image_broken"
    )
