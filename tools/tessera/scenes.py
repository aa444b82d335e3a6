"""Scenes that are drawn and captioned by rule: what Tessera knows of the world.

A scene is a ground with one, two or three things on it. `random_scene` makes one up, `caption` says what it shows and
`draw` paints it, 64 pixels square by default. Everything follows from the random generator given, so a seed is a scene.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw
from tools.tessera.palettes import CHALK, PAPER_DARK, PAPER_LIGHT, Colour, blue_paper, dusk, mix, shade

SIZE = 64
OVER = 4
"""Pixels are drawn this many times larger, then averaged: smooth edges without an anti-aliasing painter."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (222, 38, 38),
    "orange": (248, 138, 20),
    "yellow": (250, 224, 40),
    "green": (40, 168, 66),
    "blue": (42, 92, 224),
    "purple": (142, 58, 190),
    "pink": (250, 142, 192),
}
THINGS = ("circle", "square", "triangle", "star", "heart", "cat", "fish", "house")
GROUNDS = ("night sky", "grass", "sea", "desert", "white background", "black background")


@dataclass(frozen=True)
class World:
    """What can be in a scene; `rich` adds sizes and numbers."""

    things: tuple[str, ...]
    colours: tuple[str, ...]
    grounds: tuple[str, ...]
    rich: bool


SMALL = World(
    ("circle", "square", "triangle", "star", "heart"),
    ("red", "yellow", "green", "blue", "purple"),
    GROUNDS,
    rich=False,
)
LARGE = World(THINGS, tuple(COLOURS), GROUNDS, rich=True)
WORLDS = {"small": SMALL, "large": LARGE}
NUMBERS = {2: "two", 3: "three"}
PLACES = {
    "on the left": (0.27, 0.5),
    "on the right": (0.73, 0.5),
    "at the top": (0.5, 0.27),
    "at the bottom": (0.5, 0.73),
}
STYLES = ("plain", "ink", "mosaic", "dusk", "blueprint")


@dataclass(frozen=True)
class Thing:
    """One object: its kind, its colour, and where it lies (fractions of the picture)."""

    kind: str
    colour: str
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Scene:
    """A ground with things on it, the words that say so, and the style it is drawn in."""

    things: tuple[Thing, ...]
    ground: str
    words: str
    relation: str = ""
    style: str = "plain"
    seed: int = 0

    @property
    def caption(self) -> str:
        return f"{self.words}, {self.ground}"


def plural(kind: str) -> str:
    return {"fish": "fish"}.get(kind, kind + "s")


def article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def random_scene(rng: random.Random, world: World = SMALL, *, style: str = "plain") -> Scene:
    """One scene of a world: half of one thing, the others of two in a relation; in a rich world also of two or three alike."""
    ground, seed = rng.choice(world.grounds), rng.getrandbits(31)
    kind, colour = rng.choice(world.things), rng.choice(world.colours)
    luck = rng.random()
    if luck < 0.5:
        return _single(rng, kind, colour, ground, rich=world.rich, style=style, seed=seed)
    if luck < 0.62 and world.rich:
        return _several(rng, kind, colour, ground, style=style, seed=seed)
    other, hue = rng.choice(world.things), rng.choice(world.colours)
    while (other, hue) == (kind, colour):
        other, hue = rng.choice(world.things), rng.choice(world.colours)
    relation = rng.choice(("above", "below", "left of", "right of", "and"))
    return pair_scene(rng, (kind, colour), (other, hue), relation, ground, style=style, seed=seed)


def _single(
    rng: random.Random, kind: str, colour: str, ground: str, *, rich: bool, style: str, seed: int
) -> Scene:
    size = rng.choice(("", "", "", "small", "large")) if rich else ""
    radius = {"": 0.24, "small": 0.12, "large": 0.34}[size] * rng.uniform(0.94, 1.06)
    place = rng.choice(list(PLACES)) if size != "large" and rng.random() < 0.3 else ""
    x, y = PLACES[place] if place else (0.5, 0.5)
    first = size or colour
    words = f"{article(first)} {size + ' ' if size else ''}{colour} {kind}{' ' + place if place else ''}"
    thing = Thing(kind, colour, x + rng.uniform(-0.03, 0.03), y + rng.uniform(-0.03, 0.03), radius)
    return Scene((thing,), ground, words, style=style, seed=seed)


