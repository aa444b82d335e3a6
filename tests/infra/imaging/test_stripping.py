"""Originals lose where and with what they were taken; pixels, colours, orientation and recipe stay."""

from __future__ import annotations

import random
import struct
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image, ImageCms, ImageOps
from tests.infra.imaging.drawing import chunk, encoded, quarters, slope, with_chunks

from civitas.infra.imaging import exif, png
from civitas.infra.imaging.pillow import PillowImaging
from civitas.infra.imaging.port import MIME, ORIGINAL, SourceFormat
from civitas.infra.imaging.stripping import strip

FORMATS: tuple[SourceFormat, ...] = ("png", "jpeg", "webp", "avif")
RECIPE = "a fox, 狐\nNegative prompt: blur\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x48"
COMMENT = b"UNICODE\0" + RECIPE.encode("utf-16-be")
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r exif:GPSLatitude="48,51N" aux:SerialNumber="SECRET-XMP"/></x:xmpmeta>'
# Words that give away where and with what: none may be left.
TELLTALES = (b"SECRET", b"GPSLatitude", b"NIKON", b"2024:05:06")


def telling_exif(orientation: int = 6) -> bytes:
    """EXIF of a camera that also holds a recipe."""
    book = Image.Exif()
    book[0x0112], book[0x010F], book[0x0110], book[0x0132] = (
        orientation,
        "NIKON",
        "SECRET Z9",
        "2024:05:06 07:08:09",
    )
    book[0x013B] = "A. Painter"
    inner = book.get_ifd(0x8769)
    inner[0x9286], inner[0xA431], inner[0x927C] = COMMENT, "SECRET-SERIAL", b"SECRET maker note"
    place = book.get_ifd(0x8825)
    place[1], place[2], place[29] = "N", (48.0, 51.0, 30.5), "2024:05:06"
    return book.tobytes()


def telling(format: SourceFormat) -> bytes:
    """A picture that tells too much, in every way its format has."""
    options: dict[str, Any] = {"exif": telling_exif(), "icc_profile": PROFILE}
    if format != "png":
        options["xmp"] = XMP
    data = encoded(slope(64, 48) if format == "jpeg" else quarters(), format.upper(), **options)
    if format == "png":
        text = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP
        raw = b"Raw profile type exif\0\0" + b"SECRET"
        data = with_chunks(data, chunk(b"iTXt", text), chunk(b"zTXt", raw), chunk(b"tIME", bytes(7)))
        data = png.embed_text(data, RECIPE) + b"SECRET after the end"
    if format == "jpeg":
        photoshop = b"Photoshop 3.0\0SECRET"
        segment = b"\xff\xed" + struct.pack(">H", 2 + len(photoshop)) + photoshop
        data = data[:2] + segment + data[2:] + b"SECRET motion"
    return data


def stripped(data: bytes, format: SourceFormat, folder: Path) -> bytes:
    target = folder / "out"
    assert strip(data, format, target) == "stripped"
    return target.read_bytes()


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_telling_is_left_and_nothing_else_is_lost(format: SourceFormat, tmp_path: Path) -> None:
    data = telling(format)
    assert b"SECRET" in data
    new = stripped(data, format, tmp_path)
    for word in TELLTALES:
        assert word not in new, word
    before, after = opened(data), opened(new)
    assert before.format == after.format and after.tobytes() == before.tobytes()
    assert after.info["icc_profile"] == before.info["icc_profile"]
    # AVIF turns its pixels by a property of the picture, and Pillow gives that back as EXIF.
    assert ImageOps.exif_transpose(after).size == ImageOps.exif_transpose(before).size == (48, 64)
    book = after.getexif()
    assert book.get_ifd(0x8825) == {} and 0x010F not in book and 0x0132 not in book
    assert book.get_ifd(0x8769)[0x9286] == COMMENT and book[0x013B] == "A. Painter"
    assert not after.info.get("xmp", b"").strip(b"\0")
    # Doing it again changes nothing.
    assert strip(new, format, tmp_path / "again") == "as_is"
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("format", FORMATS)
async def test_the_recipe_is_read_from_the_copy_as_from_the_original(
    format: SourceFormat, tmp_path: Path
) -> None:
    data = telling(format)
    async with PillowImaging() as imaging:
        done = await imaging.process(data, tmp_path, widths=[96], strip=True)
        assert done.original == "stripped"
        copy = (tmp_path / ORIGINAL).read_bytes()
        again = await imaging.inspect(copy)
    assert again.meta == done.facts.meta and again.meta["prompt"] == "a fox, 狐"
    assert (again.width, again.height) == (done.facts.width, done.facts.height)
    assert again.mime == MIME[format] and not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("format", (*FORMATS, "gif"))
