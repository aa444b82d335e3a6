"""Pictures in: bounded, upright, in a mode that everything else can work with; and what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np
from PIL import ExifTags, Image, ImageOps

from civitas.engines.media.work import Limits, Unfit

FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")
# The PNG text in which generators keep their settings, and its like in EXIF.
SETTINGS: Final = "parameters"
_USER_COMMENT: Final = 0x9286
_UNICODE: Final = b"UNICODE\0"


@dataclass(frozen=True, slots=True)
class Source:
    """An opened picture. `frames` is 1 for a still one."""

    image: Image.Image
    format: str
    frames: int

    @property
    def animated(self) -> bool:
        """Whether there is more than one frame."""
        return self.frames > 1


def opened(file: BinaryIO, limits: Limits) -> Source:
    """Open a picture without decoding it. Raises Unfit when it has too many pixels, and Pillow's own errors."""
    image = Image.open(file, formats=FORMATS)
    if image.width * image.height > limits.pixels:
        raise Unfit(f"The picture has {image.width} x {image.height} pixels, more than this agent takes.")
    return Source(image, str(image.format), int(getattr(image, "n_frames", 1)))


def still(source: Source) -> Image.Image:
    """The first frame, upright, in RGB or RGBA."""
    source.image.seek(0)
    source.image.load()
    return _plain(ImageOps.exif_transpose(source.image))


def each(source: Source, most: int | None, limits: Limits) -> Iterator[tuple[Image.Image, int]]:
    """The frames in order with how long each is shown, in milliseconds. Raises Unfit when they are too many."""
    count = source.frames if most is None else min(source.frames, max(1, most))
    if count * source.image.width * source.image.height > limits.animated_pixels:
        raise Unfit(f"The animation has {count} frames, together more pixels than this agent takes.")
    for number in range(count):
        source.image.seek(number)
        source.image.load()
        shown = int(source.image.info.get("duration") or 100)
        yield _plain(source.image.copy()), shown


def _plain(image: Image.Image) -> Image.Image:
    """RGB or RGBA, whatever it was; sixteen bits become eight."""
    if image.mode in {"RGB", "RGBA"}:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image).astype(np.float64)
        top = 65_535.0 if values.max(initial=0) > 255 else 255.0
        grey = np.clip(values * (255.0 / top), 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.mode in {"LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert("RGB")


def has_alpha(image: Image.Image) -> bool:
    """Whether some pixel is not opaque."""
    if image.mode != "RGBA":
        return False
    low, _ = image.getchannel("A").getextrema()
    return int(low) < 255 if isinstance(low, int | float) else False


def flattened(image: Image.Image) -> Image.Image:
    """On white, without transparency."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def metadata(source: Source) -> dict[str, Any]:
    """What the picture says of itself: `exif`, `xmp`, `text` and generation settings, in Pillow's words."""
    image = source.image
    found: dict[str, Any] = {"exif": image.getexif(), "text": {}}
    # It was turned upright.
    found["exif"].pop(ExifTags.Base.Orientation, None)
    if isinstance(image.info.get("xmp"), bytes):
        found["xmp"] = image.info["xmp"]
    texts = getattr(image, "text", None)
    if isinstance(texts, dict):
        found["text"] = {str(name): str(value) for name, value in texts.items()}
    settings = found["text"].get(SETTINGS) or _commented(found["exif"])
    if settings:
        found["settings"] = settings
    return found


def _commented(exif: Image.Exif) -> str | None:
    raw = exif.get_ifd(ExifTags.IFD.Exif).get(_USER_COMMENT)
    if not isinstance(raw, bytes) or len(raw) <= len(_UNICODE):
        return None
    body = raw[len(_UNICODE) :]
    if not raw.startswith(_UNICODE):
        return body.decode("utf-8", "replace").strip("\0") or None
    # Written in either order; the one in which most characters are plain is the right one.
    order = "utf-16-be" if body[0::2].count(0) >= body[1::2].count(0) else "utf-16-le"
    return body.decode(order, "replace").strip("\0") or None


def settings_in_exif(exif: Image.Exif, settings: str) -> Image.Exif:
    """The EXIF with generation settings where JPEG and WebP files carry them."""
    exif.get_ifd(ExifTags.IFD.Exif)[_USER_COMMENT] = _UNICODE + settings.encode("utf-16-be")
    return exif
