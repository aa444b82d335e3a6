"""The zip container as its directory describes it, read without trusting any of it.

Format: PKWARE APPNOTE 6.3.10. The directory at the end counts, as it does for PyTorch; each local header must agree
with it, and the members must lie side by side from the first byte on, so that no reader can see other members than
another one does.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from civitas.infra.scanners.inspection.views import Spool, View

MAX_DIRECTORY: Final = 64 * 1024 * 1024
STORED, DEFLATED = 0, 8
_CHUNK: Final = 1024 * 1024
_WIDE = 0xFFFFFFFF


class BadZip(Exception):
    """The container cannot be read; the text says why, as the end of a sentence."""


class TooLong(Exception):
    """A member unpacks to more than it declares, or than is allowed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One member. `data` is where its bytes begin, None when its local header is not one."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    header: int
    data: int | None
    mode: int
    same_name: bool

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/")

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def is_special(self) -> bool:
        kind = stat.S_IFMT(self.mode)
        return kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)

    @property
    def is_encrypted(self) -> bool:
        return bool(self.flags & 0x2041)

    @property
    def ratio(self) -> float:
        return self.size / max(1, self.packed)


@dataclass(frozen=True, slots=True)
class Directory:
    """All members, where the directory begins, and how many bytes stand after its end record."""

    entries: tuple[Entry, ...]
    start: int
    trailing: int


def read(view: View, end: int, max_members: int) -> Directory:
    """Read the directory of the zip whose end record lies at `end`. Raises BadZip."""
    record = view.at(end, 22)
    if len(record) < 22:
        raise BadZip("its end record is cut off")
    disk, start_disk, here, total, size, start, comment = struct.unpack("<4xHHHHIIH", record)
    after = end
    if view.at(end - 20, 4) == b"PK\x06\x07":
        wide = _wide_end(view, end)
        disk, start_disk, here, total, size, start, after = wide
    if disk or start_disk or here != total:
        raise BadZip("it is one part of several")
    if total > max_members:
        raise BadZip(f"it has {total} members; at most {max_members} are looked at")
    if size > MAX_DIRECTORY:
        raise BadZip("its directory is too large")
    if start + size != after:
        raise BadZip("its directory is not where it should be; something stands before or after it")
    entries = tuple(_entries(view, view.at(start, size), total))
    return Directory(entries, start, view.length - (end + 22 + comment))


def _wide_end(view: View, end: int) -> tuple[int, int, int, int, int, int, int]:
    disk, offset, disks = struct.unpack("<4xIQI", view.at(end - 20, 20))
    record = view.at(offset, 56)
    if disk or disks > 1 or len(record) < 56 or record[:4] != b"PK\x06\x06":
        raise BadZip("its zip64 end record is not where it should be")
    length, here_disk, start_disk, here, total, size, start = struct.unpack("<4xQ4xIIQQQQ", record)
    if offset + 12 + length != end - 20:
        raise BadZip("something stands between its end records")
    return here_disk, start_disk, here, total, size, start, offset


def _entries(view: View, raw: bytes, total: int) -> Iterator[Entry]:
    at = 0
    for _ in range(total):
        if raw[at : at + 4] != b"PK\x01\x02" or len(raw) < at + 46:
            raise BadZip("its directory is damaged")
        flags, method, crc, packed, size, name_length, extra_length, comment, attributes, header = (
            struct.unpack("<8xHH4xIIIHHH4xII", raw[at : at + 46])
        )
        name = raw[at + 46 : at + 46 + name_length]
        extra = raw[at + 46 + name_length : at + 46 + name_length + extra_length]
        packed, size, header = _wide_fields(extra, packed, size, header)
        yield _entry(view, name, flags, method, crc, packed, size, header, attributes >> 16)
        at += 46 + name_length + extra_length + comment
    if at != len(raw):
        raise BadZip("its directory has bytes that belong to no member")


def _wide_fields(extra: bytes, packed: int, size: int, header: int) -> tuple[int, int, int]:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack("<HH", extra[at : at + 4])
        if kind == 1:
            numbers = iter(struct.iter_unpack("<Q", extra[at + 4 : at + 4 + length // 8 * 8]))
            try:
                size = next(numbers)[0] if size == _WIDE else size
                packed = next(numbers)[0] if packed == _WIDE else packed
                header = next(numbers)[0] if header == _WIDE else header
            except StopIteration:
                raise BadZip("a zip64 size is missing") from None
        at += 4 + length
    return packed, size, header


def _entry(
    view: View, name: bytes, flags: int, method: int, crc: int, packed: int, size: int, header: int, mode: int
) -> Entry:
    local = view.at(header, 30)
    data, same = None, False
    if len(local) == 30 and local[:4] == b"PK\x03\x04":
        local_flags, local_method, name_length, extra_length = struct.unpack("<6xHH16xHH", local)
        same = (
            view.at(header + 30, name_length) == name
            and local_method == method
            and (local_flags ^ flags) & 0x2041 == 0
        )
        data = header + 30 + name_length + extra_length
        if data + packed > view.length:
            data = None
    text = name.decode("utf-8", "replace") if flags & 0x800 else name.decode("cp437")
    return Entry(text, flags, method, crc, packed, size, header, data, mode, same)


def overlaps(directory: Directory) -> bool:
    """Whether two members, or a member and the directory, share bytes."""
    spans = sorted(
        (entry.header, (entry.data or entry.header + 30) + entry.packed) for entry in directory.entries
    )
    ends = [end for _, end in spans]
    starts = [start for start, _ in spans[1:]] + [directory.start]
    return any(end > start for end, start in zip(ends, starts, strict=True))


def hidden_bytes(view: View, directory: Directory) -> int:
    """Bytes before and between the members that belong to none; data descriptors are allowed for."""
    at = hidden = 0
    for entry in sorted(directory.entries, key=lambda item: item.header):
        gap = entry.header - at
        descriptor = gap in (12, 16, 20, 24) and at > 0
        if gap > 0 and not descriptor:
            hidden += gap
        at = max(at, (entry.data or entry.header + 30) + entry.packed)
    gap = directory.start - at
    return hidden + (gap if gap not in (0, 12, 16, 20, 24) or (at == 0 and gap) else 0)


def unpack(view: View, entry: Entry, spool: Spool | None, limit: int) -> None:
    """Unpack a deflated member, into `spool` when given, and check its length.

    Raises TooLong when it holds more than it declares or than `limit`, BadZip when it is damaged or too short.
    """
    if entry.data is None or entry.method != DEFLATED:
        raise BadZip("a member cannot be unpacked")
    inflate = zlib.decompressobj(-15)
    made = crc = read = 0
    source = view.part(entry.data, entry.packed)
    try:
        while not inflate.eof:
            piece = inflate.unconsumed_tail or source.at(read, _CHUNK)
            if not inflate.unconsumed_tail:
                read += len(piece)
            out = inflate.decompress(piece, _CHUNK)
            if not piece and not out:
                raise BadZip("a member ends too early")
            made, crc = made + len(out), zlib.crc32(out, crc)
            if made > entry.size or made > limit:
                raise TooLong
            if spool is not None:
                spool.write(out)
    except zlib.error:
        raise BadZip("a member is damaged") from None
    if made != entry.size or crc != entry.crc or inflate.unused_data or read < entry.packed:
        raise BadZip("a member does not unpack to what the directory says")
