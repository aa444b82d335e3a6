"""HEIC files made at test time: bitstreams by x265 in PyAV, and boxes (ISO/IEC 14496-12, 23008-12) by hand."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fractions import Fraction

import av
from PIL import Image

LIMITED_BT601 = b"nclx" + struct.pack(">HHHB", 1, 13, 6, 0)


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind: bytes, body: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags) + body)


def ispe(width: int, height: int) -> bytes:
    return full(b"ispe", struct.pack(">II", width, height))


@dataclass(frozen=True, slots=True)
class Item:
    kind: bytes
    data: bytes
    properties: list[bytes] = field(default_factory=list)
    content_type: bytes = b""
    references: dict[bytes, list[int]] = field(default_factory=dict)


def coded(image: Image.Image, claim: tuple[int, int] | None = None, colours: bytes = LIMITED_BT601) -> Item:
    """The picture as one HEVC item; `claim` is the size that its `ispe` tells instead of the true one."""
    nals = _nals(image)
    sets = [nal for nal in nals if nal[0] >> 1 & 63 in (32, 33, 34)]
    slices = [nal for nal in nals if nal[0] >> 1 & 63 < 32]
    data = b"".join(struct.pack(">I", len(nal)) + nal for nal in slices)
    properties = [_hvcc(sets), ispe(*(claim or image.size)), box(b"colr", colours)]
    return Item(b"hvc1", data, properties)


def grid(tiles: list[int], columns: int, rows: int, size: tuple[int, int]) -> Item:
    """A picture put together of the items with these numbers."""
    body = bytes([0, 1, rows - 1 & 255, columns - 1 & 255]) + struct.pack(">II", *size)
    return Item(b"grid", struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *size) if max(size) < 65536 else body,
                [ispe(*size)], references={b"dimg": tiles})  # fmt: skip


def heif(items: list[Item], primary: int = 1, brand: bytes = b"heic") -> bytes:
    """A file of these items, numbered from 1."""
    start = box(b"ftyp", brand + bytes(4) + b"mif1heic")
    bodies = b"".join(item.data for item in items)
    size = len(start) + len(_meta(items, primary, 0)) + 8
    return start + _meta(items, primary, size) + box(b"mdat", bodies)


def heic(image: Image.Image, *extra: bytes, exif: bytes = b"", xmp: bytes = b"") -> bytes:
    """One picture with more properties (`irot`, `imir`, `colr`), EXIF and XMP."""
    picture = coded(image)
    kept = [one for one in picture.properties if not (one[4:8] == b"colr" and b"colrprof" in b"".join(extra))]
    items = [Item(b"hvc1", picture.data, [*kept, *extra])]
    if exif:
        told = struct.pack(">I", 6) + b"Exif\0\0" + exif.removeprefix(b"Exif\0\0")
        items.append(Item(b"Exif", told, references={b"cdsc": [1]}))
    if xmp:
        items.append(Item(b"mime", xmp, content_type=b"application/rdf+xml", references={b"cdsc": [1]}))
    return heif(items)


def _meta(items: list[Item], primary: int, at: int) -> bytes:
    numbered = list(enumerate(items, 1))
    infos = b"".join(
        full(b"infe", struct.pack(">HH4s", number, 0, item.kind) + b"\0"
             + (item.content_type + b"\0" if item.kind == b"mime" else b""), 2)
        for number, item in numbered
    )  # fmt: skip
    places = b""
    for number, item in numbered:
        places += struct.pack(">HHHII", number, 0, 1, at, len(item.data))
        at += len(item.data)
    shared: list[bytes] = []
    told = b""
    for number, item in numbered:
        marks = b""
        for one in item.properties:
            if one not in shared:
                shared.append(one)
            essential = 0x80 if one[4:8] in (b"hvcC", b"irot", b"imir") else 0
            marks += bytes([essential | shared.index(one) + 1])
        if item.properties:
            told += struct.pack(">HB", number, len(item.properties)) + marks
    described = sum(bool(item.properties) for item in items)
    links = b"".join(
        box(kind, struct.pack(f">HH{len(to)}H", number, len(to), *to))
        for number, item in numbered for kind, to in item.references.items()
    )  # fmt: skip
    return full(
        b"meta",
        full(b"hdlr", bytes(4) + b"pict" + bytes(13))
        + full(b"pitm", struct.pack(">H", primary))
        + full(b"iloc", b"\x44\0" + struct.pack(">H", len(items)) + places)
        + full(b"iinf", struct.pack(">H", len(items)) + infos)
        + (full(b"iref", links) if links else b"")
        + box(b"iprp", box(b"ipco", b"".join(shared)) + full(b"ipma", struct.pack(">I", described) + told)),
    )


def _nals(image: Image.Image) -> list[bytes]:
    codec = av.CodecContext.create("libx265", "w")
    codec.width, codec.height = image.size
    codec.pix_fmt, codec.time_base = "yuv420p", Fraction(1, 1)
    codec.options = {
        "preset": "ultrafast",
        "x265-params": "log-level=none:crf=8:keyint=1:pools=none:frame-threads=1:annexb=1:repeat-headers=1:info=0",
    }
    frame = av.VideoFrame.from_image(image.convert("RGB")).reformat(format="yuv420p")
    stream = b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])
    return [nal.rstrip(b"\0") for nal in stream.split(b"\0\0\1") if nal.rstrip(b"\0")]


def _hvcc(sets: list[bytes]) -> bytes:
    sps = next(nal for nal in sets if nal[0] >> 1 & 63 == 33).replace(b"\0\0\3", b"\0\0")
    body = b"\1" + sps[3:15] + b"\xf0\0\xfc\xfd\xf8\xf8\0\0\x0f" + bytes([len(sets)])
    for nal in sets:
        body += bytes([0x80 | nal[0] >> 1 & 63]) + struct.pack(">HH", 1, len(nal)) + nal
    return box(b"hvcC", body)
