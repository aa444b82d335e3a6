"""EXIF rewritten without where and with what a picture was taken (EXIF 2.32, TIFF 6.0).

Kept are how it is to be shown (orientation, resolution, colour space), whose it is, and the recipe in its usual
places. Everything else goes: places, dates, cameras, lenses, serial numbers, maker notes, small previews.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_MOST_ENTRIES: Final = 512
_MOST_BYTES: Final = 8 * 1024 * 1024
_SUB: Final = 0x8769
# Orientation, resolution and its unit, artist, copyright, YCbCr positioning; the title, comment and keywords of Windows.
_KEPT: Final = frozenset({0x0112, 0x011A, 0x011B, 0x0128, 0x013B, 0x0213, 0x8298, 0x9C9B, 0x9C9C, 0x9C9E})
# Version, UserComment, colour space, width and height.
_SUB_KEPT: Final = frozenset({0x9000, 0x9286, 0xA001, 0xA002, 0xA003})
# Description, make and model hold a recipe when some generators wrote them, and a camera's name otherwise.
_PERHAPS: Final = frozenset({0x010E, 0x010F, 0x0110})
_EMPTY: Final = b"MM\0*\0\0\0\x08\0\0\0\0\0\0"


@dataclass(frozen=True, slots=True)
class _Entry:
    tag: int
    kind: int
    count: int
    value: bytes


def empty() -> bytes:
    """The smallest EXIF that says nothing."""
    return _EMPTY


def rewritten(tiff: bytes) -> bytes:
    """The same EXIF with only what may be told; the bytes themselves when that is all of it, b"" when nothing is.

    What cannot be read is not kept either.
    """
    if len(tiff) > _MOST_BYTES:
        return b""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return b""
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        entries, after = _entries(tiff, order, start)
        sub: list[_Entry] = []
        for entry in entries:
            if entry.tag == _SUB and entry.count == 1 and len(entry.value) == 4:
                (place,) = struct.unpack(order + "I", entry.value)
                sub, _ = _entries(tiff, order, place)
    except (struct.error, ValueError):
        return b""
    kept = [entry for entry in entries if entry.tag in _KEPT or _is_recipe(entry)]
    sub_kept = [entry for entry in sub if entry.tag in _SUB_KEPT]
    pointers = sum(entry.tag == _SUB for entry in entries)
    if len(kept) + pointers == len(entries) and sub_kept == sub and after == 0 and pointers <= 1:
        return tiff
    return _built(order, kept, sub_kept) if kept or sub_kept else b""


def _is_recipe(entry: _Entry) -> bool:
    if entry.tag not in _PERHAPS:
        return False
    head = entry.value[:64].lstrip().lower()
    return head.startswith((b"workflow:", b"prompt:")) or b"\nSteps: " in entry.value


def _entries(tiff: bytes, order: str, start: int) -> tuple[list[_Entry], int]:
    (count,) = struct.unpack_from(order + "H", tiff, start)
    if count > _MOST_ENTRIES:
        raise ValueError("too many entries")
    found = []
    left = _MOST_BYTES
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(order + "HHI", tiff, place)
        size = _SIZES.get(kind, 0) * number
        if size <= 4:
            at = place + 8
        else:
            (at,) = struct.unpack_from(order + "I", tiff, place + 8)
        # Entries may share bytes: all of them together are bounded, too.
        left -= size
        if size == 0 or at + size > len(tiff) or left < 0:
            found.append(_Entry(-1, kind, 0, b""))
            continue
        found.append(_Entry(tag, kind, number, tiff[at : at + size]))
    after = start + 2 + 12 * count
    return found, struct.unpack_from(order + "I", tiff, after)[0] if after + 4 <= len(tiff) else 0


def _built(order: str, kept: list[_Entry], sub: list[_Entry]) -> bytes:
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    main = list(kept)
    if sub:
        main.append(_Entry(_SUB, 4, 1, bytes(4)))
    first = _directory(order, main, 8)
    if not sub:
        return head + first
    place = struct.pack(order + "I", 8 + len(first))
    first = _directory(order, [*kept, _Entry(_SUB, 4, 1, place)], 8)
    return head + first + _directory(order, sub, 8 + len(first))


def _directory(order: str, entries: list[_Entry], at: int) -> bytes:
    rows, values = [], bytearray()
    free = at + 2 + 12 * len(entries) + 4
    for entry in sorted(entries, key=lambda entry: entry.tag):
        field = entry.value.ljust(4, b"\0")
        if len(entry.value) > 4:
            field = struct.pack(order + "I", free + len(values))
            # Values begin at even places (TIFF 6.0, section 2).
            values += entry.value + bytes(len(entry.value) & 1)
        rows.append(struct.pack(order + "HHI", entry.tag, entry.kind, entry.count) + field)
    return struct.pack(order + "H", len(entries)) + b"".join(rows) + bytes(4) + bytes(values)
