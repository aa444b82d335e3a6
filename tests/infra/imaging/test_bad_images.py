from __future__ import annotations

import asyncio
import struct
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from tests.infra.imaging.drawing import MAGIC, chunk, encoded, png, quarters, slope, with_chunks

from civitas.infra.imaging.headers import read_header
from civitas.infra.imaging.pillow import PillowImaging
from civitas.infra.imaging.settings import ImagingSettings
from civitas.kit.errors import Fault, Invalid


def _zip() -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "hello")
    return file.getvalue()


def _gif(frames: int) -> bytes:
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 20, 20, 0) + b"\x02\x02\x4c\x01\x00"
    return (
        b"GIF89a" + struct.pack("<HHBBB", 20, 20, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frame * frames + b";"
    )


def _webp_claim(width: int, height: int) -> bytes:
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0"
    body += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _avif_claim(width: int, height: int) -> bytes:
    data = encoded(quarters(), "AVIF")
    at = data.index(b"ispe") + 8
    return data[:at] + struct.pack(">II", width, height) + data[at + 8 :]


def _jpeg_claim(width: int, height: int) -> bytes:
    data = encoded(quarters(), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


PNG = encoded(slope(200, 200), "PNG")
JPEG = encoded(slope(200, 200), "JPEG")
WEBP = encoded(slope(200, 200), "WEBP")
AVIF = encoded(slope(200, 200), "AVIF")
GIF = encoded(quarters(200, 200), "GIF")

BAD = {
    "100 megapixels, really": (png(10_000, 10_000), "image_too_large"),
    "100 megapixels, only claimed": (png(10_000, 10_000, b"x"), "image_too_large"),
    "4 gigapixels in IHDR": (png(2**31 - 1, 2**31 - 1, b"x"), "image_too_large"),
    "long edge": (png(20_000, 20), "image_too_large"),
    "webp canvas": (_webp_claim(16_000, 16_000), "image_too_large"),
    "avif claim": (_avif_claim(30_000, 30_000), "image_too_large"),
    "jpeg claim": (_jpeg_claim(65_000, 65_000), "image_too_large"),
    "gif frame outside": (
        _gif(1)[:19] + b"\x2c" + struct.pack("<HHHHB", 60_000, 0, 20, 20, 0),
        "image_too_large",
    ),
    "tiny": (encoded(quarters(15, 15), "PNG"), "image_too_small"),
    "zero": (png(0, 0, b"x"), "image_too_small"),
    "gif frames": (_gif(5_000), "image_too_many_frames"),
    "gif blocks": (GIF[:13] + b"\x21\xfe\0" * 4_000_000, "image_broken"),
    "apng frames": (with_chunks(PNG, chunk(b"acTL", struct.pack(">II", 2**31, 0))), "image_too_many_frames"),
    "svg": (
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "image_not_supported",
    ),
    "svg with head": (b"\xef\xbb\xbf  <?xml version='1.0'?>\n<svg/>", "image_not_supported"),
    "html": (b"<!DOCTYPE html><script>1</script>", "image_not_supported"),
    "pdf": (b"%PDF-1.7\n", "image_not_supported"),
    "zip": (_zip(), "image_not_supported"),
    "bmp": (encoded(quarters(), "BMP"), "image_not_supported"),
    "tiff": (encoded(quarters(), "TIFF"), "image_not_supported"),
    "icon": (encoded(quarters(), "ICO"), "image_not_supported"),
    "text": (b"hello", "image_not_supported"),
    "gif and html": (GIF[:-1] + b"\x21\xfe\x09<script>\0;", "image_polyglot"),
    "png and zip": (PNG + _zip(), "image_polyglot"),
    "jpeg and zip": (JPEG + _zip(), "image_polyglot"),
    "jpeg and pdf": (JPEG[:2] + b"\xff\xfe\x00\x0b%PDF-1.7\n" + JPEG[2:], "image_polyglot"),
    "png head only": (PNG[:20], "image_broken"),
    "png cut": (PNG[: len(PNG) - 60], "image_broken"),
    "png without data": (MAGIC + PNG[8:33] + chunk(b"IEND", b""), "image_broken"),
    "png bad zlib": (png(64, 64, b"not zlib at all"), "image_broken"),
    "png many chunks": (with_chunks(PNG, chunk(b"juNk", b"") * 120_000), "image_broken"),
    "jpeg head only": (JPEG[:100], "image_broken"),
    "jpeg cut": (JPEG[: len(JPEG) // 2], "image_broken"),
    "jpeg magic": (b"\xff\xd8\xff" + b"\xff" * 5000, "image_broken"),
    "webp cut": (WEBP[: len(WEBP) // 2], "image_broken"),
    "webp head": (WEBP[:20], "image_broken"),
    "avif cut": (AVIF[: len(AVIF) // 2], "image_broken"),
    "gif cut": (GIF[:30], "image_broken"),
    "gif empty": (GIF[:13] + b";", "image_broken"),
}


@pytest.mark.parametrize("name", BAD)
async def test_each_is_refused_with_its_own_code(imaging: PillowImaging, tmp_path: Path, name: str) -> None:
    data, code = BAD[name]
    with pytest.raises(Invalid) as caught:
        await imaging.process(data, tmp_path)
    assert caught.value.code == code
    assert caught.value.message.endswith(".")
    assert not list(tmp_path.iterdir())


async def test_a_decoder_that_is_lied_to_stays_within_the_claim(imaging: PillowImaging) -> None:
    facts = await imaging.inspect(_avif_claim(400, 300))
    assert (facts.width, facts.height) == (400, 300)
    short = png(64, 64, zlib.compress(b"\0" * 65 * 10))
    long = png(64, 64, zlib.compress(bytes(300_000_000), 9))
    for data in (short, long):
        assert (await imaging.inspect(data)).width == 64


async def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.png"
    with path.open("wb") as file:
        file.write(PNG)
        file.truncate(51_000_000)
    async with PillowImaging() as imaging:
        for source in (path, bytes(50_000_001)):
            with pytest.raises(Invalid) as caught:
                await imaging.inspect(source)
            assert caught.value.code == "image_too_large"
        with pytest.raises(FileNotFoundError):
            await imaging.inspect(tmp_path / "missing")
        with pytest.raises(ValueError, match="not a regular file"):
            await imaging.inspect(tmp_path)


@pytest.mark.parametrize("data", [PNG, JPEG, WEBP, AVIF, GIF], ids=["png", "jpeg", "webp", "avif", "gif"])
def test_no_cut_or_flipped_header_is_a_traceback(data: bytes) -> None:
    limits = ImagingSettings()
    for at in range(min(len(data), 300)):
        for damaged in (data[:at], data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]):
            try:
                header = read_header(damaged, limits)
            except Fault as fault:
                assert fault.code.startswith("image_")
            else:
                assert header.width * header.height <= limits.max_pixels


async def test_damage_anywhere_is_a_fault_or_a_picture(imaging: PillowImaging) -> None:
    for data in (PNG, JPEG, WEBP, AVIF, GIF):
        for at in range(12, len(data), max(1, len(data) // 25)):
            damaged = data[:at] + bytes(b ^ 0x55 for b in data[at : at + 8]) + data[at + 8 :]
            try:
                facts = await imaging.inspect(damaged)
            except Invalid as fault:
                assert fault.code.startswith("image_")
            else:
                assert facts.size == len(damaged)


@pytest.mark.parametrize("limit", [{"wall_seconds": 1.5}, {"cpu_seconds": 1}], ids=["wall", "cpu"])
async def test_one_slow_image_is_stopped_and_the_next_is_served(
    tmp_path: Path, limit: dict[str, float]
) -> None:
    heavy = encoded(Image.effect_noise((2048, 7000), 80).convert("RGB"), "JPEG", quality=80)
    async with PillowImaging(ImagingSettings.model_validate({"processes": 1, **limit})) as imaging:
        with pytest.raises(Invalid) as caught:
            await imaging.process(heavy, tmp_path)
        assert caught.value.code == "image_too_slow"
        assert not list(tmp_path.iterdir())
        assert (await imaging.inspect(PNG)).width == 200


async def test_memory_is_limited() -> None:
    settings = ImagingSettings(processes=1, memory=256 * 1024 * 1024)
    async with PillowImaging(settings) as imaging:
        with pytest.raises(Invalid) as caught:
            await imaging.inspect(_wide_colours(7900, 7900))
        assert caught.value.code == "image_too_complex"
        assert (await imaging.inspect(PNG)).width == 200


def _wide_colours(width: int, height: int) -> bytes:
    packer = zlib.compressobj(9)
    row = bytes(1 + 4 * width)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return png(width, height, data, colour=6)


async def test_decoders_are_shared_bounded_and_replaced() -> None:
    async with PillowImaging(ImagingSettings(processes=2, images_per_process=2)) as imaging:
        facts = await asyncio.gather(
            *(imaging.inspect(data) for data in (PNG, JPEG, WEBP, AVIF, GIF, PNG, JPEG))
        )
        assert [f.format for f in facts] == ["png", "jpeg", "webp", "avif", "gif", "png", "jpeg"]


async def test_a_cancelled_call_leaves_nothing_behind(tmp_path: Path) -> None:
    async with PillowImaging(ImagingSettings(processes=1)) as imaging:
        heavy = encoded(Image.effect_noise((2500, 2500), 80).convert("RGB"), "JPEG", quality=95)
        await imaging.inspect(PNG)
        task = asyncio.create_task(imaging.process(heavy, tmp_path))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not list(tmp_path.iterdir())
        assert (await imaging.inspect(PNG)).width == 200
