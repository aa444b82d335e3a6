"""Hashes, and pictures for ControlNets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from tests.engines.media.conftest import Do
from tests.engines.media.made import opened, picture, saved, video

from civitas.engines.agent.engine import JobFailed, JobRejected
from civitas.engines.media import regions
from civitas.engines.media.engine import PREPROCESSORS
from civitas.infra.imaging import fingerprints

ALL = ["perceptual", "perceptualDct", "perceptualDct256"]


async def hashes(do: Do, data: bytes, kinds: list[str] = ALL) -> dict[str, str]:
    result, _ = await do("mediaHash", {"mediaUrl": "media:0", "hashTypes": kinds}, data, slots=0)
    return dict(result.output["hashes"])


def apart(left: str, right: str) -> int:
    return (int(left, 16) ^ int(right, 16)).bit_count()


async def test_near_pictures_have_near_hashes(do: Do) -> None:
    first = await hashes(do, saved(picture()))
    same = await hashes(do, saved(picture().resize((200, 125)), "JPEG", quality=60))
    turned = await hashes(do, saved(picture().rotate(180)))
    assert [len(first[kind]) for kind in ALL] == [16, 16, 64]
    for kind, near, far in zip(ALL, (4, 4, 24), (12, 12, 60), strict=True):
        assert apart(first[kind], same[kind]) <= near
        assert apart(first[kind], turned[kind]) >= far


async def test_the_cosine_hash_is_the_gallerys(do: Do) -> None:
    assert (await hashes(do, saved(picture())))["perceptualDct"] == fingerprints.phash(picture())


async def test_a_video_has_the_hash_of_its_first_frame(do: Do) -> None:
    result, _ = await do(
        "mediaHash", {"mediaUrl": "media:0", "hashTypes": ["perceptual"]}, video(0.3), slots=0
    )
    assert "first frame" in result.warnings[0]
    assert len(result.output["hashes"]["perceptual"]) == 16


async def test_a_hash_that_there_is_not(do: Do) -> None:
    with pytest.raises(JobFailed, match="perceptualDct"):
        await hashes(do, saved(picture()), ["md5"])


async def processed(do: Do, kind: str, image: Image.Image, **given: Any) -> Image.Image:
    whole = {"kind": kind, "image": "media:0", "resolution": min(image.size), **given}
    result, desk = await do("preprocessImage", whole, saved(image))
    assert result.output == {"blob": {"$blob": 0}}
    return opened(desk.blobs[0])


@pytest.mark.parametrize("kind", PREPROCESSORS)
async def test_every_kind_gives_a_picture_of_the_size_asked_for(do: Do, kind: str) -> None:
    made = await processed(do, kind, picture(300, 200), resolution=100)
    assert (made.mode, made.size, made.format) == ("RGB", (150, 100), "PNG")


async def test_what_is_a_model_is_left_to_others(do: Do) -> None:
    with pytest.raises(JobRejected, match="depth-anything"):
        await processed(do, "depth-anything", picture())


async def test_canny_finds_the_edges_and_only_them(do: Do) -> None:
    image = Image.new("L", (100, 100), 40)
    ImageDraw.Draw(image).rectangle((30, 30, 69, 69), fill=220)
    edges = np.asarray(await processed(do, "canny", image.convert("RGB")))[..., 0] > 0
    ys, xs = np.nonzero(edges)
    assert 140 <= edges.sum() <= 180
    on_side = np.isin(ys, (29, 30, 69, 70)) | np.isin(xs, (29, 30, 69, 70))
    assert on_side.all()
    assert (await processed(do, "canny", Image.new("RGB", (100, 100), 40))).getextrema()[0] == (0, 0)
    faint = Image.new("L", (100, 100), 40)
    ImageDraw.Draw(faint).rectangle((30, 30, 69, 69), fill=60)
    shown = await processed(do, "canny", faint.convert("RGB"), lowThreshold=20, highThreshold=40)
    assert np.asarray(await processed(do, "canny", faint.convert("RGB"))).max() == 0
    assert np.asarray(shown).max() == 255


async def test_binary_at_a_threshold_and_at_its_own(do: Do) -> None:
    image = Image.new("L", (64, 64), 60)
    ImageDraw.Draw(image).rectangle((0, 0, 31, 63), fill=90)
    fixed = await processed(do, "binary", image.convert("RGB"), binThreshold=100)
    own = await processed(do, "binary", image.convert("RGB"), binThreshold=0)
    assert fixed.getextrema()[0] == (0, 0)
    assert own.getpixel((10, 10)) == (255, 255, 255) and own.getpixel((50, 10)) == (0, 0, 0)


async def test_lines_are_found_where_it_is_darker(do: Do) -> None:
    image = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(image).line((20, 64, 108, 64), fill="black", width=3)
    for kind in ("lineart-standard", "scribble", "scribble-xdog"):
        grey = np.asarray((await processed(do, kind, image)).convert("L")).astype(int)
        assert grey[64, 64] > 60, kind
        assert grey[10, 64] == 0, kind


async def test_colours_are_squares_and_tiles_are_soft(do: Do) -> None:
    noise = Image.effect_noise((256, 256), 80).convert("RGB")
    squares = np.asarray(await processed(do, "color", noise))
    assert (squares[:64, :64] == squares[0, 0]).all()
    tile = await processed(do, "tile", noise, pyrUpIterations=3)
    assert (
        np.asarray(tile.filter(ImageFilter.FIND_EDGES)).std()
        < np.asarray(noise.filter(ImageFilter.FIND_EDGES)).std() / 4
    )


async def test_a_shuffle_is_the_same_for_the_same_seed(do: Do) -> None:
    first, again, other = [await processed(do, "shuffle", picture(), seed=seed) for seed in (7, 7, 8)]
    assert first.tobytes() == again.tobytes() != other.tobytes()
    assert first.tobytes() != picture().tobytes()
    colours = set(picture().get_flattened_data())  # type: ignore[arg-type]
    assert set(first.get_flattened_data()) <= colours  # type: ignore[arg-type]


def test_regions_are_followed_round_corners() -> None:
    maze = np.array(
        [
            [1, 1, 1, 1, 1, 0, 1],
            [0, 0, 0, 0, 1, 0, 1],
            [1, 1, 1, 0, 1, 0, 0],
            [1, 0, 1, 0, 1, 1, 1],
            [1, 0, 1, 1, 0, 0, 1],
            [1, 0, 0, 0, 0, 0, 1],
            [1, 1, 1, 1, 1, 1, 1],
        ],
        dtype=bool,
    )
    seeds = np.zeros_like(maze)
    seeds[0, 0] = True
    found = regions.reached(maze, seeds)
    assert found.sum() == maze.sum() - 2
    assert not found[0, 6] and not found[1, 6]
    diagonal = np.eye(9, dtype=bool)
    corner = np.zeros_like(diagonal)
    corner[0, 0] = True
    assert regions.reached(diagonal, corner).sum() == 1
    assert regions.reached(diagonal, corner, diagonal=True).sum() == 9
