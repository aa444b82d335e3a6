"""Pictures drawn by arithmetic: no model, no photograph, the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from civitas.app.demo.noise import Field, ridge_line, smoothstep, value_noise

Canvas = NDArray[np.float64]
Colour = tuple[float, float, float]


def rgb(hexadecimal: str) -> Colour:
    """`#rrggbb` as three values in 0..1."""
    return tuple(int(hexadecimal[i : i + 2], 16) / 255 for i in (1, 3, 5))  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of a scene from its far and light end to its near and dark one, and one that glows."""

    shades: tuple[str, ...]
    glow: str

    def at(self, place: Field | float) -> Canvas:
        """The colour at 0 (far) to 1 (near), blended between neighbours."""
        stops = np.array([rgb(shade) for shade in self.shades])
        x = np.clip(np.asarray(place, dtype=np.float64), 0, 1) * (len(stops) - 1)
        low = np.minimum(x.astype(int), len(stops) - 2)
        part = (x - low)[..., None]
        return np.asarray(stops[low] * (1 - part) + stops[low + 1] * part)


PALETTES = {
    "dawn": Palette(("#fbe3c8", "#f3b58b", "#d97b6c", "#8c4a63", "#3c2547", "#1b1430"), "#fff1cf"),
    "aurora": Palette(("#123247", "#14566b", "#1d8a83", "#2a6f7e", "#18324f", "#0a1528"), "#9ff5c8"),
    "tide": Palette(("#e9f1ef", "#b5d6d3", "#6ea9b0", "#2f7288", "#154a63", "#0a2a3e"), "#ffffff"),
    "ember": Palette(("#1c0f16", "#3b1621", "#7a2526", "#c0482b", "#ea8a3c", "#ffd389"), "#ffe9b8"),
    "moss": Palette(("#eef0dc", "#c9d2a4", "#8fa56b", "#56774f", "#2d4f40", "#14302c"), "#fbffd9"),
    "ink": Palette(("#f4efe6", "#d9d2c6", "#a49d96", "#65626a", "#33333f", "#15161d"), "#ffffff"),
    "lantern": Palette(("#101a33", "#182748", "#243861", "#3a3f6b", "#1b2140", "#0a0f22"), "#ffb35c"),
    "orchid": Palette(("#f7e6ee", "#e3b3cf", "#b878b0", "#744b90", "#3c2f66", "#1a1a3c"), "#ffe3f6"),
}


def _grid(width: int, height: int) -> tuple[Field, Field]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    return x / width, y / height


def _over(under: Canvas, colour: Canvas | Colour, mask: Field) -> Canvas:
    part = mask[..., None]
    return np.asarray(under * (1 - part) + np.asarray(colour) * part)


def _glow(
    canvas: Canvas, palette: Palette, x: Field, y: Field, cx: float, cy: float, radius: float
) -> Canvas:
    aspect = canvas.shape[0] / canvas.shape[1]
    distance = np.hypot(x - cx, (y - cy) * aspect)
    halo = np.exp(-((distance / (radius * 3.2)) ** 1.3)) * 0.55
    disc = 1 - smoothstep(radius * 0.97, radius * 1.03, distance)
    return _over(_over(canvas, rgb(palette.glow), halo), rgb(palette.glow), disc)


def ridges(rng: np.random.Generator, palette: Palette, width: int, height: int) -> Canvas:
    """Mountains behind mountains, mist between them, a low sun."""
    x, y = _grid(width, height)
    canvas = palette.at(y * 0.42)
    clouds = value_noise(rng, width, height, 3, 5)
    canvas = _over(canvas, rgb(palette.glow), smoothstep(0.55, 0.95, clouds) * 0.25 * (1 - y))
    canvas = _glow(
        canvas, palette, x, y, rng.uniform(0.25, 0.75), rng.uniform(0.24, 0.36), rng.uniform(0.045, 0.08)
    )
    layers = 7
    for layer in range(layers):
        depth = (layer + 1) / layers
        line = 0.36 + 0.085 * layer + ridge_line(rng, width, 0.05 + 0.035 * depth, 2 + layer)
        mask = smoothstep(0, 0.0025, y - line[None, :])
        shade = palette.at(np.full_like(y, 0.24 + 0.76 * depth) + (y - line[None, :]) * -0.22)
        mist = np.exp(-np.abs(y - line[None, :] - 0.10) * 14)[..., None] * (1 - depth) * 0.5
        canvas = _over(canvas, shade * (1 - mist) + np.asarray(rgb(palette.shades[0])) * mist, mask)
    return canvas


