"""Small summaries of a picture: BlurHash, the dominant colour, a perceptual hash. All take an RGB image."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from PIL import Image

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
_SAMPLE: Final = 32
_MARGIN: Final = 48


def blurhash(image: Image.Image) -> str:
    """The BlurHash (blurha.sh, version 1) with 4 components along the longer edge and 3 along the shorter."""
    across, down = (4, 3) if image.width >= image.height else (3, 4)
    small = image.resize((_SAMPLE, _SAMPLE), Image.Resampling.BOX)
    linear = [_linear()[value] for value in small.tobytes()]
    factors = [_component(linear, x, y) for y in range(down) for x in range(across)]
    strongest = max(abs(value) for factor in factors[1:] for value in factor)
    level = max(0, min(82, math.floor(strongest * 166 - 0.5)))
    scale = (level + 1) / 166
    text = _base83((across - 1) + (down - 1) * 9, 1) + _base83(level, 1)
    red, green, blue = (_encoded(value) for value in factors[0])
    text += _base83((red << 16) + (green << 8) + blue, 4)
    for factor in factors[1:]:
        r, g, b = (max(0, min(18, math.floor(_signed_root(value / scale) * 9 + 9.5))) for value in factor)
        text += _base83(r * 361 + g * 19 + b, 2)
    return text


def dominant(image: Image.Image) -> str:
    """The colour of the largest of eight groups that its colours fall into: `#rrggbb`."""
    small = image.resize((64, 64), Image.Resampling.BOX).quantize(8)
    palette = small.getpalette() or [0, 0, 0]
    counts = small.histogram()[: len(palette) // 3]
    at = 3 * counts.index(max(counts))
    return "#" + bytes(palette[at : at + 3]).hex()


def phash(image: Image.Image) -> str:
    """64-bit perceptual hash: the 8 x 8 lowest frequencies of a 32 x 32 cosine transform, above their median or not.

    Scaling, recompression and small changes of colour move few bits. 16 hex digits.
    """
    grey = image.convert("L").resize((_SAMPLE, _SAMPLE), Image.Resampling.LANCZOS).tobytes()
    waves = _waves()
    rows = [
        [sum(grey[y * _SAMPLE + x] * wave[x] for x in range(_SAMPLE)) for wave in waves]
        for y in range(_SAMPLE)
    ]
    low = [sum(rows[y][u] * wave[y] for y in range(_SAMPLE)) for wave in waves for u in range(8)]
    # The margin keeps frequencies that a symmetrical picture lacks from turning with the noise of recompression.
    middle = sorted(low[1:])[31] + _MARGIN
    bits = 0
    for value in low:
        bits = bits << 1 | (value > middle)
    return f"{bits:016x}"


def distance(left: str, right: str) -> int:
    """How many of 64 bits differ between two perceptual hashes; up to about 10 people call them the same picture."""
    return (int(left, 16) ^ int(right, 16)).bit_count()


def _component(linear: list[float], x: int, y: int) -> tuple[float, float, float]:
    norm = (1 if x == y == 0 else 2) / (_SAMPLE * _SAMPLE)
    across = [math.cos(math.pi * x * i / _SAMPLE) for i in range(_SAMPLE)]
    total = [0.0, 0.0, 0.0]
    for j in range(_SAMPLE):
        down = math.cos(math.pi * y * j / _SAMPLE) * norm
        row = linear[j * _SAMPLE * 3 : (j + 1) * _SAMPLE * 3]
        for band in range(3):
            total[band] += down * sum(map(float.__mul__, across, row[band::3]))
    return total[0], total[1], total[2]


@lru_cache(1)
def _linear() -> list[float]:
    return [v / 255 / 12.92 if v <= 10 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in range(256)]


@lru_cache(1)
def _waves() -> list[list[float]]:
    return [[math.cos(math.pi * u * (2 * x + 1) / (2 * _SAMPLE)) for x in range(_SAMPLE)] for u in range(8)]


def _encoded(value: float) -> int:
    value = max(0.0, min(1.0, value))
    srgb = value * 12.92 if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return int(srgb * 255 + 0.5)


def _signed_root(value: float) -> float:
    return math.copysign(math.sqrt(abs(value)), value)


def _base83(value: int, length: int) -> str:
    return "".join(_DIGITS[value // 83 ** (length - i) % 83] for i in range(1, length + 1))