def test_what_tells_nothing_is_left_as_it_is(format: SourceFormat, tmp_path: Path) -> None:
    data = encoded(quarters(), format.upper())
    if format == "png":
        data = png.embed_text(png.embed_text(data, RECIPE), '{"1": {}}', keyword="prompt")
    assert strip(data, format, tmp_path / "out") == "as_is"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_a_workflow_in_the_camera_fields_is_a_recipe(format: SourceFormat, tmp_path: Path) -> None:
    book = Image.Exif()
    book[0x010F], book[0x0110] = 'workflow:{"nodes": []}', 'prompt:{"1": {}}'
    data = encoded(quarters(), format.upper(), exif=book.tobytes())
    assert strip(data, format, tmp_path / "out") == "as_is"
    book[0x0131] = "SECRET firmware"
    new = stripped(encoded(quarters(), format.upper(), exif=book.tobytes()), format, tmp_path)
    kept = opened(new).getexif()
    assert (
        kept[0x010F] == 'workflow:{"nodes": []}' and kept[0x0110] == 'prompt:{"1": {}}' and 0x0131 not in kept
    )


def test_animations_move_on(tmp_path: Path) -> None:
    frames = [quarters().rotate(90 * n) for n in range(4)]
    options: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 100, "loop": 0}
    webp = encoded(frames[0], "WEBP", exif=telling_exif(1), lossless=True, **options)
    apng = with_chunks(encoded(frames[0], "PNG", **options), chunk(b"eXIf", telling_exif(1)[6:]))
    gif = encoded(frames[0], "GIF", comment=b"made by hand", **options)
    at = gif.index(b"\x21\xf9")
    told = b"\x21\xff\x0bXMP DataXMP\x06SECRET\x00"
    gif = gif[:at] + told + gif[at:]
    made: list[tuple[SourceFormat, bytes]] = [("webp", webp), ("png", apng), ("gif", gif)]
    for format, data in made:
        new = stripped(data, format, tmp_path)
        assert b"SECRET" not in new
        before, after = Image.open(BytesIO(data)), Image.open(BytesIO(new))
        assert cast(Any, after).n_frames == 4
        for number in range(4):
            before.seek(number)
            after.seek(number)
            assert before.convert("RGB").tobytes() == after.convert("RGB").tobytes()
    assert b"made by hand" in new


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_and_small_previews(order: str) -> None:
    def entry(tag: int, kind: int, count: int, value: int) -> bytes:
        field = struct.pack(order + "HH", value, 0) if kind == 3 else struct.pack(order + "I", value)
        return struct.pack(order + "HHI", tag, kind, count) + field

    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    first = struct.pack(order + "H", 1) + entry(0x0112, 3, 1, 8)
    preview = struct.pack(order + "H", 1) + entry(0x0201, 4, 1, 99) + bytes(4)
    whole = head + first + struct.pack(order + "I", 8 + len(first) + 4) + preview
    new = exif.rewritten(whole)
    book = Image.Exif()
    book.load(b"Exif\0\0" + new)
    assert dict(book) == {0x0112: 8} and len(new) == len(head + first) + 4
    plain = head + first + bytes(4)
    assert exif.rewritten(plain) is plain


@pytest.mark.parametrize(
    "tiff",
    [
        b"", b"II*\0", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", b"%PDF" * 9,
        # An entry that claims four gigabytes, and a directory that is its own sub-directory.
        b"II*\0\x08\0\0\0\x01\0\x86\x92\x07\0\xff\xff\xff\xff\x08\0\0\0" + bytes(4),
        b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0" + bytes(4),
    ],
)  # fmt: skip
def test_exif_that_lies_is_not_kept(tiff: bytes) -> None:
    assert exif.rewritten(tiff) == b""


@pytest.mark.parametrize("format", (*FORMATS, "gif"))
def test_damage_never_raises_and_never_tells(format: SourceFormat, tmp_path: Path) -> None:
    data = telling(format) if format != "gif" else encoded(quarters(), "GIF", comment=b"x")
    dice = random.Random(7)
    for _ in range(400):
        broken = bytearray(data[: dice.randrange(16, len(data) + 1)] if dice.random() < 0.4 else data)
        for _ in range(dice.randrange(1, 6)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        target = tmp_path / "out"
        target.unlink(missing_ok=True)
        said = strip(bytes(broken), format, target)
        assert target.exists() == (said == "stripped")


def test_a_long_run_of_marks_takes_no_time(tmp_path: Path) -> None:
    data = encoded(slope(), "JPEG")
    hostile = data[:-2] + b"\xff" * 20_000_000 + b"\xff\xd9"
    assert strip(hostile, "jpeg", tmp_path / "out") in ("as_is", "stripped")