def contours(rng: np.random.Generator, palette: Palette, width: int, height: int) -> Canvas:
    """A map of hills in contour lines, tinted by height."""
    x, y = _grid(width, height)
    hills = value_noise(rng, width, height, 3, 5) * 0.8 + 0.2 * np.sin(3 * x + 2 * y)
    hills = (hills - hills.min()) / (hills.max() - hills.min())
    levels = 22
    canvas = palette.at(np.floor(hills * levels) / levels)
    gy, gx = np.gradient(hills * levels)
    slope = np.hypot(gx, gy) + 1e-6
    away = np.abs(((hills * levels + 0.5) % 1) - 0.5) / slope
    canvas = _over(canvas, rgb(palette.glow), (1 - smoothstep(0.5, 1.6, away)) * 0.75)
    light = np.clip((gx - gy) * 6, -1, 1)
    return np.asarray(np.clip(canvas * (1 + 0.16 * light[..., None]), 0, 1))


def tides(rng: np.random.Generator, palette: Palette, width: int, height: int) -> Canvas:
    """Bands of water with foam along their edges, seen from above."""
    x, y = _grid(width, height)
    canvas = np.broadcast_to(np.asarray(rgb(palette.shades[-1])), (height, width, 3)).copy()
    drift = value_noise(rng, width, height, 2, 4)
    bands = 11
    for band in range(bands):
        part = 1 - (band + 1) / bands
        edge = 0.06 + 0.9 * (band + 1) / bands + 0.035 * np.sin(x * (5 + band) + rng.uniform(0, 6.28))
        place = y + (drift - 0.5) * 0.3 - (1 - edge)
        canvas = _over(canvas, palette.at(1 - part * 0.95), 1 - smoothstep(-0.002, 0.002, place + edge - 1))
        foam = np.exp(-np.abs(place + edge - 1) * 260) * (
            0.25 + 0.75 * value_noise(rng, width, height, 26, 2)
        )
        canvas = _over(canvas, rgb(palette.glow), foam * 0.9)
    return canvas


def lanterns(rng: np.random.Generator, palette: Palette, width: int, height: int) -> Canvas:
    """Lights that rise over still water at night, each with its reflection."""
    x, y = _grid(width, height)
    water = 0.66
    canvas = palette.at(np.where(y < water, y * 0.7, 0.55 + (y - water)))
    stars = rng.random((height, width)) > 0.9992
    canvas = _over(canvas, (0.85, 0.88, 1.0), np.where(stars & (y < water * 0.8), 0.7, 0.0))
    shore = ridge_line(rng, width, 0.02, 6)
    canvas = _over(
        canvas, rgb(palette.shades[-1]), smoothstep(0, 0.004, y - water + 0.03 - shore[None, :]) * (y < water)
    )
    ripple = value_noise(rng, width, height, 40, 2) - 0.5
    aspect = height / width
    for _ in range(30):
        cx, cy, size = rng.uniform(0.04, 0.96), rng.uniform(0.06, water - 0.04), rng.uniform(0.006, 0.028)
        for where, strength in ((cy, 1.0), (2 * water - cy, 0.34)):
            wobble = ripple * (0.05 if strength < 1 else 0.0)
            distance = np.hypot(x - cx + wobble, (y - where) * aspect * (1.0 if strength == 1 else 0.45))
            halo = np.exp(-((distance / (size * 2.8)) ** 1.5)) * strength * 0.62
            canvas = np.clip(canvas + np.asarray(rgb(palette.glow)) * halo[..., None], 0, 1)
            core = 1 - smoothstep(size * 0.55, size * 0.8, distance)
            canvas = _over(canvas, (1.0, 0.93, 0.78), core * strength)
    return canvas


def _shifted(field: Field, down: int, across: int) -> Field:
    """The field moved up and left, its last row and column repeated."""
    return np.pad(field, ((0, down), (0, across)), mode="edge")[down:, across:]


def paper(rng: np.random.Generator, palette: Palette, width: int, height: int) -> Canvas:
    """Sheets of cut paper, one above the other, each with a soft shadow."""
    x, y = _grid(width, height)
    canvas = palette.at(np.zeros_like(x))
    field = value_noise(rng, width, height, 2, 3)
    centre = np.hypot((x - 0.5) * 1.05, (y - 0.5) * height / width * 0.8)
    depth = field * 0.55 + np.clip(1 - centre * 1.7, 0, 1) * 0.6
    depth = (depth - depth.min()) / (depth.max() - depth.min())
    sheets = 7
    grain = (rng.random((height, width)) - 0.5) * 0.02
    for sheet in range(1, sheets + 1):
        edge = sheet / (sheets + 1)
        cut = smoothstep(edge - 0.003, edge + 0.003, depth)
        shadow = smoothstep(edge - 0.075, edge + 0.01, _shifted(depth, 14, 10)) * (1 - cut)
        canvas = canvas * (1 - 0.42 * shadow[..., None])
        canvas = _over(canvas, palette.at(np.full_like(x, edge)), cut)
    return np.asarray(np.clip(canvas + grain[..., None], 0, 1))


