"""A fast `Imaging` for tests of other rooms: judges headers and reads PNG text like the real one, decodes nothing."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from PIL import Image

from civitas.infra.imaging import headers, metadata, png, stripping
from civitas.infra.imaging.port import FORMATS, ORIGINAL, ImageFacts, Processed, Variant, VariantFormat
from civitas.infra.imaging.settings import ImagingSettings
from civitas.infra.imaging.transforms import widths_for
from civitas.kit.errors import Fault

_BLURHASH: Final = "LEHV6nWB2yk8pyo0adR*.7kCMdnj"


class FakeImaging:
    """`Imaging` in this process, in microseconds: true headers, SHA-256 and PNG metadata; made-up colours and hashes.

    Variants have true names and sizes but are pictures of one pixel. `fault`, when set, is raised by every call.
    """

    def __init__(self, settings: ImagingSettings | None = None, *, fault: Fault | None = None) -> None:
        self._settings = settings or ImagingSettings()
        self.fault = fault

    async def inspect(self, source: Path | bytes) -> ImageFacts:
        """Facts by the header alone."""
        if self.fault is not None:
            raise self.fault
        data = await asyncio.to_thread(source.read_bytes) if isinstance(source, Path) else source
        header = headers.read_header(data, self._settings)
        raw: dict[str, Any] = {}
        if header.format == "png":
            raw["text"] = png.read_text(
                data, entries=self._settings.max_metadata_entries, characters=self._settings.max_metadata_text
            ).text
        digest = hashlib.sha256(data).hexdigest()
        recipe = metadata.read(raw)
        return ImageFacts(
            format=header.format,
            width=header.width,
            height=header.height,
            size=len(data),
            sha256=digest,
            has_alpha=False,
            frames=header.frames,
            blurhash=_BLURHASH,
            dominant=f"#{digest[:6]}",
            phash=digest[:16],
            metadata=raw,
            meta=recipe.meta,
            meta_format=recipe.format,
            meta_faults=recipe.faults,
        )

    async def render(
        self,
        source: Path | bytes,
        out_dir: Path,
        *,
        widths: Sequence[int] | None = None,
        formats: Sequence[VariantFormat] = FORMATS,
    ) -> list[Variant]:
        """One-pixel copies under true names."""
        return (await self.process(source, out_dir, widths=widths, formats=formats)).variants

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
        """Facts by the header, one-pixel copies under true names, and the true original without its origin."""
        facts = await self.inspect(source)
        variants = []
        for width in widths_for(facts.width, widths or self._settings.widths):
            height = max(1, round(facts.height * width / facts.width))
            for format in formats:
                path, data = out_dir / f"{width}.{format}", _pixel(format)
                await asyncio.to_thread(path.write_bytes, data)
                variants.append(Variant(width, height, format, path, len(data)))
        moves = []
        if moving and facts.animated:
            width = min(450, facts.width)
            path, data = out_dir / f"{width}.anim.webp", _pixel("webp")
            await asyncio.to_thread(path.write_bytes, data)
            height = max(1, round(facts.height * width / facts.width))
            moves.append(Variant(width, height, "webp", path, len(data)))
        if not strip:
            return Processed(facts, variants, moving=moves)
        data = await asyncio.to_thread(source.read_bytes) if isinstance(source, Path) else source
        return Processed(facts, variants, stripping.strip(data, facts.format, out_dir / ORIGINAL), moves)

    async def aclose(self) -> None:
        """Nothing runs, so nothing ends."""


@lru_cache(8)
def _pixel(format: VariantFormat) -> bytes:
    file = BytesIO()
    Image.new("RGB", (1, 1), "grey").save(file, format.upper())
    return file.getvalue()
