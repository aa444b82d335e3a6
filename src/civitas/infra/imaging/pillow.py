"""The real `Imaging`: Pillow in a sandboxed process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from civitas.infra.imaging import headers
from civitas.infra.imaging.pool import DecoderPool
from civitas.infra.imaging.port import FORMATS, ORIGINAL, ImageFacts, Processed, Variant, VariantFormat
from civitas.infra.imaging.settings import ImagingSettings
from civitas.kit.errors import Invalid


class PillowImaging:
    """`Imaging` by Pillow in child processes; see `port.Imaging` for what each method promises."""

    def __init__(self, settings: ImagingSettings | None = None) -> None:
        self._settings = settings or ImagingSettings()
        self._pool = DecoderPool(self._settings)

    async def inspect(self, source: Path | bytes) -> ImageFacts:
        """The facts of an image; nothing is written."""
        answer = await self._ask(source, None, self._settings.widths, ())
        return ImageFacts(**answer["facts"])

    async def render(
        self,
        source: Path | bytes,
        out_dir: Path,
        *,
        widths: Sequence[int] | None = None,
        formats: Sequence[VariantFormat] = FORMATS,
    ) -> list[Variant]:
        """Copies at fitting widths, as `out_dir/<width>.<format>`."""
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
        """Facts and copies with one decoding."""
        chosen = sorted(
            {max(1, min(width, self._settings.max_edge)) for width in widths or self._settings.widths}
        )
        out_dir = await asyncio.to_thread(out_dir.resolve)
        try:
            answer = await self._ask(source, out_dir, chosen[:16], formats, strip, moving)
            if answer["original"] == "stripped":
                part = out_dir / f"{ORIGINAL}.part"
                await asyncio.to_thread(part.replace, out_dir / ORIGINAL)
            variants = await asyncio.to_thread(_settle, out_dir, answer["variants"])
            moves = await asyncio.to_thread(_settle_moving, out_dir, answer["moving"])
        finally:
            await asyncio.to_thread(_sweep, out_dir)
        return Processed(ImageFacts(**answer["facts"]), variants, answer["original"], moves)

    async def aclose(self) -> None:
        """End the decoders; a later call starts them again."""
        await self._pool.aclose()

    async def __aenter__(self) -> PillowImaging:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _ask(
        self,
        source: Path | bytes,
        out_dir: Path | None,
        widths: Sequence[int],
        formats: Sequence[VariantFormat],
        strip: bool = False,
        moving: bool = False,
    ) -> dict[str, Any]:
        request = {
            "path": "",
            "out": str(out_dir or ""),
            "widths": list(widths),
            "formats": list(formats),
            "strip": strip,
            "moving": moving,
        }
        if isinstance(source, Path):
            request["path"] = str(await asyncio.to_thread(self._checked, source))
            return await self._pool.run(request)
        if len(source) > self._settings.max_bytes:
            raise headers.too_many_bytes(len(source), self._settings)
        if not source:
            raise Invalid("The image file is empty; send it again.", code="image_not_supported")
        return await self._pool.run(request, source)

    def _checked(self, path: Path) -> Path:
        path = path.resolve(strict=True)
        if not path.is_file():
            raise ValueError(f"{path.name} is not a regular file")
        size = path.stat().st_size
        if size > self._settings.max_bytes:
            raise headers.too_many_bytes(size, self._settings)
        return path


def _settle(out_dir: Path, made: Sequence[tuple[int, int, VariantFormat, int]]) -> list[Variant]:
    variants = []
    for width, height, format, size in made:
        path = out_dir / f"{int(width)}.{format}"
        path.with_name(f"{path.name}.part").replace(path)
        variants.append(Variant(width, height, format, path, size))
    return variants


def _settle_moving(out_dir: Path, made: Sequence[tuple[int, int, int]]) -> list[Variant]:
    variants = []
    for width, height, size in made:
        path = out_dir / f"{int(width)}.anim.webp"
        path.with_name(f"{path.name}.part").replace(path)
        variants.append(Variant(width, height, "webp", path, size))
    return variants


def _sweep(out_dir: Path) -> None:
    for left in out_dir.glob("*.part"):
        left.unlink(missing_ok=True)
