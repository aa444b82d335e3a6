"""AVIF without its origin: what tells it is overwritten where it lies, so that no offset in the file changes.

Boxes and items are those of ISO/IEC 14496-12 (8.11) and 23008-12. Orientation of an AVIF is a property of the
picture (`irot`, `imir`), not of its EXIF.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from civitas.infra.imaging import exif
from civitas.infra.imaging.pieces import Pieces, Unreadable

_MAX_BOXES: Final = 20_000
_MAX_ITEMS: Final = 4_096
_MAX_TOLD: Final = 8 * 1024 * 1024
# Pictures and how they are put together; items of every other type are blanked.
_PICTURES: Final = frozenset({b"av01", b"grid", b"iovl", b"iden", b"tmap", b"hvc1", b"avc1"})
# Containers on the way to user data of a sequence.
_CONTAINERS: Final = frozenset({b"moov", b"trak", b"mdia", b"minf", b"dinf"})
_BLANKED: Final = frozenset({b"uuid", b"udta", b"xml ", b"bxml", b"free", b"skip", b"Exif", b"XMP_"})


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its type, where it begins, where what it holds begins, and where it ends."""

    kind: bytes
    start: int
    body: int
    end: int


def without_origin(data: bytes) -> Pieces:
    """The file with EXIF rewritten and every other description blanked in place. Raises Unreadable."""
    patches: list[tuple[int, bytes]] = []
    _walk(data, 0, len(data), patches, 0)
    kept, at = Pieces(data), 0
    for start, new in sorted(patches):
        if start < at:
            raise Unreadable
        kept.copy(at, start)
        kept.add(new)
        at = start + len(new)
    kept.copy(at, len(data))
    return kept


def _walk(data: bytes, start: int, end: int, patches: list[tuple[int, bytes]], depth: int) -> None:
    for box in boxes(data, start, end):
        if box.kind in _BLANKED:
            patches.append((box.start + 4, b"free"))
            patches.append((box.body, bytes(box.end - box.body)))
        elif box.kind == b"meta":
            _meta(data, box, patches, top=depth == 0)
        elif box.kind in _CONTAINERS and depth < 8:
            _walk(data, box.body, box.end, patches, depth + 1)


def boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """The boxes that fill a range. Raises Unreadable (or struct.error) where they do not, or are too many."""
    at = start
    for _ in range(_MAX_BOXES):
        if at == end:
            return
        if at + 8 > end:
            raise Unreadable
        length, kind = struct.unpack_from(">I4s", data, at)
        body = at + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, body)
            body += 8
        stop = end if length == 0 else at + length
        if stop < body or stop > end:
            raise Unreadable
        yield Box(kind, at, body, stop)
        at = stop
    raise Unreadable


def _meta(data: bytes, meta: Box, patches: list[tuple[int, bytes]], *, top: bool) -> None:
    if not top:
        patches.append((meta.start + 4, b"free"))
        patches.append((meta.body, bytes(meta.end - meta.body)))
        return
    inner = list(boxes(data, meta.body + 4, meta.end))
    for box in inner:
        if box.kind in _BLANKED:
            patches.append((box.start + 4, b"free"))
            patches.append((box.body, bytes(box.end - box.body)))
    by_kind = {box.kind: box for box in inner}
    kinds = item_kinds(data, by_kind[b"iinf"]) if b"iinf" in by_kind else {}
    told = {number for number, kind in kinds.items() if kind not in _PICTURES}
    if not told:
        return
    if b"iloc" not in by_kind:
        raise Unreadable
    idat = by_kind.get(b"idat")
    places = _item_places(data, by_kind[b"iloc"], told, idat)
    for number in told & places.keys():
        patches.extend(_rewritten(data, places[number], kinds[number]))


def item_kinds(data: bytes, box: Box) -> dict[int, bytes]:
    """The type of each item that an `iinf` lists."""
    wide = data[box.body] != 0
    start = box.body + 4
    (count,) = struct.unpack_from(">I" if wide else ">H", data, start)
    if count > _MAX_ITEMS:
        raise Unreadable
    found: dict[int, bytes] = {}
    for entry in boxes(data, start + (4 if wide else 2), box.end):
        version = data[entry.body]
        if entry.kind != b"infe" or version not in (2, 3):
            raise Unreadable
        number, _, kind = struct.unpack_from(">IH4s" if version == 3 else ">HH4s", data, entry.body + 4)
        found[number] = kind
    return found


def _item_places(
    data: bytes, box: Box, wanted: set[int], idat: Box | None
) -> dict[int, list[tuple[int, int]]]:
    """Where the bytes of the wanted items lie: start and length of each extent."""
    version, at = data[box.body], box.body + 4
    sizes = [data[at] >> 4, data[at] & 15, data[at + 1] >> 4, data[at + 1] & 15 if version else 0]
    at += 2
    if version > 2 or any(size not in (0, 4, 8) for size in sizes):
        raise Unreadable

    def number(size: int) -> int:
        nonlocal at
        if at + size > box.end:
            raise Unreadable
        value = int.from_bytes(data[at : at + size], "big")
        at += size
        return value

    wide = 4 if version == 2 else 2
    count = number(wide)
    if count > _MAX_ITEMS:
        raise Unreadable
    found: dict[int, list[tuple[int, int]]] = {}
    for _ in range(count):
        item = number(wide)
        method = number(2) & 15 if version else 0
        reference, base = number(2), number(sizes[2])
        extents = []
        for _ in range(number(2)):
            number(sizes[3])
            offset, length = base + number(sizes[0]), number(sizes[1])
            extents.append((offset, length))
            if len(extents) > _MAX_ITEMS:
                raise Unreadable
        if item not in wanted:
            continue
        if reference or method > 1 or (method == 1 and idat is None):
            raise Unreadable
        start = idat.body if method == 1 and idat is not None else 0
        found[item] = [(start + offset, length) for offset, length in extents]
    return found


def _rewritten(data: bytes, extents: list[tuple[int, int]], kind: bytes) -> Iterator[tuple[int, bytes]]:
    size = sum(length for _, length in extents)
    if size > _MAX_TOLD or any(not length or start + length > len(data) for start, length in extents):
        raise Unreadable
    new = bytes(size)
    if kind == b"Exif":
        old = b"".join(data[start : start + length] for start, length in extents)
        tiff = old[4 + int.from_bytes(old[:4], "big") :]
        told = exif.rewritten(tiff)
        if told and told is tiff:
            return
        told = told or exif.empty()
        if 4 + len(told) <= size:
            new = (bytes(4) + told).ljust(size, b"\0")
    at = 0
    for start, length in extents:
        yield start, new[at : at + length]
        at += length