def spheres(rng: np.random.Generator, palette: Palette, width: int, height: int) -> Canvas:
    """Glass spheres on a seamless ground, lit from one side."""
    x, y = _grid(width, height)
    aspect = height / width
    canvas = palette.at(0.06 + 0.3 * smoothstep(0.55, 1.0, y) + 0.12 * np.hypot(x - 0.5, y - 0.4))
    balls = [(rng.uniform(0.12, 0.88), rng.uniform(0.42, 0.82), rng.uniform(0.05, 0.17)) for _ in range(7)]
    for cx, cy, radius in sorted(balls, key=lambda ball: ball[1]):
        across = (x - cx - radius * 0.5) / (radius * 1.5)
        down = (y - cy - radius / aspect * 0.95) * aspect / (radius * 0.42)
        canvas = canvas * (1 - 0.45 * np.exp(-(across**2 + down**2))[..., None])
        nx, ny = (x - cx) / radius, (y - cy) * aspect / radius
        inside = nx**2 + ny**2
        nz = np.sqrt(np.clip(1 - inside, 0, 1))
        light = np.clip(-0.5 * nx - 0.62 * ny + 0.6 * nz, 0, 1)
        rim = np.clip(1 - nz, 0, 1) ** 2.4
        body = palette.at(np.clip(0.9 - light * 0.7 + 0.1 * rng.uniform(-1, 1), 0, 1))
        body = body + rim[..., None] * np.asarray(rgb(palette.glow)) * 0.4
        spark = np.exp(-(((nx + 0.38) ** 2 + (ny + 0.46) ** 2) / 0.018))
        body = _over(np.clip(body, 0, 1), (1.0, 1.0, 1.0), spark * 0.95)
        canvas = _over(canvas, body, 1 - smoothstep(0.975, 1.0, np.sqrt(inside)))
    return canvas


def veils(rng: np.random.Generator, palette: Palette, width: int, height: int) -> Canvas:
    """Curtains of northern light over a dark ridge."""
    _, y = _grid(width, height)
    canvas = palette.at(0.55 + 0.45 * y)
    stars = rng.random((height, width)) > 0.9988
    canvas = _over(canvas, (0.9, 0.95, 1.0), np.where(stars & (y < 0.7), 0.6, 0.0))
    for _ in range(6):
        base = 0.42 + ridge_line(rng, width, 0.2, 2)[None, :]
        rays = value_noise(rng, width, 8, 60, 3)[3][None, :]
        above = np.clip(base - y, 0, 1)
        veil = np.exp(-above * rng.uniform(4.5, 8)) * (y < base) * (0.35 + 0.65 * rays)
        veil = veil * smoothstep(0.0, 0.03, base - y)
        tint = np.asarray(rgb(palette.glow)) * (1 - above[..., None]) + palette.at(0.35) * above[..., None]
        canvas = np.clip(canvas + tint * veil[..., None] * rng.uniform(0.25, 0.5), 0, 1)
    line = 0.84 + ridge_line(rng, width, 0.06, 4)
    return _over(canvas, rgb(palette.shades[-1]), smoothstep(0, 0.004, y - line[None, :]))


SCENES: dict[str, Callable[[np.random.Generator, Palette, int, int], Canvas]] = {
    "ridges": ridges,
    "contours": contours,
    "tides": tides,
    "lanterns": lanterns,
    "paper": paper,
    "spheres": spheres,
    "veils": veils,
}


def draw(scene: str, palette: str, seed: int, size: tuple[int, int] = (832, 1216)) -> Image.Image:
    """One scene in one palette, `size` in pixels; the same seed draws the same picture."""
    rng = np.random.default_rng(seed)
    canvas = SCENES[scene](rng, PALETTES[palette], *size)
    x, y = _grid(*size)
    vignette = 1 - 0.22 * smoothstep(0.45, 0.95, np.hypot(x - 0.5, y - 0.5) * 1.3)
    canvas = canvas * vignette[..., None] + (rng.random(canvas.shape[:2])[..., None] - 0.5) * 0.012
    return Image.fromarray((np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8), mode="RGB")


def png(image: Image.Image) -> bytes:
    """The picture as PNG bytes."""
    sink = BytesIO()
    image.save(sink, format="PNG", optimize=False, compress_level=6)
    return sink.getvalue()


def sheet(images: Sequence[Image.Image], columns: int = 4) -> Image.Image:
    """Pictures of equal size side by side, for looking at them together."""
    width, height = images[0].size
    rows = -(-len(images) // columns)
    whole = Image.new("RGB", (width * columns, height * rows))
    for place, image in enumerate(images):
        whole.paste(image, (place % columns * width, place // columns * height))
    return whole
