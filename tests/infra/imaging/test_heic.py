"""HEIC pictures: as phones write them, and as nobody should."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from PIL import Image, ImageCms
from tests.infra.imaging.drawing import encoded, exif_of, quarters
from tests.infra.imaging.heic import Item, box, coded, full, grid, heic, heif, ispe

from civitas.infra.imaging.headers import read_header
from civitas.infra.imaging.pillow import PillowImaging
from civitas.infra.imaging.port import Variant
from civitas.infra.imaging.settings import ImagingSettings
from civitas.kit.errors import Fault, Invalid

RECIPE = "a boat\nNegative prompt: fog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x48"
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
PICTURE = coded(quarters(96, 64))
FILE = heif([PICTURE])


def corners(variants: list[Variant]) -> list[tuple[int, int, int]]:
    """The nearest plain colour of each quarter: left and right above, left and right below."""
    path = next(one.path for one in variants if one.format == "jpeg")
    with Image.open(path) as image:
        wide, high = image.size
        places = [(x, y) for y in (high // 4, high * 3 // 4) for x in (wide // 4, wide * 3 // 4)]
        found = [image.convert("RGB").getpixel(place) for place in places]
    assert all(
        isinstance(one, tuple) and min(abs(c - round(c / 255) * 255) for c in one) < 12 for one in found
    )
    return [tuple(round(c / 255) * 255 for c in one) for one in found if isinstance(one, tuple)]  # type: ignore[misc]


async def test_a_phones_picture_is_taken_and_only_copies_are_given_on(
    imaging: PillowImaging, tmp_path: Path
) -> None:
    body = b"UNICODE\0" + RECIPE.encode("utf-16-be")
    data = heic(
        quarters(), exif=exif_of(comment=body, gps=(52.5, 13.25, 7.0), make="SECRET"), xmp=b"<x>SECRET</x>"
    )
    done = await imaging.process(data, tmp_path, strip=True, moving=True)
    facts = done.facts
    assert (facts.format, facts.mime, facts.width, facts.height) == ("heic", "image/heic", 64, 48)
    assert (facts.frames, facts.has_alpha, done.moving, done.original) == (1, False, [], "withheld")
    assert (facts.meta["prompt"], facts.meta["seed"], facts.meta_format) == ("a boat", 5, "a1111")
    assert "GPS" not in str(facts.metadata) and "52.5" not in str(facts.metadata)
    assert corners(done.variants) == [RED, GREEN, BLUE, WHITE]
    assert {path.suffix for path in tmp_path.iterdir()} == {".avif", ".webp", ".jpeg"}
    for path in tmp_path.iterdir():
        assert b"SECRET" not in path.read_bytes() and b"Exif" not in path.read_bytes()


@pytest.mark.parametrize(
    ("extra", "size", "seen"),
    [
        # A quarter turn against the clock brings what was right to the top.
        ([box(b"irot", b"\1")], (48, 64), [GREEN, WHITE, RED, BLUE]),
        ([box(b"irot", b"\2")], (64, 48), [WHITE, BLUE, GREEN, RED]),
        ([box(b"irot", b"\3")], (48, 64), [BLUE, RED, WHITE, GREEN]),
        # Left and right change places; top and bottom do.
        ([box(b"imir", b"\1")], (64, 48), [GREEN, RED, WHITE, BLUE]),
        ([box(b"imir", b"\0")], (64, 48), [BLUE, WHITE, RED, GREEN]),
    ],
)
async def test_turned_once_by_its_properties_and_never_by_exif(
    imaging: PillowImaging,
    tmp_path: Path,
    extra: list[bytes],
    size: tuple[int, int],
    seen: list[tuple[int, int, int]],
) -> None:
    done = await imaging.process(heic(quarters(), *extra, exif=exif_of(orientation=6)), tmp_path)
    assert (done.facts.width, done.facts.height) == size
    assert corners(done.variants) == seen
    assert (await imaging.inspect(heic(quarters(), exif=exif_of(orientation=6)))).width == 64


async def test_colours_are_as_the_profile_means_them(imaging: PillowImaging, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"tXYZ").replace(b"gXYZ", b"rXYZ").replace(b"tXYZ", b"gXYZ")
    assert swapped != profile
    done = await imaging.process(heic(quarters(), box(b"colr", b"prof" + swapped)), tmp_path)
    assert corners(done.variants)[:2] == [GREEN, RED]


@pytest.mark.parametrize(
    ("primaries", "curve", "seen"),
    # By the matrices between linear colours of both spaces, and sRGB's curve.
    [
        (1, 13, (180, 120, 110)),
        (12, 13, (190, 117, 107)),
        (12, 16, (180, 120, 110)),
        (9, 1, (209, 110, 107)),
        (2, 2, (180, 120, 110)),
    ],
)
async def test_colours_are_as_their_numbers_mean_them(
    imaging: PillowImaging, tmp_path: Path, primaries: int, curve: int, seen: tuple[int, int, int]
) -> None:
    numbers = b"nclx" + struct.pack(">HHHB", primaries, curve, 6, 0)
    plain = Image.new("RGB", (64, 64), (180, 120, 110))
    done = await imaging.process(heif([coded(plain, colours=numbers)]), tmp_path)
    with Image.open(next(one.path for one in done.variants if one.format == "jpeg")) as image:
        found = image.convert("RGB").getpixel((32, 32))
    assert isinstance(found, tuple)
    assert all(abs(one - other) <= 4 for one, other in zip(found, seen, strict=True)), found


async def test_tiles_are_one_picture_and_what_is_beside_it_is_not_shown(
    imaging: PillowImaging, tmp_path: Path
) -> None:
    colours = [coded(Image.new("RGB", (64, 64), colour)) for colour in (RED, GREEN, BLUE, WHITE)]
    small = coded(quarters(32, 32))
    depth = coded(Image.new("RGB", (64, 64), "grey"))
    aux = Item(depth.kind, depth.data, [*depth.properties, full(b"auxC", b"urn:mpeg:hevc:2015:auxid:2\0")],
               references={b"auxl": [1]})  # fmt: skip
    thumb = Item(small.kind, small.data, small.properties, references={b"thmb": [1]})
    other = coded(Image.new("RGB", (128, 128), "black"))
    data = heif([grid([2, 3, 4, 5], 2, 2, (120, 100)), *colours, aux, thumb, other])
    done = await imaging.process(data, tmp_path)
    assert (done.facts.width, done.facts.height, done.facts.frames) == (120, 100, 1)
    assert corners(done.variants) == [RED, GREEN, BLUE, WHITE]
    second = heif([other, *colours], primary=3)
    assert (await imaging.inspect(second)).dominant != "#000000"


async def test_what_is_clear_stays_clear(imaging: PillowImaging) -> None:
    mask = coded(Image.linear_gradient("L").resize((96, 64)))
    clear = Item(mask.kind, mask.data, [*mask.properties, full(b"auxC", b"urn:mpeg:hevc:2015:auxid:1\0")],
                 references={b"auxl": [1]})  # fmt: skip
    assert (await imaging.inspect(heif([PICTURE, clear]))).has_alpha


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"])
def test_brands(brand: bytes) -> None:
    header = read_header(heif([PICTURE], brand=brand), ImagingSettings())
    assert (header.format, header.width, header.height, header.frames) == ("heic", 96, 64, 1)


def test_avif_stays_avif() -> None:
    data = encoded(quarters(), "AVIF")
    generic = data[:8] + b"mif1" + data[12:]
    assert b"avif" in generic[:40]
    assert read_header(generic, ImagingSettings()).format == "avif"


def _broken_stream() -> bytes:
    at = FILE.index(PICTURE.data)
    return FILE[: at + 4] + bytes(255 - b for b in FILE[at + 4 :])


def _tiles(count: int, size: tuple[int, int], tile: tuple[int, int]) -> bytes:
    one = coded(quarters(64, 64), tile)
    return heif([grid(list(range(2, 2 + count)), 16, count // 16, size), *[one] * count])


BAD = {
    "brand only": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), "image_broken"),
    "huge": (heif([coded(quarters(), (2**31, 2**31))]), "image_too_large"),
    "wide": (heif([coded(quarters(), (60_000, 16))]), "image_too_large"),
    "tiny": (heif([coded(quarters(), (8, 8))]), "image_too_small"),
    "says more than there is": (heif([coded(quarters(), (640, 480))]), "image_broken"),
    "says less than there is": (heif([coded(quarters(512, 384), (64, 48))]), "image_broken"),
    "more tiles than a phone writes": (_tiles(2_048, (1_024, 8_192), (64, 64)), "image_broken"),
    "tiles of more than is taken": (_tiles(256, (4_096, 4_096), (4_096, 4_096)), "image_broken"),
    "huge beside the picture": (heif([PICTURE, coded(quarters(), (30_000, 30_000))]), "image_broken"),
    "tiles that are tiles": (heif([grid([2], 1, 1, (64, 64)), grid([1], 1, 1, (64, 64))]), "image_broken"),
    "tiles that are missing": (heif([grid([7, 8], 2, 1, (128, 64))]), "image_broken"),
    "no such item": (heif([PICTURE], primary=9), "image_broken"),
    "no size": (heif([Item(b"hvc1", PICTURE.data, PICTURE.properties[:1])]), "image_broken"),
    "no stream": (heif([Item(b"hvc1", b"", PICTURE.properties)]), "image_broken"),
    "no parameters": (heif([Item(b"hvc1", PICTURE.data, [ispe(96, 64)])]), "image_broken"),
    "of another codec": (heif([Item(b"jpeg", PICTURE.data, PICTURE.properties)]), "image_broken"),
    "a broken stream": (_broken_stream(), "image_broken"),
    "cut in its stream": (FILE[:-40], "image_broken"),
    "cut in its boxes": (FILE[:200], "image_broken"),
    "and a page": (FILE + b"%PDF-1.7", "image_polyglot"),
    "a document": (FILE[:8] + b"heic%PDF-1.7" + FILE[20:], "image_polyglot"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
async def test_each_is_refused_with_its_own_code(imaging: PillowImaging, tmp_path: Path, name: str) -> None:
    data, code = BAD[name]
    with pytest.raises(Invalid) as caught:
        await imaging.process(data, tmp_path)
    assert caught.value.code == code
    assert caught.value.message.endswith(".")
    assert not list(tmp_path.iterdir())
    assert (await imaging.inspect(FILE)).width == 96


@pytest.mark.parametrize(
    "name",
    [one for one in BAD if one.startswith(("more tiles", "tiles", "huge", "wide", "no size", "of another"))],
)
def test_bombs_are_seen_before_a_decoder_runs(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_header(BAD[name][0], ImagingSettings())
    assert caught.value.code == BAD[name][1]


async def test_damage_anywhere_is_a_fault_or_a_picture(imaging: PillowImaging) -> None:
    limits = ImagingSettings()
    dice = random.Random(7)
    whole = heif([grid([2, 3], 2, 1, (128, 64)), *[coded(quarters(64, 64))] * 2])
    assert (await imaging.inspect(whole)).width == 128
    for data in (FILE, whole):
        for at in range(min(len(data), 500)):
            for damaged in (data[:at], data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]):
                try:
                    header = read_header(damaged, limits)
                except Fault as fault:
                    assert fault.code.startswith("image_")
                else:
                    assert header.width * header.height <= limits.max_pixels
        for _ in range(60):
            at = dice.randrange(24, len(data) - 8)
            damaged = data[:at] + struct.pack(">Q", dice.getrandbits(64)) + data[at + 8 :]
            try:
                facts = await imaging.inspect(damaged)
            except Invalid as fault:
                assert fault.code.startswith("image_")
            else:
                assert facts.width * facts.height <= 128 * 128
