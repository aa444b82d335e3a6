from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.infra.imaging.drawing import encoded, quarters

from civitas.infra.imaging.fake import FakeImaging
from civitas.infra.imaging.port import Imaging
from civitas.infra.imaging.transforms import (
    Transform,
    best_format,
    best_width,
    corrected_name,
    looks_like_transform,
    parse_transform,
    widths_for,
)
from civitas.kit.errors import Invalid, Unavailable


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        ("width=450,optimized=true", Transform(width=450, optimized=True)),
        ("original=true", Transform(original=True)),
        ("anim=false,width=450", Transform(width=450, anim=False)),
        ("anim=true", Transform(anim=True)),
        ("WIDTH=450.0,Original=True,quality=90", Transform(width=450, original=True, quality=90)),
        ("width%3D450%2Canim%3Dfalse", Transform(width=450, anim=False)),
        ("w=96,h=12px", Transform(width=96, height=12)),
        ("width=99999999", Transform(width=16_383)),
        ("width=0", Transform(width=1)),
        ("width=-3,anim=perhaps,transcode=true", Transform()),
        ("width=1e9", Transform()),
        ("width=４５０", Transform()),
        ("picture.jpeg", Transform()),
        ("", Transform()),
        ("width=1," * 10_000, Transform(width=1)),
    ],
)
def test_transforms_are_read_with_tolerance(segment: str, expected: Transform) -> None:
    assert parse_transform(segment) == expected


@given(st.text(max_size=600))
def test_no_segment_is_a_traceback(segment: str) -> None:
    looks_like_transform(segment)
    parse_transform(segment)
    corrected_name(segment, "png")


def test_a_transform_is_told_from_a_name() -> None:
    assert looks_like_transform("width=450,anim=false")
    assert looks_like_transform("original=true")
    assert not looks_like_transform("00001-fox.jpeg")
    assert not looks_like_transform("")


@pytest.mark.parametrize(
    ("wanted", "original", "served"),
    [
        (450, 2000, 450),
        (451, 2000, 640),
        (1, 2000, 96),
        (99_999, 2000, 2000),
        (99_999, 9000, 2048),
        (None, 9000, 2048),
        (400, 333, 333),
        (96, 50, 50),
        (321, 320, 320),
    ],
)
def test_a_wish_is_answered_with_what_exists(wanted: int | None, original: int, served: int) -> None:
    assert best_width(wanted, original) == served
    assert served in widths_for(original)


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_nothing_is_enlarged(wanted: int, original: int) -> None:
    served = best_width(wanted, original)
    assert served <= original
    assert served >= min(wanted, original, 2048)


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("image/avif,image/webp,*/*;q=0.8", "avif"),
        ("image/webp, image/*", "webp"),
        ("image/avif;q=0, image/webp", "webp"),
        ("image/avif;q=0.9", "avif"),
        ("*/*", "jpeg"),
        ("", "jpeg"),
        (None, "jpeg"),
    ],
)
def test_the_smallest_format_that_is_asked_for(accept: str | None, format: str) -> None:
    assert best_format(accept) == format


@pytest.mark.parametrize(
    ("name", "corrected"),
    [
        ("fox.png", "fox.png"),
        ("Fox.PNG", "Fox.PNG"),
        ("fox.jpg", "fox.png"),
        ("fox.png.html", "fox.png.png"),
        ("fox", "fox.png"),
        ("a/../b\\fox.svg", "fox.png"),
        ("", "image.png"),
        ("v1.5 final version", "v1.5 final version.png"),
    ],
)
def test_a_name_gets_the_extension_its_bytes_deserve(name: str, corrected: str) -> None:
    assert corrected_name(name, "png") == corrected


async def test_the_fake_judges_like_the_real_one(tmp_path: Path) -> None:
    fake: Imaging = FakeImaging()
    done = await fake.process(encoded(quarters(500, 400), "PNG"), tmp_path)
    assert (done.facts.width, done.facts.height, done.facts.format) == (500, 400, "png")
    assert [v.width for v in done.variants if v.format == "webp"] == [96, 180, 320, 450, 500]
    assert all(v.path.stat().st_size == v.size for v in done.variants)
    with pytest.raises(Invalid):
        await fake.inspect(b"<svg/>")
    with pytest.raises(Unavailable):
        await FakeImaging(fault=Unavailable("The decoder is away.")).inspect(b"")
