"""The model that is shipped: it fits, it draws what is asked, and its additions do what they say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.engines.diffusers.conftest import pixels

from civitas.engines.diffusers import models
from civitas.engines.diffusers.engine import DiffusersEngine
from civitas.engines.diffusers.requests import PictureRequest, Weights

COLOURS = {
    "red": (222, 38, 38),
    "yellow": (250, 224, 40),
    "green": (40, 168, 66),
    "blue": (42, 92, 224),
    "purple": (142, 58, 190),
}
GROUNDS = {
    "white background": (250, 250, 250),
    "black background": (10, 10, 10),
    "grass": (110, 175, 80),
    "sea": (40, 130, 180),
    "desert": (215, 165, 95),
}


@pytest.fixture
def asked(engine: DiffusersEngine) -> PictureRequest:
    return PictureRequest(
        Weights(models.CHECKPOINT, "Tessera"), "", (1, 2), width=64, height=64, steps=12, cfg=4.0,
        sampler="dpM2M", preview_every=0,
    )  # fmt: skip


def nearest(colour: Any, table: dict[str, tuple[int, int, int]]) -> str:
    return min(table, key=lambda name: sum((a - b) ** 2 for a, b in zip(colour, table[name], strict=True)))


def test_everything_that_is_shipped_is_less_than_20_megabytes() -> None:
    sizes = [path.stat().st_size for path in models.FOLDER.rglob("*") if path.is_file()]
    assert models.CHECKPOINT.is_file()
    assert sum(sizes) < 20_000_000


def test_the_colour_that_is_asked_for_is_in_the_middle(
    engine: DiffusersEngine, asked: PictureRequest
) -> None:
    right = 0
    for colour in COLOURS:
        for made in engine.generate(replace(asked, prompt=f"a {colour} circle, white background")):
            middle = pixels(made.content)[26:38, 26:38].mean((0, 1))
            right += nearest(middle, COLOURS) == colour
    assert right >= 8


def test_the_ground_that_is_asked_for_is_at_the_bottom(
    engine: DiffusersEngine, asked: PictureRequest
) -> None:
    right = 0
    for ground in GROUNDS:
        for made in engine.generate(replace(asked, prompt=f"a red circle, {ground}")):
            right += nearest(pixels(made.content)[60:].mean((0, 1)), GROUNDS) == ground
    assert right >= 9


def test_a_source_is_followed_the_more_the_less_it_may_change(
    engine: DiffusersEngine, asked: PictureRequest
) -> None:
    asked = replace(asked, prompt="a blue circle, white background", seeds=(3,))
    source = engine.generate(asked)[0].content
    near, far = (
        engine.generate(
            replace(asked, prompt="a red square, grass", seeds=(9,), source=source, denoise=denoise)
        )[0]
        for denoise in (0.2, 1.0)
    )
    assert (
        abs(pixels(near.content) - pixels(source)).mean()
        < 0.6 * abs(pixels(far.content) - pixels(source)).mean()
    )
