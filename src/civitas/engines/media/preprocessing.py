"""Pictures for ControlNets, as far as arithmetic goes: edges, lines, scribbles, colours, tiles, shuffles."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from civitas.engines.media import reading, regions
from civitas.engines.media.work import NotOurs, Unfit, Work

Grey = NDArray[np.float32]
Given = Mapping[str, Any]


def preprocess(work: Work) -> Mapping[str, Any]:
    """`preprocessImage`: the shorter side becomes `resolution`, then the kind's arithmetic. Raises NotOurs for models."""
    kind = str(work.given.get("kind"))
    if kind not in KINDS:
        raise NotOurs(f"The preprocessor {kind:.40} is a model; this agent has none.")
    source = reading.opened(work.file(work.given["image"]), work.limits)
    image = _sized(reading.flattened(reading.still(source)), int(work.given.get("resolution") or 512), work)
    work.tell(0.2)
    made = KINDS[kind](image, work.given)
    out = io.BytesIO()
    made.save(out, format="PNG")
    return {
        "blob": work.add(
            out.getvalue(), kind="image", media_type="image/png", width=made.width, height=made.height
        )
    }


def _sized(image: Image.Image, resolution: int, work: Work) -> Image.Image:
    scale = resolution / min(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    if max(width, height) > work.limits.side or width * height > work.limits.pixels:
        raise Unfit(f"The picture would become {width} x {height} pixels; choose a smaller resolution.")
    method = Image.Resampling.LANCZOS if scale > 1 else Image.Resampling.BOX
    return image.resize((width, height), method)


def _grey(image: Image.Image) -> Grey:
    return np.asarray(image.convert("L"), dtype=np.float32)


def _image(values: NDArray[Any]) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).convert("RGB")


def _blurred(grey: Grey, sigma: float) -> Grey:
    """Gaussian, by sums along each axis; borders are mirrored."""
    if sigma <= 0:
        return grey
    reach = max(1, min(round(sigma * 3), *(side - 1 for side in grey.shape)) if min(grey.shape) > 1 else 1)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    weights /= weights.sum()
    for axis in (0, 1):
        padding = [(reach, reach) if axis == side else (0, 0) for side in (0, 1)]
        padded = np.pad(grey, padding, mode="symmetric")
        size = grey.shape[axis]
        grey = np.zeros_like(grey)
        for offset, weight in enumerate(weights):
            grey += weight * (
                padded[offset : offset + size] if axis == 0 else padded[:, offset : offset + size]
            )
    return grey


def canny(image: Image.Image, given: Given) -> Image.Image:
    """Canny's edges: thin, and weak ones only where they hang on strong ones."""
    low, high = sorted((given.get("lowThreshold", 100), given.get("highThreshold", 200)))
    padded = np.pad(_grey(image), 1, mode="edge")
    across = padded[:, 2:] - padded[:, :-2]
    down = padded[2:] - padded[:-2]
    dx = across[:-2] + 2 * across[1:-1] + across[2:]
    dy = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    strength = np.abs(dx) + np.abs(dy)
    thin = _ridge(strength, dx, dy)
    weak, strong = thin & (strength > low), thin & (strength > high)
    return _image(regions.reached(weak, strong, diagonal=True) * np.uint8(255))


def _ridge(strength: Grey, dx: Grey, dy: Grey) -> NDArray[np.bool_]:
    """Where the strength is greatest across the edge, in the nearest of four directions."""
    padded = np.pad(strength, 1)
    height, width = strength.shape

    def beside(y: int, x: int) -> Grey:
        return padded[1 + y : 1 + y + height, 1 + x : 1 + x + width]

    steep, flat = np.abs(dy) > 2.414 * np.abs(dx), np.abs(dy) < 0.4142 * np.abs(dx)
    falling = (dx * dy) > 0
    ahead = np.where(
        flat, beside(0, 1), np.where(steep, beside(1, 0), np.where(falling, beside(1, 1), beside(1, -1)))
    )
    behind = np.where(
        flat, beside(0, -1), np.where(steep, beside(-1, 0), np.where(falling, beside(-1, -1), beside(-1, 1)))
    )
    return np.asarray((strength > behind) & (strength >= ahead))


