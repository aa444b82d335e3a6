"""What other rooms see of image handling: one Protocol and the facts it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol

SourceFormat = Literal["png", "jpeg", "webp", "avif", "gif", "heic"]
"""What is accepted."""
VariantFormat = Literal["avif", "webp", "jpeg"]
"""What is made."""

MIME: Final[dict[SourceFormat, str]] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
    "gif": "image/gif",
    "heic": "image/heic",
}
Original = Literal["as_is", "stripped", "withheld"]
"""What of the file as it came may be given on: all of it, a copy without where and with what it was taken, nothing."""
FORMATS: Final[tuple[VariantFormat, ...]] = ("avif", "webp", "jpeg")


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What is true of an image. `width` and `height` are in pixels as people see it (EXIF orientation applied)."""

    format: SourceFormat
    width: int
    height: int
    size: int
    """Bytes of the file."""
    sha256: str
    """Lower-case hex of the file's bytes."""
    has_alpha: bool
    """Whether any pixel is translucent; a channel that is opaque everywhere does not count."""
    frames: int
    blurhash: str
    dominant: str
    """The colour that fills most of it: `#rrggbb`."""
    phash: str
    """64-bit perceptual hash, 16 hex digits; compare with `fingerprints.distance`."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Raw metadata, bounded and safe to store as JSON: `text` (chunks), `exif` (named fields)."""
    meta: dict[str, Any] = field(default_factory=dict)
    """Civitai's generation fields: prompt, negativePrompt, cfgScale, steps, sampler, seed, ..., comfy."""

    meta_format: str | None = None
    """Which writer's way of telling a recipe was understood."""
    meta_faults: list[str] = field(default_factory=list)
    """Sentences about what of it could not be read."""

    @property
    def animated(self) -> bool:
        """More than one frame; variants show the first, `Processed.moving` the beginning."""
        return self.frames > 1

    @property
    def mime(self) -> str:
        """The media type its bytes really have, whatever its name said."""
        return MIME[self.format]


@dataclass(frozen=True, slots=True)
class Variant:
    """A re-encoded copy without metadata, in sRGB: pixels, bytes and where the file is."""

    width: int
    height: int
    format: VariantFormat
    path: Path
    size: int

    @property
    def mime(self) -> str:
        """Its media type."""
        return MIME[self.format]


@dataclass(frozen=True, slots=True)
class Processed:
    """All that one decoding gave."""

    facts: ImageFacts
    variants: list[Variant]
    original: Original = "withheld"
    """When `stripped`, the copy is `ORIGINAL` in `out_dir`."""
    moving: list[Variant] = field(default_factory=list)
    """Short looping copies of what moves, narrow to wide, as `out_dir/<width>.anim.webp`."""


ORIGINAL: Final = "original"
"""The name of the copy without origin."""


class Imaging(Protocol):
    """Judges and re-encodes images of strangers without blocking the event loop.

    Every method raises `Invalid` for a bad image, with code image_too_large (bytes, pixels or an edge),
    image_too_small, image_not_supported, image_broken, image_too_many_frames, image_polyglot, image_too_complex
    (memory) or image_too_slow, and `Unavailable` with code imaging_unavailable when no decoder can be started.
    A `source` is a regular file or its bytes.
    """

    async def inspect(self, source: Path | bytes) -> ImageFacts:
        """The facts of an image; nothing is written."""
        ...

    async def render(
        self,
        source: Path | bytes,
        out_dir: Path,
        *,
        widths: Sequence[int] | None = None,
        formats: Sequence[VariantFormat] = FORMATS,
    ) -> list[Variant]:
        """Copies at those of `widths` that fit (`transforms.widths_for`), as `out_dir/<width>.<format>`."""
        ...

    async def process(
        self,
        source: Path | bytes,
        out_dir: Path,
        *,
        widths: Sequence[int] | None = None,
        formats: Sequence[VariantFormat] = FORMATS,
        strip: bool = False,
        moving: bool = False,
    ) -> Processed:
        """`inspect` and `render` with one decoding. `out_dir` must exist; a failure leaves no file in it.

        With `strip`, the original without its origin is made, too (`stripping`); with `moving`, copies that move of
        GIF, WebP and AVIF with more than one frame (`motion`).
        """
        ...

    async def aclose(self) -> None:
        """End the decoders; a later call starts them again."""
        ...
