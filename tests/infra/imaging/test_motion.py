"""Copies that move: what is kept of an animation, and what of a hostile one."""

from __future__ import annotations

import random
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.infra.imaging.drawing import encoded, exif_of

from civitas.infra.imaging.pillow import PillowImaging
from civitas.infra.imaging.port import Processed
from civitas.infra.imaging.settings import ImagingSettings


def _film(frames: int, size: tuple[int, int] = (64, 48), **options: Any) -> list[Image.Image]:
    """Frames that go from black to red; where `clear`, on nothing."""
    mode = "RGBA" if options.get("clear") else "RGB"
    made = []
    for number in range(frames):
        frame = Image.new(mode, size, (0, 0, 0, 0) if mode == "RGBA" else (0, 0, 0))
        red = 40 + number * 200 // frames
        frame.paste((red, 0, 0), (0, 0, size[0] // 2, size[1]))
        # So that no two are one frame that is shown for longer.
        left = number * 3 % (size[0] // 2 - 8)
        frame.paste((255, 255, 255), (left, 0, left + 6, 6))
        made.append(frame)
    return made


def _animated(format: str, frames: list[Image.Image], duration: int = 100, **options: Any) -> bytes:
    return encoded(
        frames[0], format, save_all=True, append_images=frames[1:], duration=duration, loop=0, **options
    )


def _played(path: Path) -> tuple[int, int, int]:
    """Frames, milliseconds and how often it repeats (0 is for ever)."""
    with Image.open(path) as image:
        spent = 0
        for number in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(number)
            image.load()
            spent += int(image.info["duration"])
        return image.n_frames, spent, int(image.info["loop"])  # type: ignore[attr-defined]


async def _moving(imaging: PillowImaging, data: bytes, out: Path) -> Processed:
    return await imaging.process(data, out, widths=[32], formats=["jpeg"], moving=True)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "AVIF"])
async def test_an_animation_keeps_moving(imaging: PillowImaging, tmp_path: Path, format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    done = await _moving(imaging, _animated(format, _film(8), **options), tmp_path)
    assert done.facts.animated
    (copy,) = done.moving
    assert (copy.width, copy.height, copy.path.name) == (64, 48, "64.anim.webp")
    assert _played(copy.path) == (8, 800, 0)
    assert copy.size == copy.path.stat().st_size
    with Image.open(copy.path) as image:
        image.seek(7)
        red = image.convert("RGB").getpixel((8, 8))
    assert isinstance(red, tuple) and red[0] > 150, "the last frame is the last"
    assert not list(tmp_path.glob("*.part"))


async def test_what_is_clear_stays_clear_and_pictures_stand_upright(
    imaging: PillowImaging, tmp_path: Path
) -> None:
    done = await _moving(
        imaging,
        _animated(
            "WEBP", _film(4, clear=True), lossless=True, exif=exif_of(orientation=6, gps=(1.0, 2.0, 3.0))
        ),
        tmp_path,
    )
    (copy,) = done.moving
    with Image.open(copy.path) as image:
        assert image.size == (48, 64) == (copy.width, copy.height)
        assert image.convert("RGBA").getpixel((24, 60)) == (0, 0, 0, 0)
        assert "exif" not in image.info and "xmp" not in image.info
    assert b"EXIF" not in copy.path.read_bytes()


async def test_a_long_and_wide_one_is_cut(imaging: PillowImaging, tmp_path: Path) -> None:
    done = await _moving(imaging, _animated("GIF", _film(300, (1200, 40)), 50), tmp_path)
    small, large = done.moving
    assert (small.width, large.width) == (450, 960)
    frames, spent, _ = _played(small.path)
    assert frames <= 48 and spent <= 4_000
    frames, spent, _ = _played(large.path)
    assert 200 <= frames <= 300 and spent == 15_000


async def test_pixels_are_bounded_and_may_be_none(tmp_path: Path) -> None:
    data = _animated("GIF", _film(60, (400, 300)), 100)
    async with PillowImaging(ImagingSettings(processes=1, moving_pixels=1_200_000)) as imaging:
        (copy,) = (await _moving(imaging, data, tmp_path)).moving
        assert _played(copy.path)[0] == 10
    async with PillowImaging(ImagingSettings(processes=1, moving_pixels=0)) as imaging:
        assert (await _moving(imaging, data, tmp_path)).moving == []


def _noise(seed: int) -> Image.Image:
    return Image.frombytes("L", (64, 48), random.Random(seed).randbytes(64 * 48)).convert("P")


async def test_one_that_breaks_off_moves_as_far_as_it_goes(imaging: PillowImaging, tmp_path: Path) -> None:
    whole = _animated("GIF", [_noise(number) for number in range(12)])
    for place in range(0, 60, 7):
        cut = len(whole) * 2 // 3 + place
        done = await _moving(imaging, whole[:cut] + b";" * (place % 2), tmp_path)
        assert done.variants, "the first frame is shown"
        (copy,) = done.moving
        assert 7 <= _played(copy.path)[0] <= 9


async def test_a_gif_may_break_off_anywhere(imaging: PillowImaging, tmp_path: Path) -> None:
    whole = _animated("GIF", [_noise(number) for number in range(3)])
    second = whole.index(b"\x21\xf9", whole.index(b"\x21\xf9") + 2)
    for cut in range(second, second + 40):
        done = await _moving(imaging, whole[:cut], tmp_path)
        assert done.variants and done.moving == [], cut


async def test_nothing_moves_that_is_still_or_was_not_asked_for(
    imaging: PillowImaging, tmp_path: Path
) -> None:
    assert (await _moving(imaging, encoded(_film(1)[0], "WEBP"), tmp_path)).moving == []
    done = await imaging.process(_animated("GIF", _film(4)), tmp_path, widths=[32], formats=["jpeg"])
    assert done.moving == []
    assert Image.open(BytesIO(_animated("GIF", _film(4)))).n_frames == 4  # type: ignore[attr-defined]
