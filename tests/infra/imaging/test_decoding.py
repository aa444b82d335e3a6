from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from tests.infra.imaging.drawing import chunk, encoded, exif_of, png, quarters, slope, with_chunks

from civitas.infra.imaging.fingerprints import distance
from civitas.infra.imaging.pillow import PillowImaging

CORNERS = {"R": (255, 0, 0), "G": (0, 255, 0), "B": (0, 0, 255), "W": (255, 255, 255)}


def _corners(path: Path) -> str:
    """Letters of the top left, top right, bottom left and bottom right quarter."""
    with Image.open(path) as image:
        rgb = image.convert("RGB")
    wide, high = rgb.size
    points = [(x * wide // 4, y * high // 4) for y in (1, 3) for x in (1, 3)]
    pixels = [rgb.getpixel(point) for point in points]
    return "".join(
        min(CORNERS, key=lambda c: sum(abs(a - b) for a, b in zip(pixel, CORNERS[c], strict=True)))
        for pixel in pixels
    )


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize(
    ("orientation", "seen"),
    [(1, "RGBW"), (2, "GRWB"), (3, "WBGR"), (4, "BWRG"), (5, "RBGW"), (6, "BRWG"), (7, "WGBR"), (8, "GWRB")],
)
async def test_every_orientation_stands_upright(
    imaging: PillowImaging, tmp_path: Path, format: str, orientation: int, seen: str
) -> None:
    data = encoded(quarters(), format, exif=exif_of(orientation=orientation), quality=95)
    done = await imaging.process(data, tmp_path, widths=[32], formats=["jpeg"])
    expected = (48, 64) if orientation >= 5 else (64, 48)
    assert (done.facts.width, done.facts.height) == expected
    assert _corners(done.variants[0].path) == seen


async def test_variants_have_fixed_widths_and_no_metadata(imaging: PillowImaging, tmp_path: Path) -> None:
    notes = PngInfo()
    notes.add_text("parameters", "secret fox\nSteps: 3, Seed: 1")
    data = encoded(slope(500, 250), "PNG", pnginfo=notes, exif=exif_of(orientation=1, model="Camera 9"))
    source = tmp_path / "any name.jpg"
    source.write_bytes(data)
    out = tmp_path / "out"
    out.mkdir()
    done = await imaging.process(source, out)
    assert [(v.width, v.height) for v in done.variants if v.format == "avif"] == [
        (96, 48),
        (180, 90),
        (320, 160),
        (450, 225),
        (500, 250),
    ]
    assert sorted(p.name for p in out.iterdir()) == sorted(
        f"{w}.{f}" for w in (96, 180, 320, 450, 500) for f in ("avif", "webp", "jpeg")
    )
    for variant in done.variants:
        raw = variant.path.read_bytes()
        assert len(raw) == variant.size
        assert b"secret" not in raw
        assert b"Camera" not in raw
        with Image.open(variant.path) as image:
            assert (image.format or "").lower() == variant.format
            assert image.size == (variant.width, variant.height)
            assert "icc_profile" not in image.info
    assert done.facts.mime == "image/png"
    assert done.facts.meta["prompt"] == "secret fox"


async def test_colours_of_a_profile_become_srgb(imaging: PillowImaging, tmp_path: Path) -> None:
    linear = _linear_profile()
    grey = Image.new("RGB", (64, 64), (55, 55, 55))
    done = await imaging.process(
        encoded(grey, "PNG", icc_profile=linear), tmp_path, widths=[64], formats=["webp"]
    )
    with Image.open(done.variants[0].path) as image:
        red = image.convert("RGB").getpixel((32, 32))
    assert isinstance(red, tuple)
    # 55/255 of linear light is 128/255 in sRGB.
    assert all(abs(value - 128) <= 4 for value in red)


def _linear_profile() -> bytes:
    """sRGB's profile with its tone curves replaced by the straight line (ICC.1:2010 10.5, `curv` of no entries)."""
    raw = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(raw[128:132], "big")
    changed = 0
    for entry in range(132, 132 + 12 * count, 12):
        if raw[entry : entry + 4] in (b"rTRC", b"gTRC", b"bTRC"):
            at = int.from_bytes(raw[entry + 4 : entry + 8], "big")
            raw[at : at + 12] = b"curv\0\0\0\0\0\0\0\0"
            raw[entry + 8 : entry + 12] = (12).to_bytes(4, "big")
            changed += 1
    assert changed == 3
    return bytes(raw)


@pytest.mark.parametrize("profile", [b"\xff" * 200, b"short", b"\0" * 5000])
async def test_a_damaged_profile_is_passed_over(imaging: PillowImaging, profile: bytes) -> None:
    for format in ("PNG", "JPEG", "WEBP"):
        facts = await imaging.inspect(encoded(Image.new("RGB", (32, 32), "red"), format, icc_profile=profile))
        assert facts.dominant.startswith("#f")


async def test_animations_show_their_first_frame(imaging: PillowImaging, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "lime", "blue")]
    for format in ("GIF", "WEBP", "PNG", "AVIF"):
        data = encoded(frames[0], format, save_all=True, append_images=frames[1:], duration=100)
        done = await imaging.process(data, tmp_path, formats=["jpeg"])
        assert (done.facts.animated, done.facts.frames) == (True, 3), format
        assert _corners(done.variants[0].path) == "RRRR", format
    assert not (await imaging.inspect(encoded(frames[0], "GIF"))).animated


@pytest.mark.parametrize("level", [0, 64, 128, 255])
async def test_sixteen_bits_keep_their_brightness(imaging: PillowImaging, tmp_path: Path, level: int) -> None:
    row = b"\0" + (level * 257).to_bytes(2, "big") * 40
    data = png(40, 40, zlib.compress(row * 40), depth=16)
    done = await imaging.process(data, tmp_path, formats=["webp"])
    with Image.open(done.variants[0].path) as image:
        seen = image.convert("L").getpixel((20, 20))
    assert isinstance(seen, int | float)
    assert abs(seen - level) <= 2


async def test_alpha_is_kept_where_something_shows_through(imaging: PillowImaging, tmp_path: Path) -> None:
    palette = quarters().quantize(4)
    data = encoded(palette, "PNG", transparency=0)
    done = await imaging.process(data, tmp_path)
    assert done.facts.has_alpha
    for variant in done.variants:
        with Image.open(variant.path) as image:
            assert image.has_transparency_data is (variant.format != "jpeg")
    opaque = quarters().convert("RGBA")
    assert not (await imaging.inspect(encoded(opaque, "PNG"))).has_alpha
    for mode in ("LA", "1", "L", "P"):
        assert (await imaging.inspect(encoded(quarters().convert(mode), "PNG"))).width == 64
    seethrough = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    facts = await imaging.inspect(encoded(seethrough, "WEBP", lossless=True, exact=True))
    assert (facts.has_alpha, facts.dominant) == (True, "#ffffff")


async def test_cmyk_jpeg_has_its_colours(imaging: PillowImaging, tmp_path: Path) -> None:
    data = encoded(quarters().convert("CMYK"), "JPEG", quality=95)
    done = await imaging.process(data, tmp_path, formats=["jpeg"])
    assert _corners(done.variants[0].path) == "RGBW"


async def test_a_large_jpeg_is_scaled_while_it_is_decoded(imaging: PillowImaging, tmp_path: Path) -> None:
    done = await imaging.process(
        encoded(quarters(4000, 3000), "JPEG"), tmp_path, widths=[450], formats=["jpeg"]
    )
    assert (done.facts.width, done.facts.height) == (4000, 3000)
    assert [(v.width, v.height) for v in done.variants] == [(450, 338)]
    assert _corners(done.variants[0].path) == "RGBW"


async def test_summaries_survive_recompression(imaging: PillowImaging) -> None:
    picture = Image.effect_mandelbrot((400, 300), (-2, -1.5, 1, 1.5), 40).convert("RGB")
    first = await imaging.inspect(encoded(picture, "PNG"))
    second = await imaging.inspect(encoded(picture.resize((200, 150)), "JPEG", quality=60))
    other = await imaging.inspect(encoded(picture.transpose(Image.Transpose.ROTATE_90), "PNG"))
    assert distance(first.phash, second.phash) <= 6
    assert distance(first.phash, other.phash) > 12
    assert first.blurhash[:2] == second.blurhash[:2]
    assert len(first.blurhash) == 28
    assert len(other.blurhash) == 28


async def test_extras_of_a_png_never_reach_the_decoder(imaging: PillowImaging) -> None:
    bomb = chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(200_000_000), 9))
    profile_bomb = chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(50_000_000), 9))
    note = chunk(b"tEXt", b"parameters\0a fox\nSteps: 4, Seed: 5")
    data = with_chunks(encoded(quarters(), "PNG"), note, bomb, profile_bomb, chunk(b"juNk", b"x" * 100))
    facts = await imaging.inspect(data)
    assert facts.meta["steps"] == 4
    assert len(facts.metadata["text"].get("bomb", "")) <= 2 * 1024 * 1024
