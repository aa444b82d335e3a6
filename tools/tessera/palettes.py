"""The colours of the styles that Tessera's drawings come in."""

from __future__ import annotations

from PIL import Image

Colour = tuple[int, int, int]
# A blueprint: whatever was there, in the blues of its paper, and outlines in chalk.
PAPER_DARK: Colour = (14, 38, 104)
PAPER_LIGHT: Colour = (72, 120, 200)
CHALK: Colour = (236, 244, 255)


def shade(colour: Colour, by: float) -> Colour:
    return (int(colour[0] * by), int(colour[1] * by), int(colour[2] * by))


def mix(a: Colour, b: Colour, t: float) -> Colour:
    return (int(a[0] + (b[0] - a[0]) * t), int(a[1] + (b[1] - a[1]) * t), int(a[2] + (b[2] - a[2]) * t))


def dusk(picture: Image.Image) -> Image.Image:
    """Colours of an evening: shadows towards violet, lights towards orange."""
    grey = picture.convert("L")
    ramp: list[int] = []
    for channel in range(3):
        low, mid, high = ((38, 16, 70), (200, 70, 110), (255, 214, 140))
        for v in range(256):
            t = v / 255
            ramp.append(
                int(low[channel] + (mid[channel] - low[channel]) * t * 2)
                if t < 0.5
                else int(mid[channel] + (high[channel] - mid[channel]) * (t * 2 - 1))
            )
    tinted = Image.merge("RGB", (grey, grey, grey)).point(ramp)
    return Image.blend(picture, tinted, 0.72)


def blue_paper(picture: Image.Image) -> Image.Image:
    grey = picture.convert("L")
    ramp = [mix(PAPER_DARK, PAPER_LIGHT, v / 255)[channel] for channel in range(3) for v in range(256)]
    return Image.merge("RGB", (grey, grey, grey)).point(ramp)
