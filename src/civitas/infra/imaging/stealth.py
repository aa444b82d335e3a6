"""Recipes hidden in the lowest bits of pixels, as NovelAI and others do it. Runs only inside the sandbox.

Column by column, one bit a pixel in the alpha channel (`stealth_pnginfo`, `stealth_pngcomp`) or three in red, green and
blue (`stealth_rgbinfo`, `stealth_rgbcomp`): the word, 32 bits of length in bits, the text, packed by gzip in the second
form of each. What is unpacked is bounded.
"""

from __future__ import annotations

import zlib
from typing import Final

from PIL import Image

MOST: Final = 1024 * 1024
"""Bytes of hidden text, and of what it unpacks to."""
_WORD: Final = 15
_HEAD: Final = _WORD + 4
_BIT: Final = bytes(48 + (value & 1) for value in range(256))
_WORDS: Final = {
    b"stealth_pnginfo": False, b"stealth_pngcomp": True, b"stealth_rgbinfo": False, b"stealth_rgbcomp": True,
}  # fmt: skip


def hidden_text(image: Image.Image) -> str:
    """The text hidden in a picture's pixels; "" when there is none. The picture is at its full size."""
    found = b""
    if image.mode == "RGBA":
        found = _read(image, "A")
    if not found and image.mode in ("RGB", "RGBA"):
        found = _read(image, "RGB")
    return found.decode("utf-8", "replace")


def _read(image: Image.Image, bands: str) -> bytes:
    head = _bytes(image, bands, _HEAD)
    packed = _WORDS.get(head[:_WORD])
    if packed is None or (head[8:11] == b"rgb") != (bands == "RGB"):
        return b""
    size = int.from_bytes(head[_WORD:_HEAD], "big") // 8
    if not 0 < size <= MOST:
        return b""
    data = _bytes(image, bands, _HEAD + size)[_HEAD:]
    if len(data) < size:
        return b""
    if not packed:
        return data
    try:
        return zlib.decompressobj(31).decompress(data, MOST)
    except zlib.error:
        return b""


def _bytes(image: Image.Image, bands: str, count: int) -> bytes:
    """The first `count` hidden bytes, or as many as there are."""
    pixels = -(-count * 8 // len(bands))
    columns = min(image.width, -(-pixels // image.height))
    part = image.crop((0, 0, columns, image.height)).transpose(Image.Transpose.TRANSPOSE)
    values = part.getchannel("A").tobytes() if bands == "A" else part.convert("RGB").tobytes()
    bits = values.translate(_BIT)[: count * 8]
    bits = bits[: len(bits) // 8 * 8]
    return int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""
