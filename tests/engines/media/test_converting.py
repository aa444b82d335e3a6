"""Formats, sizes, blurs, what pictures say of themselves; enlarging; cutting out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageDraw, PngImagePlugin
from tests.engines.media.conftest import Do
from tests.engines.media.made import opened, picture, saved

from civitas.engines.agent.engine import JobFailed, JobRejected


@pytest.mark.parametrize("source", ["PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP", "TIFF"])
@pytest.mark.parametrize("target", ["jpeg", "png", "webp", "gif"])
async def test_every_format_becomes_every_other(do: Do, source: str, target: str) -> None:
    given = {"image": "media:0", "output": {"format": target, "hideMetadata": False}}
    result, desk = await do("convertImage", given, saved(picture(), source))
    assert result.output == {"blob": {"$blob": 0}}
    made = opened(desk.blobs[0])
    assert (made.format, made.size) == (target.upper(), (320, 200))
    delivered = result.delivered[0]
    assert (delivered.kind, delivered.media_type) == ("image", f"image/{target}")
    assert (delivered.width, delivered.height) == (320, 200)
    apart = np.asarray(made.convert("RGB"), dtype=int) - np.asarray(picture(), dtype=int)
    assert np.abs(apart).mean() < 12


async def test_transforms_go_one_after_the_other(do: Do) -> None:
    transforms = [
        {"type": "resize", "targetWidth": 160},
        {"type": "blur", "blur": 8, "mode": "include", "regions": [{"x1": 0, "y1": 0, "x2": 80, "y2": 100}]},
        {"type": "resize", "targetWidth": None},
    ]
    given = {"image": "media:0", "transforms": transforms, "output": {"format": "png", "hideMetadata": True}}
    _, desk = await do("convertImage", given, saved(picture()))
    made = opened(desk.blobs[0])
    assert made.size == (160, 100)
    sharp = np.asarray(picture().resize((160, 100), Image.Resampling.LANCZOS), dtype=int)
    apart = np.abs(np.asarray(made, dtype=int) - sharp).max(axis=(0, 2))
    assert apart[:80].max() > 10
    assert apart[80:].max() == 0


@pytest.mark.parametrize(
    ("mode", "regions", "changed"),
    [
        ("exclude", [], True),
        ("include", [], False),
        ("include", [{"x1": -9, "y1": -9, "x2": -1, "y2": -1}], False),
    ],
)
async def test_a_blur_without_regions(do: Do, mode: str, regions: list[Any], changed: bool) -> None:
    transforms = [{"type": "blur", "blur": 20, "mode": mode, "regions": regions}]
    given = {"image": "media:0", "transforms": transforms, "output": {"format": "png", "hideMetadata": True}}
    _, desk = await do("convertImage", given, saved(picture()))
    assert (opened(desk.blobs[0]).tobytes() != picture().tobytes()) is changed


async def test_quality_and_lossless(do: Do) -> None:
    async def made(**output: Any) -> bytes:
        given = {"image": "media:0", "output": {"hideMetadata": False, **output}}
        _, desk = await do("convertImage", given, saved(picture()))
        return desk.blobs[0]

    assert len(await made(format="jpeg", quality=20)) < len(await made(format="jpeg", quality=95))
    exact = opened(await made(format="webp", lossless=True)).convert("RGB")
    assert exact.tobytes() == picture().tobytes()


async def test_animations_stay_or_end(do: Do) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "green", "blue")]
    animation = saved(
        frames[0], "GIF", save_all=True, append_images=frames[1:], duration=[50, 70, 90], loop=2
    )

    async def made(**output: Any) -> tuple[Image.Image, list[str]]:
        result, desk = await do(
            "convertImage", {"image": "media:0", "output": {"hideMetadata": False, **output}}, animation
        )
        return opened(desk.blobs[0]), result.warnings

    webp, _ = await made(format="webp", lossless=True)
    assert webp.n_frames == 3 and webp.info["loop"] == 2
    webp.seek(1)
    webp.load()
    assert webp.info["duration"] == 70
    assert webp.convert("RGB").getpixel((1, 1)) == (0, 128, 0)
    assert (await made(format="gif", maxFrames=2))[0].n_frames == 2
    assert (await made(format="webp", maxFrames=1))[0].n_frames == 1
    png, warned = await made(format="png")
    assert png.convert("RGB").getpixel((1, 1)) == (255, 0, 0)
    assert "first" in warned[0]


async def test_metadata_travels_or_is_left(do: Do) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("parameters", "a cat, größer\nSteps: 20")
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Ana"
    exif[ExifTags.Base.Orientation] = 6
    source = saved(picture(), "PNG", pnginfo=info, exif=exif)

    async def made(format: str, hide: bool, data: bytes = source) -> Image.Image:
        given = {"image": "media:0", "output": {"format": format, "hideMetadata": hide}}
        _, desk = await do("convertImage", given, data)
        return opened(desk.blobs[0])

    kept = await made("jpeg", False)
    assert kept.size == (200, 320)
    assert kept.getexif()[ExifTags.Base.Artist] == "Ana"
    assert ExifTags.Base.Orientation not in kept.getexif()
    comment = kept.getexif().get_ifd(ExifTags.IFD.Exif)[0x9286]
    assert comment == b"UNICODE\0" + "a cat, größer\nSteps: 20".encode("utf-16-be")
    back = await made("png", False, saved(kept, "JPEG", exif=kept.getexif()))
    back.load()
    assert back.text["parameters"] == "a cat, größer\nSteps: 20"  # type: ignore[attr-defined]
    for format in ("jpeg", "png", "webp"):
        left = await made(format, True)
        left.load()
        assert not left.getexif() and not getattr(left, "text", {})
        assert left.size == (200, 320)


async def test_transparency_on_jpeg_is_said(do: Do) -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    result, desk = await do(
        "convertImage", {"image": "media:0", "output": {"format": "jpeg", "hideMetadata": True}}, saved(clear)
    )
    assert opened(desk.blobs[0]).getpixel((4, 4)) == (255, 255, 255)
    assert "Transparent" in result.warnings[0]


@pytest.mark.parametrize(
    ("data", "given", "says"),
    [
        (b"not a picture", {}, "picture"),
        (saved(picture())[:400], {}, "cannot be read"),
        (saved(Image.new("1", (4_000, 4_000))), {}, "pixels"),
        (saved(picture()), {"transforms": [{"type": "turn"}]}, "no transform"),
        (saved(picture()), {"output": {"format": "bmp"}}, "no output format"),
        (
            saved(Image.new("L", (1, 3_000))),
            {"transforms": [{"type": "resize", "targetWidth": 4096}]},
            "become",
        ),
        (saved(picture()), {"image": "media:1"}, "no such medium"),
    ],
)
async def test_what_cannot_be_done_is_said(do: Do, data: bytes, given: dict[str, Any], says: str) -> None:
    whole = {"image": "media:0", "output": {"format": "png", "hideMetadata": True}, **given}
    with pytest.raises(JobFailed, match=says) as failed:
        await do("convertImage", whole, data)
    assert not failed.value.transient


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
async def test_every_mode_of_pixels(do: Do, mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.linspace(0, 65_535, 64 * 64).reshape(64, 64).astype(np.uint16))
    else:
        image = picture(64, 64).convert(mode)
    format = "TIFF" if mode in {"CMYK", "F", "I;16"} else "PNG"
    given = {"image": "media:0", "output": {"format": "jpeg", "hideMetadata": True}}
    _, desk = await do("convertImage", given, saved(image, format))
    made = opened(desk.blobs[0])
    assert made.size == (64, 64)
    low, high = made.convert("L").getextrema()
    assert isinstance(low, int | float) and isinstance(high, int | float) and high - low > 100


async def test_lanczos_says_its_name(do: Do) -> None:
    result, desk = await do(
        "imageUpscaler", {"image": "media:0", "numberOfRepeats": 2}, saved(picture(40, 30), "JPEG")
    )
    made = opened(desk.blobs[0])
    assert (made.format, made.size) == ("JPEG", (160, 120))
    assert result.output == {"blob": {"$blob": 0}}
    assert "Lanczos" in result.warnings[0]
    with pytest.raises(JobFailed, match="become"):
        await do("imageUpscaler", {"image": "media:0", "numberOfRepeats": 3}, saved(picture(1000, 700)))
    with pytest.raises(JobRejected, match="Lanczos"):
        await do(
            "imageUpscaler",
            {"image": "media:0", "model": "urn:air:other:upscaler:civitai:1@2"},
            saved(picture()),
        )


async def test_a_plain_background_goes(do: Do) -> None:
    image = Image.new("RGB", (120, 100), (240, 240, 235))
    drawing = ImageDraw.Draw(image)
    drawing.ellipse((30, 20, 90, 80), fill=(30, 60, 150))
    # A hole of the background's colour that the border does not reach.
    drawing.ellipse((50, 40, 70, 60), fill=(240, 240, 235))
    result, desk = await do("imageBackgroundRemoval", {"image": "media:0"}, saved(image, "JPEG", quality=95))
    made = opened(desk.blobs[0])
    assert result.output == {"image": {"$blob": 0}}
    assert made.mode == "RGBA"
    alphas = [made.getpixel(spot)[3] for spot in ((2, 2), (118, 98), (60, 25), (60, 50))]  # type: ignore[index]
    assert alphas == [0, 0, 255, 255]
    webp, desk = await do("imageBackgroundRemoval", {"image": "media:0", "format": "webp"}, saved(image))
    assert webp.delivered[0].media_type == "image/webp"
    assert opened(desk.blobs[0]).convert("RGBA").getpixel((2, 2))[3] == 0  # type: ignore[index]


async def test_any_other_background_is_left_to_a_model(do: Do) -> None:
    with pytest.raises(JobRejected, match="segmentation"):
        await do("imageBackgroundRemoval", {"image": "media:0"}, saved(picture()))