def _several(rng: random.Random, kind: str, colour: str, ground: str, *, style: str, seed: int) -> Scene:
    count = rng.choice((2, 3))
    spots = [(0.28, 0.5), (0.72, 0.5)]
    if count == 3:
        spots = rng.choice(([(0.2, 0.5), (0.5, 0.5), (0.8, 0.5)], [(0.28, 0.7), (0.72, 0.7), (0.5, 0.27)]))
    radius = (0.18 if count == 2 else 0.135) * rng.uniform(0.95, 1.05)
    things = tuple(
        Thing(kind, colour, x + rng.uniform(-0.02, 0.02), y + rng.uniform(-0.035, 0.035), radius)
        for x, y in spots
    )
    return Scene(things, ground, f"{NUMBERS[count]} {colour} {plural(kind)}", style=style, seed=seed)


def pair_scene(
    rng: random.Random,
    one: tuple[str, str],
    two: tuple[str, str],
    relation: str,
    ground: str,
    *,
    style: str = "plain",
    seed: int = 0,
) -> Scene:
    """Two things, each (kind, colour), the first `relation` the second; `and` leaves the order open, side by side."""
    flip = relation in ("below", "right of") or (relation == "and" and rng.random() < 0.5)
    upright = relation in ("above", "below")
    near, far = (0.73, 0.27) if flip else (0.27, 0.73)

    def at(spot: float) -> tuple[float, float]:
        a, b = spot + rng.uniform(-0.02, 0.02), 0.5 + rng.uniform(-0.04, 0.04)
        return (b, a) if upright else (a, b)

    radius = 0.185 * rng.uniform(0.95, 1.05)
    things = (Thing(*one, *at(near), radius), Thing(*two, *at(far), radius))
    words = f"{article(one[1])} {one[1]} {one[0]} {relation} {article(two[1])} {two[1]} {two[0]}"
    return Scene(things, ground, words, relation, style, seed)


# --- painting ---------------------------------------------------------------------------------------------------

Points = list[tuple[float, float]]


def _bands(draw: ImageDraw.ImageDraw, side: int, top: int, bottom: int, first: Colour, last: Colour) -> None:
    steps = 12
    for i in range(steps):
        y0, y1 = top + (bottom - top) * i // steps, top + (bottom - top) * (i + 1) // steps
        draw.rectangle((0, y0, side, y1), fill=mix(first, last, i / (steps - 1)))


