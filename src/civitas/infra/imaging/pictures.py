"""Decoding, upright and sRGB, and re-encoding. Runs only inside the sandbox; see `sandbox.py`.

One decoding makes one master picture no wider than the widest copy; every copy is scaled from it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any, Final

import pi_heif
from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from civitas.infra.imaging import headers, metadata, nclx, png, stealth
from civitas.infra.imaging.port import VariantFormat
from civitas.infra.imaging.settings import ImagingSettings
from civitas.infra.imaging.transforms import widths_for
from civitas.kit.generation_text import clean_text

PLUGINS: Final = (AvifImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin)
"""Imported so that each format's decoder is registered before limits are set."""
DECODING_ERRORS: Final = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, AttributeError, OverflowError,
    ZeroDivisionError, RuntimeError, struct.error, zlib.error, Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)  # fmt: skip
# Depth maps, small previews and whatever else is beside a picture are neither read nor decoded.
pi_heif.register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)
_NAMES: Final = {"heic": "HEIF"}
_MAX_PROFILE: Final = 4 * 1024 * 1024
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SPACES: Final = {"RGB ": "RGB", "CMYK": "CMYK", "GRAY": "L"}
_SRGB: Final = ImageCms.createProfile("sRGB")


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: the master (RGB, or RGBA when something shows through), and what was learnt on the way."""

    master: Image.Image
    width: int
    height: int
    frames: int
    metadata: dict[str, Any]
    orientation: int


def decode(data: bytes, limits: ImagingSettings, *, width: int) -> Picture:
    """Decode within `limits` to a master at most `width` wide. Raises `Invalid`; a decoder may also be killed."""
    header = headers.read_header(data, limits)
    source = png.without_extras(data) if header.format == "png" else data
    try:
        name = _NAMES.get(header.format, header.format.upper())
        with Image.open(BytesIO(source), formats=(name,)) as image:
            if header.format == "heic":
                _load_as_claimed(image, header)
            headers.check_edges(*image.size, limits)
            frames = header.frames
            if header.format in ("avif", "webp"):
                frames = max(frames, getattr(image, "n_frames", 1))
            if frames > limits.max_frames:
                raise headers.too_many_frames(limits)
            raw, orientation = _metadata(data, header.format, image, limits)
            if format_hides(header.format) and not metadata.meta_of(raw):
                raw = _hidden(image, raw)
            across, down = image.size
            turned = orientation >= 5
            wide, high = (down, across) if turned else (across, down)
            scale = min(1.0, width / wide)
            target = (max(1, ceil(across * scale)), max(1, ceil(down * scale)))
            image.draft(image.mode, target)
            master = upright(image, target, orientation)
    except DECODING_ERRORS as error:
        raise headers.broken("it is cut off or damaged") from error
    return Picture(master, wide, high, frames, raw, orientation)


def encode(
    picture: Picture,
    out_dir: Path,
    widths: Sequence[int],
    formats: Sequence[VariantFormat],
    limits: ImagingSettings,
) -> list[tuple[int, int, VariantFormat, int]]:
    """Write `<width>.<format>.part` for each fitting width and format: (width, height, format, bytes) of each."""
    made: list[tuple[int, int, VariantFormat, int]] = []
    for width in widths_for(picture.width, widths):
        height = max(1, round(picture.height * width / picture.width))
        copy = picture.master
        if copy.size != (width, height):
            copy = copy.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
        for format in formats:
            path = out_dir / f"{width}.{format}.part"
            with path.open("wb") as file:
                _save(copy, file, format, limits)
            made.append((width, height, format, path.stat().st_size))
    return made


def upright(image: Image.Image, target: tuple[int, int], orientation: int) -> Image.Image:
    """The frame that is loaded, at `target` (before it is turned), upright, in sRGB, with nothing beside its pixels."""
    master = _master(image, target)
    if orientation in _UPRIGHT:
        master = master.transpose(_UPRIGHT[orientation])
    master.info = {}
    return master


def flattened(image: Image.Image) -> Image.Image:
    """RGB, with what is translucent laid on white."""
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _save(image: Image.Image, file: Any, format: VariantFormat, limits: ImagingSettings) -> None:
    if format == "jpeg":
        flattened(image).save(file, "JPEG", quality=limits.jpeg_quality, progressive=True, optimize=True)
    elif format == "webp":
        image.save(file, "WEBP", quality=limits.webp_quality, method=4)
    else:
        speed = min(10, limits.avif_speed + (2 if image.width * image.height > 4_000_000 else 0))
        image.save(file, "AVIF", quality=limits.avif_quality, speed=speed, max_threads=1)


def _load_as_claimed(image: Image.Image, header: headers.Header) -> None:
    """Decode a HEIC, whose size is final only then: it may be turned and cropped, and never larger than it claimed."""
    claim = sorted((header.width, header.height))
    before = sorted(image.size)
    image.load()
    for size in (before, sorted(image.size)):
        if size[0] > claim[0] or size[1] > claim[1]:
            raise ValueError("larger than it claims")


def _metadata(
    data: bytes, format: str, image: Image.Image, limits: ImagingSettings
) -> tuple[dict[str, Any], int]:
    entries, characters = limits.max_metadata_entries, limits.max_metadata_text
    raw: dict[str, Any] = {}
    exif = image.info.get("exif", b"")
    if format == "png":
        found = png.read_text(data, entries=entries, characters=characters)
        exif = found.exif
        raw["text"] = {clean_text(key): clean_text(value) for key, value in found.text.items()}
    comment = image.info.get("comment", b"")
    if isinstance(comment, bytes) and comment:
        raw["text"] = {"comment": clean_text(comment[:characters].decode("utf-8", "replace"))}
    fields, orientation = metadata.read_exif(
        exif if isinstance(exif, bytes) else b"", entries=entries, characters=characters
    )
    raw["exif"] = fields
    if format == "heic":
        # It is turned by properties (`irot`, `imir`), which the decoder has followed; EXIF only repeats them.
        orientation = 1
    return {key: value for key, value in raw.items() if value}, orientation


def format_hides(format: str) -> bool:
    """Whether pixels of the format survive exactly, so that a text can be hidden in them."""
    return format in ("png", "webp")


def _hidden(image: Image.Image, raw: dict[str, Any]) -> dict[str, Any]:
    found = stealth.hidden_text(image)
    texts = metadata.texts_of_hidden(found) if found else {}
    return raw | {"text": {**raw.get("text", {}), **texts}} if texts else raw


def _master(image: Image.Image, target: tuple[int, int]) -> Image.Image:
    profile = image.info.get("icc_profile") or nclx.profile_of(image.info.get("nclx_profile"))
    image.load()
    plain = _plain(image)
    if plain.size != target:
        plain = plain.resize(target, Image.Resampling.LANCZOS, reducing_gap=2.0)
    alpha = plain.getchannel("A") if plain.mode in ("LA", "RGBA") else None
    colour = plain.convert(plain.mode.removesuffix("A")) if alpha else plain
    if isinstance(profile, bytes) and 128 <= len(profile) <= _MAX_PROFILE:
        colour = _in_srgb(colour, profile)
    colour = colour.convert("RGB")
    if alpha is not None and alpha.getextrema() != (255, 255):
        colour.putalpha(alpha)
    return colour


def _plain(image: Image.Image) -> Image.Image:
    """The same picture with 8 bits in one of L, LA, RGB, RGBA or CMYK."""
    if image.mode.startswith("I") or image.mode == "F":
        deep = image if image.mode == "F" else image.convert("I").convert("F")
        return deep.point(lambda value: value * (1 / 257) + 0.5).convert("L")
    if image.mode == "RGBa":
        return image.convert("RGBA")
    if image.mode == "1":
        image = image.convert("L") if "transparency" not in image.info else image
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK") and "transparency" not in image.info:
        return image.copy() if image.readonly else image
    if image.mode == "PA" or "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert("RGB")


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Colours as the profile means them; unchanged when the profile is damaged or of another colour space."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if _SPACES.get(source.profile.xcolor_space) != image.mode:
            return image
        turned = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, AttributeError):
        return image
    return image if turned is None else turned
