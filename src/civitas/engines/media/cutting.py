"""Away with a plain background: what is connected with the border and has its colour becomes transparent.

No model looks at the picture, so nothing is known of what it shows. Where the border is not of one colour this cannot
work, and it says so and leaves the picture to somebody who has a model.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from civitas.engines.media import reading, regions
from civitas.engines.media.work import NotOurs, Unfit, Work

# How far a colour may be from the background's, as a distance in RGB.
TOLERANCE: Final = 32.0
# How much of the border must be of that colour.
PLAIN: Final = 0.9
# Shadows: how much darker they may be, and how far from grey.
_SHADOWS: Final = {"off": (0.0, 0.0), "gentle": (60.0, 14.0), "aggressive": (130.0, 26.0)}

Pixels = NDArray[np.uint8]


def cut_out(work: Work) -> Mapping[str, Any]:
    """`imageBackgroundRemoval` of pictures with a plain background. Raises NotOurs for all others."""
    name = str(work.given.get("format") or "png").lower()
    if name not in {"png", "webp"}:
        raise Unfit(f"There is no format {name!r:.40} with transparency; there are png and webp.")
    image = reading.still(reading.opened(work.file(work.given["image"]), work.limits)).convert("RGBA")
    pixels = np.asarray(image)
    if plainness(pixels) < PLAIN:
        raise NotOurs("The background is not of one colour; to cut it out takes a segmentation model.")
    work.tell(0.2)
    cut = Image.fromarray(without_background(pixels))
    work.warn("The background was cut out by its colour; no model was at work.")
    out = io.BytesIO()
    cut.save(out, format=name.upper(), **({"lossless": True, "exact": False} if name == "webp" else {}))
    return {
        "image": work.add(
            out.getvalue(), kind="image", media_type=f"image/{name}", width=cut.width, height=cut.height
        )
    }


def plainness(pixels: Pixels) -> float:
    """How much of the border has the border's usual colour, 0 to 1."""
    border = _border(pixels)
    return float((_distance(border, _usual(border)) <= TOLERANCE).mean())


def without_background(pixels: Pixels, *, shadows: str = "off", from_centre: bool = False) -> Pixels:
    """RGBA with the background transparent and its edge one pixel soft."""
    colour = _usual(_border(pixels))
    open_ = (_distance(pixels[..., :3], colour) <= TOLERANCE) | (pixels[..., 3] == 0)
    darker, greyness = _SHADOWS.get(shadows, _SHADOWS["off"])
    if darker:
        open_ = open_ | _shadow(pixels[..., :3], colour, darker, greyness)
    seeds = np.zeros(open_.shape, dtype=np.bool_)
    seeds[[0, -1], :] = True
    seeds[:, [0, -1]] = True
    if from_centre:
        seeds[open_.shape[0] // 2, open_.shape[1] // 2] = True
    gone = regions.reached(open_, seeds)
    made = pixels.copy()
    made[..., 3] = np.where(gone, 0, _softened(gone, made[..., 3]))
    return made


def _border(pixels: Pixels) -> Pixels:
    rgb = pixels[..., :3]
    return np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])


def _usual(border: Pixels) -> NDArray[np.float32]:
    """The colour most of the border has: the middle of the fullest of coarse boxes."""
    boxes = (border >> 5).astype(np.int32)
    numbers = boxes[:, 0] * 64 + boxes[:, 1] * 8 + boxes[:, 2]
    fullest = np.bincount(numbers).argmax()
    return np.asarray(np.median(border[numbers == fullest], axis=0), dtype=np.float32)


def _distance(pixels: NDArray[np.uint8], colour: NDArray[np.float32]) -> NDArray[np.float32]:
    apart = pixels.astype(np.float32) - colour
    return np.asarray(np.sqrt(np.einsum("...i,...i->...", apart, apart)))


def _shadow(
    rgb: NDArray[np.uint8], colour: NDArray[np.float32], darker: float, greyness: float
) -> NDArray[np.bool_]:
    """The background's colour, only darker: what a soft shadow on it looks like."""
    drop = colour - rgb.astype(np.float32)
    mean = drop.mean(axis=-1)
    tinted = np.abs(drop - mean[..., None]).max(axis=-1)
    return np.asarray((mean >= 0) & (mean <= darker) & (tinted <= greyness))


def _softened(gone: NDArray[np.bool_], alpha: Pixels) -> Pixels:
    """Half transparent where what stays touches what went, so that the edge is not a staircase."""
    sides = np.zeros(gone.shape, dtype=np.uint8)
    sides[1:] += gone[:-1]
    sides[:-1] += gone[1:]
    sides[:, 1:] += gone[:, :-1]
    sides[:, :-1] += gone[:, 1:]
    share = np.array([1.0, 0.8, 0.55, 0.35, 0.2], dtype=np.float32)[sides]
    return np.asarray((alpha * share).astype(np.uint8))
