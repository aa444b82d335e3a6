"""Pictures and hostile files, made at test time."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

MAGIC = b"\x89PNG\r\n\x1a\n"


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def quarters(width: int = 64, height: int = 48) -> Image.Image:
    """Red, green / blue, white, so that every orientation is told from every other."""
    image = Image.new("RGB", (2, 2))
    image.putdata([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)])
    return image.resize((width, height), Image.Resampling.NEAREST)


def slope(width: int = 64, height: int = 64) -> Image.Image:
    return Image.linear_gradient("L").resize((width, height)).convert("RGB")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int, height: int, data: bytes | None = None, *, extra: bytes = b"", depth: int = 8, colour: int = 0
) -> bytes:
    """A PNG by hand; without `data`, black rows that compress a thousandfold."""
    if data is None:
        packer = zlib.compressobj(9)
        row = bytes(1 + width * depth // 8)
        data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return MAGIC + header + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def with_chunks(data: bytes, *chunks: bytes) -> bytes:
    """The PNG with more chunks right after its header."""
    return data[:33] + b"".join(chunks) + data[33:]


def exif_of(**fields: Any) -> bytes:
    """EXIF bytes with an orientation, UserComment bytes, Make or Model."""
    book = Image.Exif()
    for tag, name in ((0x0112, "orientation"), (0x010F, "make"), (0x0110, "model"), (0x010E, "description")):
        if name in fields:
            book[tag] = fields[name]
    if "comment" in fields:
        book.get_ifd(0x8769)[0x9286] = fields["comment"]
    if "gps" in fields:
        book.get_ifd(0x8825)[2] = fields["gps"]
    return book.tobytes()