def _ground(draw: ImageDraw.ImageDraw, ground: str, side: int, rng: random.Random) -> None:
    horizon = int(side * rng.uniform(0.42, 0.5))
    if ground == "night sky":
        _bands(draw, side, 0, side, (8, 10, 38), (34, 36, 88))
        for _ in range(rng.randint(14, 22)):
            x, y, r = rng.uniform(0, side), rng.uniform(0, side), rng.uniform(0.006, 0.013) * side
            draw.ellipse((x - r, y - r, x + r, y + r), fill=(240, 240, 215))
    elif ground == "grass":
        _bands(draw, side, 0, horizon, (150, 206, 244), (206, 232, 248))
        _bands(draw, side, horizon, side, (138, 198, 92), (92, 158, 66))
        for _ in range(26):
            x, y = rng.uniform(0, side), rng.uniform(horizon + 0.06 * side, side)
            h = 0.05 * side
            draw.line((x, y, x + rng.uniform(-0.3, 0.3) * h, y - h), fill=(70, 130, 54), width=side // 80)
    elif ground == "sea":
        _bands(draw, side, 0, horizon, (176, 214, 240), (226, 240, 248))
        _bands(draw, side, horizon, side, (64, 168, 200), (24, 104, 158))
        for row in range(5):
            y0, shift = horizon + side * (0.07 + 0.105 * row), rng.uniform(0, 6.28)
            wave = [
                (x, y0 + math.sin(x / side * 25 + shift) * side * 0.012)
                for x in range(0, side + 1, side // 32)
            ]
            draw.line(wave, fill=(140, 210, 226), width=side // 64)
    elif ground == "desert":
        _bands(draw, side, 0, horizon, (252, 222, 170), (254, 240, 206))
        draw.rectangle((0, horizon, side, side), fill=(226, 180, 104))
        for row, fill in enumerate(((216, 166, 90), (206, 154, 80))):
            y0, shift = horizon + side * (0.16 + 0.2 * row), rng.uniform(0, 6.28)
            dune = [
                (x, y0 + math.sin(x / side * 5 + shift) * side * 0.05) for x in range(0, side + 1, side // 32)
            ]
            draw.polygon([*dune, (side, side), (0, side)], fill=fill)
    elif ground == "snow":
        _bands(draw, side, 0, side, (150, 172, 200), (196, 210, 226))
        shift = rng.uniform(0, 6.28)
        hill = [
            (x, horizon + side * 0.12 + math.sin(x / side * 4 + shift) * side * 0.04)
            for x in range(0, side + 1, side // 32)
        ]
        draw.polygon([*hill, (side, side), (0, side)], fill=(240, 245, 250))
        for _ in range(22):
            x, y, r = rng.uniform(0, side), rng.uniform(0, side), rng.uniform(0.008, 0.015) * side
            draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 255, 255))
    else:
        fill = {
            "white background": (252, 252, 252),
            "grey background": (136, 136, 140),
            "black background": (8, 8, 8),
        }
        draw.rectangle((0, 0, side, side), fill=fill[ground])


def _ngon(x: float, y: float, radii: tuple[float, ...], count: int, turn: float = -math.pi / 2) -> Points:
    return [
        (
            x + radii[i % len(radii)] * math.cos(turn + 2 * math.pi * i / count),
            y + radii[i % len(radii)] * math.sin(turn + 2 * math.pi * i / count),
        )
        for i in range(count)
    ]


def _heart(x: float, y: float, r: float) -> Points:
    points = []
    for i in range(40):
        t = 2 * math.pi * i / 40
        px = 16 * math.sin(t) ** 3
        py = -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t))
        points.append((x + px / 16 * r, y + (py + 2.5) / 16 * r))
    return points


def _box(x: float, y: float, rx: float, ry: float) -> tuple[float, float, float, float]:
    return (x - rx, y - ry, x + rx, y + ry)


def _thing(
    draw: ImageDraw.ImageDraw, kind: str, x: float, y: float, r: float, fill: Colour, edge: Colour, w: int
) -> None:
    dark: Colour = (24, 24, 30)
    if kind == "circle":
        draw.ellipse(_box(x, y, r, r), fill=fill, outline=edge, width=w)
    elif kind == "square":
        draw.rectangle(_box(x, y, r * 0.88, r * 0.88), fill=fill, outline=edge, width=w)
    elif kind == "triangle":
        _poly(draw, [(x, y - r), (x + r, y + r * 0.8), (x - r, y + r * 0.8)], fill, edge, w)
    elif kind == "star":
        _poly(draw, _ngon(x, y + r * 0.06, (r * 1.12, r * 0.48), 10), fill, edge, w)
    elif kind == "heart":
        _poly(draw, _heart(x, y, r * 1.05), fill, edge, w)
    elif kind == "ring":
        band = r * 0.42
        draw.ellipse(_box(x, y, r, r), outline=edge, width=int(band))
        draw.ellipse(_box(x, y, r - w, r - w), outline=fill, width=int(band - 2 * w))
    elif kind == "cat":
        for s in (-1, 1):
            _poly(
                draw,
                [(x + s * r * 0.95, y - r), (x + s * r * 0.2, y - r * 0.55), (x + s * r * 0.92, y)],
                fill,
                edge,
                w,
            )
        draw.ellipse(_box(x, y + r * 0.12, r, r * 0.82), fill=fill, outline=edge, width=w)
        for s in (-1, 1):
            draw.ellipse(_box(x + s * r * 0.4, y, r * 0.13, r * 0.17), fill=dark)
        draw.polygon([(x - r * 0.12, y + r * 0.3), (x + r * 0.12, y + r * 0.3), (x, y + r * 0.48)], fill=dark)
    elif kind == "fish":
        _poly(
            draw, [(x + r * 0.35, y), (x + r * 1.1, y - r * 0.62), (x + r * 1.1, y + r * 0.62)], fill, edge, w
        )
        draw.ellipse(_box(x - r * 0.2, y, r * 0.9, r * 0.62), fill=fill, outline=edge, width=w)
        draw.ellipse(_box(x - r * 0.62, y - r * 0.12, r * 0.12, r * 0.12), fill=dark)
    elif kind == "house":
        draw.rectangle(
            (x - r * 0.75, y - r * 0.15, x + r * 0.75, y + r * 0.95), fill=fill, outline=edge, width=w
        )
        _poly(draw, [(x, y - r), (x + r, y - r * 0.1), (x - r, y - r * 0.1)], shade(fill, 0.62), edge, w)
        draw.rectangle((x - r * 0.2, y + r * 0.35, x + r * 0.2, y + r * 0.95), fill=dark)
    elif kind == "tree":
        draw.rectangle((x - r * 0.17, y + r * 0.2, x + r * 0.17, y + r), fill=(110, 70, 40))
        for dx, dy, s in ((-0.42, 0.0, 0.5), (0.42, 0.0, 0.5), (0.0, -0.45, 0.58)):
            draw.ellipse(_box(x + dx * r, y + dy * r, s * r, s * r), fill=edge)
        for dx, dy, s in ((-0.42, 0.0, 0.5), (0.42, 0.0, 0.5), (0.0, -0.45, 0.58)):
            draw.ellipse(_box(x + dx * r, y + dy * r, s * r - w, s * r - w), fill=fill)
    else:
        raise ValueError(f"no painter for {kind!r}")


def _poly(draw: ImageDraw.ImageDraw, points: Points, fill: Colour, edge: Colour, w: int) -> None:
    draw.polygon(points, fill=fill)
    draw.line([*points, points[0], points[1]], fill=edge, width=w, joint="curve")


def draw(scene: Scene, *, size: int = SIZE) -> Image.Image:
    """The scene as an RGB picture. The same scene gives the same pixels."""
    rng = random.Random(scene.seed)
    side = size * OVER
    picture = Image.new("RGB", (side, side))
    brush = ImageDraw.Draw(picture)
    ink, blueprint = scene.style == "ink", scene.style == "blueprint"
    if ink:
        brush.rectangle((0, 0, side, side), fill=(250, 248, 240))
        _hatch(brush, scene.ground, side, rng)
    else:
        _ground(brush, scene.ground, side, rng)
    if blueprint:
        picture.paste(blue_paper(picture))
    for thing in scene.things:
        base = COLOURS[thing.colour]
        fill = tuple(max(0, min(255, c + rng.randint(-7, 7))) for c in base)
        edge = (20, 20, 26) if ink else shade(base, 0.55)
        if ink:
            fill = mix((250, 248, 240), base, 0.55)
        if blueprint:
            fill, edge = mix(PAPER_DARK, PAPER_LIGHT, sum(base) / 765 * 0.8 + 0.2), CHALK
        width = side // 24 if ink or blueprint else side // 56
        _thing(brush, thing.kind, thing.x * side, thing.y * side, thing.radius * side, fill, edge, width)  # type: ignore[arg-type]
    small = picture.reduce(OVER)
    if scene.style == "mosaic":
        return small.reduce(4).resize((size, size), Image.Resampling.NEAREST)
    if scene.style == "dusk":
        return dusk(small)
    return small


def _hatch(brush: ImageDraw.ImageDraw, ground: str, side: int, rng: random.Random) -> None:
    """The ground of an ink drawing: paper, with slanted strokes that are dense where the ground is dark."""
    gap = {"night sky": 14, "black background": 11, "grey background": 22, "sea": 26, "grass": 30}.get(ground)
    if gap is None:
        return
    for x in range(-side, side, gap):
        brush.line((x + rng.randint(-2, 2), side, x + side, 0), fill=(120, 118, 116), width=3)


def restyled(scene: Scene, style: str) -> Scene:
    return replace(scene, style=style)


def words_of_world() -> list[str]:
    """Every word a caption can hold: what the tokenizer keeps whole."""
    words = {
        "a",
        "an",
        "and",
        "above",
        "below",
        "left",
        "right",
        "of",
        "on",
        "the",
        "at",
        "top",
        "bottom",
        "small",
        "large",
        ",",
    }
    words.update(COLOURS, THINGS, map(plural, THINGS), NUMBERS.values())
    for ground in GROUNDS:
        words.update(ground.split())
    return sorted(words)
