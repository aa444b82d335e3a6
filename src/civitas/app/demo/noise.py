"""Smooth random fields, the ground of every drawn picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.float64]


def value_noise(rng: np.random.Generator, width: int, height: int, cells: int, octaves: int = 4) -> Field:
    """A field of `height` x `width` values in 0..1; `cells` is how many bumps fit across the first octave."""
    total = np.zeros((height, width))
    weight, sum_of_weights = 1.0, 0.0
    for octave in range(octaves):
        across = max(2, cells * 2**octave)
        down = max(2, round(across * height / width))
        grid = rng.random((down + 3, across + 3)).astype(np.float32)
        smooth = Image.fromarray(grid, mode="F").resize((width, height), Image.Resampling.BICUBIC)
        total += weight * np.asarray(smooth, dtype=np.float64)
        sum_of_weights += weight
        weight *= 0.5
    total /= sum_of_weights
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - low) / (high - low + 1e-9))


def ridge_line(rng: np.random.Generator, width: int, roughness: float, cells: int) -> Field:
    """A mountain's outline: `width` heights around 0, at most about `roughness` away from it."""
    row = value_noise(rng, width, 4, cells, octaves=6)[1]
    return np.asarray((row - 0.5) * 2 * roughness)


def smoothstep(edge0: float, edge1: float, x: Field) -> Field:
    """0 below `edge0`, 1 above `edge1`, smooth between (the usual cubic)."""
    t = np.clip((x - edge0) / (edge1 - edge0 + 1e-9), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))
