"""Hashes of what a picture looks like: near pictures have hashes that differ in few bits.

`perceptual` compares the brightness of neighbours (64 bits); `perceptualDct` and `perceptualDct256` look at the lowest
frequencies of a cosine transform (64 and 256 bits). All are written as hex digits. `perceptualDct` is the same number that
the gallery keeps for its pictures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from civitas.engines.media import probing, reading
from civitas.engines.media.work import Unfit, Work

# Keeps frequencies that a symmetrical picture lacks from turning with the noise of recompression.
_MARGIN: Final = 48.0


def hash_media(work: Work) -> Mapping[str, Any]:
    """`mediaHash`: every kind that was asked for; of a video, its first frame."""
    wanted = list(dict.fromkeys(str(kind) for kind in work.given["hashTypes"]))
    if unknown := [kind for kind in wanted if kind not in KINDS]:
        raise Unfit(f"There is no hash {unknown[0]!r:.40}; there are {', '.join(KINDS)}.")
    image = _picture(work)
    return {"hashes": {kind: KINDS[kind](image) for kind in wanted}}


def _picture(work: Work) -> Image.Image:
    file = work.file(work.given["mediaUrl"])
    try:
        return reading.flattened(reading.still(reading.opened(file, work.limits)))
    except UnidentifiedImageError:
        work.warn("The hashes are those of the video's first frame.")
        return probing.first_frame(file, work.limits)


def gradient(image: Image.Image) -> str:
    """64 bits: whether each of 9 x 8 areas is brighter than its neighbour to the left."""
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.LANCZOS), dtype=np.int16)
    return _hex(grey[:, 1:] > grey[:, :-1])


def cosine(image: Image.Image) -> str:
    """64 bits: the 8 x 8 lowest frequencies of 32 x 32 pixels, above their median or not."""
    low = _frequencies(image, 32, 8)
    middle = np.sort(low.ravel()[1:])[31] + _MARGIN
    return _hex(low > middle)


def cosine256(image: Image.Image) -> str:
    """256 bits: the 16 x 16 lowest frequencies of 64 x 64 pixels, above their median or not."""
    low = _frequencies(image, 64, 16)
    middle = np.sort(low.ravel()[1:])[127] + _MARGIN
    return _hex(low > middle)


def likeness(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> float:
    """How alike two small grey pictures are, 0 to 1: the less alike of structure and brightness."""
    structure = 1 - int(np.count_nonzero(bits(left) != bits(right))) / 256
    brightness = 1 - float(np.abs(left.astype(np.int16) - right.astype(np.int16)).mean()) / 255
    return min(structure, brightness)


def small(image: Image.Image) -> NDArray[np.uint8]:
    """What `likeness` compares."""
    return np.asarray(image.convert("L").resize((64, 64), Image.Resampling.BOX), dtype=np.uint8)


def bits(grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """256 bits of the structure of a small grey picture."""
    low = _transformed(grey.astype(np.float64), 16)
    middle = float(np.sort(low.ravel()[1:])[127]) + _MARGIN
    return np.asarray(low > middle)


def _frequencies(image: Image.Image, size: int, kept: int) -> NDArray[np.float64]:
    grey = image.convert("L").resize((size, size), Image.Resampling.LANCZOS)
    return _transformed(np.asarray(grey, dtype=np.float64), kept)


def _transformed(grey: NDArray[np.float64], kept: int) -> NDArray[np.float64]:
    waves = _waves(grey.shape[0], kept)
    return np.asarray(waves @ grey @ waves.T)


@lru_cache(4)
def _waves(size: int, kept: int) -> NDArray[np.float64]:
    return np.array(
        [[math.cos(math.pi * u * (2 * x + 1) / (2 * size)) for x in range(size)] for u in range(kept)]
    )


def _hex(flags: NDArray[np.bool_]) -> str:
    return np.packbits(flags.ravel()).tobytes().hex()


KINDS: Final = {"perceptual": gradient, "perceptualDct": cosine, "perceptualDct256": cosine256}
