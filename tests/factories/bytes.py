"""Small files of many kinds, made of their headers."""

from __future__ import annotations

import io
import struct
import zipfile

from PIL import Image


def picture(format: str = "PNG", size: tuple[int, int] = (64, 48), colour: str = "teal") -> bytes:
    """A picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, format)
    return file.getvalue()


def box(kind: bytes, body: bytes = b"") -> bytes:
    """A box of ISO base media."""
    return struct.pack(">I", 8 + len(body)) + kind + body


def mp4(brand: bytes = b"isom") -> bytes:
    """A video by its boxes."""
    return box(b"ftyp", brand + b"\0\0\2\0" + brand) + box(b"moov", bytes(100)) + box(b"mdat", bytes(1000))


def wav(seconds: float = 0.1) -> bytes:
    """Silence."""
    samples = bytes(int(8000 * seconds))
    form = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
    body = form + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


def glb() -> bytes:
    """An empty model."""
    text = b'{"asset":{"version":"2.0"}} '
    chunk = struct.pack("<I", len(text)) + b"JSON" + text
    return b"glTF" + struct.pack("<II", 2, 12 + len(chunk)) + chunk


def packed(**files: bytes) -> bytes:
    """A ZIP archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, body in files.items():
            made.writestr(name, body)
    return file.getvalue()
