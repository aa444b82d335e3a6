"""What a HEIC says of its primary picture, by our own bounded reader; no pixel is decoded here.

Boxes and items are those of ISO/IEC 14496-12 (8.11) and 23008-12: the size is the `ispe` property of the item that
`pitm` names. Everything else in the file (bursts, sequences, depth maps, gain maps, small previews) is not shown.
"""

from __future__ import annotations

import struct
from typing import Final

from civitas.infra.imaging import bmff
from civitas.infra.imaging.bmff import Box
from civitas.infra.imaging.pieces import Unreadable

BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"})
_MAX_PROPERTIES: Final = 4_096
# A phone puts a picture together of some fifty tiles; 64 megapixels of the smallest that any uses are 1,000.
_MAX_TILES: Final = 1_024
_MADE_OF: Final = frozenset({b"grid", b"iden"})


def primary_size(data: bytes, max_pixels: int) -> tuple[int, int]:
    """Width and height of the primary picture as stored, before it is turned or cropped.

    Raises Unreadable, struct.error or IndexError for what is damaged, has no HEVC picture, or is put together of
    more than `max_pixels` allow.
    """
    meta = next((box for box in bmff.boxes(data, 0, len(data)) if box.kind == b"meta"), None)
    if meta is None:
        raise Unreadable
    inner = {box.kind: box for box in bmff.boxes(data, meta.body + 4, meta.end)}
    if not {b"pitm", b"iinf", b"iprp"} <= inner.keys():
        raise Unreadable
    kinds = bmff.item_kinds(data, inner[b"iinf"])
    primary = _number(data, inner[b"pitm"])
    sizes = _sizes(data, inner[b"iprp"])
    if primary not in sizes:
        raise Unreadable
    if kinds.get(primary) in _MADE_OF:
        parts = _parts(data, inner[b"iref"], primary) if b"iref" in inner else []
        if not 1 <= len(parts) <= _MAX_TILES or any(kinds.get(part) != b"hvc1" for part in parts):
            raise Unreadable
        # Tiles reach over the edge by less than one of them; what is put together of far more is a bomb.
        if (
            sum(width * height for width, height in (sizes.get(part, (0, 0)) for part in parts))
            > 2 * max_pixels
        ):
            raise Unreadable
    elif kinds.get(primary) != b"hvc1":
        raise Unreadable
    # What is beside the primary picture may be decoded with it (transparency), so nothing may be larger than is taken.
    if any(
        width * height > max_pixels for width, height in sizes.values() if sizes[primary] != (width, height)
    ):
        raise Unreadable
    return sizes[primary]


def _number(data: bytes, pitm: Box) -> int:
    (number,) = struct.unpack_from(">I" if data[pitm.body] else ">H", data, pitm.body + 4)
    return int(number)


def _sizes(data: bytes, iprp: Box) -> dict[int, tuple[int, int]]:
    """The size that each item has by its properties."""
    properties: list[tuple[int, int] | None] = []
    found: dict[int, tuple[int, int]] = {}
    for box in bmff.boxes(data, iprp.body, iprp.end):
        if box.kind == b"ipco":
            for one in bmff.boxes(data, box.body, box.end):
                size = struct.unpack_from(">II", data, one.body + 4) if one.kind == b"ispe" else None
                properties.append(size)
        elif box.kind == b"ipma":
            for item, index in _associations(data, box):
                size = properties[index - 1] if 1 <= index <= len(properties) else None
                if size is not None:
                    found.setdefault(item, size)
    return found


def _associations(data: bytes, ipma: Box) -> list[tuple[int, int]]:
    wide_items, wide_indexes = data[ipma.body] > 0, data[ipma.body + 3] & 1
    (count,) = struct.unpack_from(">I", data, ipma.body + 4)
    at = ipma.body + 8
    found: list[tuple[int, int]] = []
    for _ in range(min(count, _MAX_PROPERTIES)):
        (item,) = struct.unpack_from(">I" if wide_items else ">H", data, at)
        at += 4 if wide_items else 2
        many = data[at]
        at += 1
        for _ in range(many):
            (index,) = struct.unpack_from(">H" if wide_indexes else ">B", data, at)
            at += 2 if wide_indexes else 1
            found.append((item, index & (0x7FFF if wide_indexes else 0x7F)))
        if at > ipma.end:
            raise Unreadable
    return found


def _parts(data: bytes, iref: Box, whole: int) -> list[int]:
    """Numbers of the items that one is put together of."""
    form, size = (">I", 4) if data[iref.body] else (">H", 2)
    for box in bmff.boxes(data, iref.body + 4, iref.end):
        (item,) = struct.unpack_from(form, data, box.body)
        if box.kind != b"dimg" or item != whole:
            continue
        (count,) = struct.unpack_from(">H", data, box.body + size)
        if count > _MAX_TILES or box.body + size + 2 + count * size > box.end:
            raise Unreadable
        return list(struct.unpack_from(f">{count}{form[1]}", data, box.body + size + 2))
    return []