def binary(image: Image.Image, given: Given) -> Image.Image:
    """Black and white at a threshold; 0 lets the picture choose it (Otsu)."""
    grey = _grey(image)
    threshold = given.get("binThreshold", 100) or _otsu(grey)
    return _image((grey > threshold) * np.uint8(255))


def _otsu(grey: Grey) -> int:
    """The threshold that parts dark and light best."""
    counts = np.bincount(grey.astype(np.uint8).ravel(), minlength=256).astype(np.float64)
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return int(np.nan_to_num(apart).argmax())


def color(image: Image.Image, given: Given) -> Image.Image:
    """Squares of one colour each, 64 pixels wide."""
    small = (max(1, image.width // 64), max(1, image.height // 64))
    return image.resize(small, Image.Resampling.BICUBIC).resize(image.size, Image.Resampling.NEAREST)


def standard_lineart(image: Image.Image, given: Given) -> Image.Image:
    """White lines where the picture is darker than its surroundings."""
    sigma, least = float(given.get("gaussianSigma", 6)), float(given.get("intensityThreshold", 8))
    channels = np.asarray(image, dtype=np.float32)
    darker = np.stack(
        [_blurred(channels[..., band], sigma) - channels[..., band] for band in range(3)], axis=-1
    ).min(axis=-1)
    lines = np.clip(darker, 0, None)
    firm = lines[lines > least]
    top = float(np.median(firm)) if firm.size else 0.0
    return _image(lines / max(16.0, top) * 127)


def scribble(image: Image.Image, given: Given) -> Image.Image:
    """White where some colour is dark."""
    darkest = np.asarray(image).min(axis=-1)
    return _image((darkest < 127) * np.uint8(255))


def scribble_xdog(image: Image.Image, given: Given) -> Image.Image:
    """Strokes by the difference of two blurs."""
    channels = np.asarray(image, dtype=np.float32)
    darker = np.stack(
        [_blurred(channels[..., band], 5.0) - _blurred(channels[..., band], 0.5) for band in range(3)],
        axis=-1,
    ).min(axis=-1)
    return _image((darker * 2 > given.get("threshold", 32)) * np.uint8(255))


def shuffle(image: Image.Image, given: Given) -> Image.Image:
    """The same colours in other places: every pixel comes from where a smooth random field points."""
    chance = default_rng(int(given.get("seed", 0)))
    height, width = image.height, image.width
    return Image.fromarray(
        np.asarray(image)[_field(chance, height, width, height), _field(chance, height, width, width)]
    )


def _field(chance: Generator, height: int, width: int, top: int) -> NDArray[np.intp]:
    """Positions 0 to `top` that change smoothly over the picture."""
    coarse = (max(2, width // 256 + 3), max(2, height // 256 + 3))
    noise = Image.fromarray(chance.random((coarse[1], coarse[0]), dtype=np.float32))
    smooth = np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC))
    low, high = float(smooth.min()), float(smooth.max())
    return np.asarray((smooth - low) / max(high - low, 1e-6) * (top - 1), dtype=np.intp)


def tile(image: Image.Image, given: Given) -> Image.Image:
    """Softer by as many halvings as asked for, at the same size: what a tile ControlNet fills with detail."""
    times = int(given.get("pyrUpIterations", 3))
    small = image
    for _ in range(times):
        if min(small.size) < 2:
            break
        small = small.resize((max(1, small.width // 2), max(1, small.height // 2)), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(0.5))


KINDS: Final[Mapping[str, Callable[[Image.Image, Given], Image.Image]]] = {
    "binary": binary,
    "canny": canny,
    "color": color,
    "lineart-standard": standard_lineart,
    "scribble": scribble,
    "scribble-xdog": scribble_xdog,
    "shuffle": shuffle,
    "tile": tile,
}
