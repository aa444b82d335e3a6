"""Pictures, videos and sounds made for tests, and the desk on which the engine puts what it makes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageDraw

from civitas.contracts.wire.jobs import BLOB, Delivered, Job, MediaKind, MediaLink, Succeeded
from civitas.engines.agent.engine import JobFailed


def picture(width: int = 320, height: int = 200, *, mode: str = "RGB") -> Image.Image:
    """A picture with structure: a gradient, a disc, a box."""
    x = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    y = np.linspace(0, 255, height)[:, None].repeat(width, 1)
    image = Image.fromarray(np.stack([x, y, 255 - x], axis=-1).astype(np.uint8))
    drawing = ImageDraw.Draw(image)
    drawing.ellipse((width * 0.1, height * 0.2, width * 0.5, height * 0.8), fill=(250, 240, 60))
    drawing.rectangle((width * 0.6, height * 0.3, width * 0.9, height * 0.7), fill=(20, 30, 120))
    return image.convert(mode)


def saved(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def video(
    seconds: float = 1.0,
    *,
    size: tuple[int, int] = (160, 120),
    fps: int = 10,
    colours: Sequence[tuple[int, int, int]] = ((200, 30, 30), (30, 200, 30)),
    tone: float | None = 440.0,
    container: str = "mp4",
) -> bytes:
    """One colour after another with a moving bar; a tone when there is one."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream: Any = file.add_stream("libx264" if container == "mp4" else "libvpx-vp9", rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        sound: Any = (
            file.add_stream("aac" if container == "mp4" else "libopus", rate=48_000) if tone else None
        )
        count = round(seconds * fps)
        for number in range(count):
            pixels = np.empty((size[1], size[0], 3), dtype=np.uint8)
            pixels[:] = colours[number * len(colours) // count]
            place = number * size[0] // count
            pixels[:, place : place + 8] = 255
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if sound is not None:
            _tone(file, sound, seconds, tone or 0)
    return out.getvalue()


def sound(seconds: float = 1.0, tone: float = 440.0) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="wav") as file:
        _tone(file, file.add_stream("pcm_s16le", rate=48_000, layout="stereo"), seconds, tone)
    return out.getvalue()


def _tone(file: Any, stream: Any, seconds: float, tone: float) -> None:
    moments = np.arange(round(seconds * 48_000)) / 48_000
    wave = (0.5 * np.sin(2 * np.pi * tone * moments)).astype(np.float32)
    resampler = av.AudioResampler(
        format=stream.codec_context.format,
        layout=stream.codec_context.layout,
        rate=48_000,
        frame_size=stream.codec_context.frame_size or 1024,
    )
    frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts = 48_000, 0
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        file.mux(stream.encode(piece))
    file.mux(stream.encode(None))


def frames_of(data: bytes) -> list[np.ndarray[Any, Any]]:
    """Every picture of a video, as RGB."""
    with av.open(io.BytesIO(data)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def samples_of(data: bytes) -> np.ndarray[Any, Any]:
    """The left channel of a file at 48 kHz."""
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=48_000)
    with av.open(io.BytesIO(data)) as file:
        pieces = [
            part.to_ndarray()[0]
            for frame in [*file.decode(audio=0), None]
            for part in resampler.resample(frame)  # type: ignore[arg-type]
        ]
    return np.concatenate(pieces)


class TestDesk:
    """A desk without an orchestrator: files in memory, what is delivered in `blobs`."""

    __test__ = False

    def __init__(self, folder: Path, files: Mapping[str, bytes], slots: int = 1) -> None:
        self.folder, self._files, self._slots = folder, files, slots
        self.stopped = False
        self.blobs: dict[int, bytes] = {}
        self.delivered: dict[int, Delivered] = {}
        self.told: list[float] = []
        self.warnings: list[str] = []
        self.resources: dict[str, bytes] = {}

    async def media(self, word: str | int) -> Path:
        name = str(word).removeprefix("media:")
        if f"media:{name}" not in self._files:
            raise JobFailed("no such medium")
        path = self.folder / f"in-{name}"
        path.write_bytes(self._files[f"media:{name}"])
        return path

    async def resource(self, air: str) -> Path:
        path = self.folder / "resource"
        path.write_bytes(self.resources[air])
        return path

    async def progress(self, fraction: float, note: str | None = None, *, phase: str = "processing") -> None:
        self.told.append(fraction)

    def tell(self, fraction: float, note: str | None = None, *, phase: str = "processing") -> None:
        self.told.append(fraction)

    async def preview(self, data: bytes, media_type: str = "image/jpeg") -> None:
        return None

    async def deliver(
        self,
        slot: int,
        what: bytes | Path,
        *,
        kind: MediaKind,
        media_type: str,
        width: int | None = None,
        height: int | None = None,
        duration_s: float | None = None,
    ) -> dict[str, Any]:
        if not 0 <= slot < self._slots or slot in self.blobs:
            raise JobFailed(f"no free slot {slot}")
        data = what if isinstance(what, bytes) else what.read_bytes()
        self.blobs[slot] = data
        self.delivered[slot] = Delivered(
            slot=slot,
            kind=kind,
            media_type=media_type,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            width=width,
            height=height,
            duration_s=duration_s,
        )
        return {BLOB: slot}

    def warn(self, sentence: str) -> None:
        self.warnings.append(sentence)

    def done(self, output: Mapping[str, Any], *, warnings: Sequence[str] = ()) -> Succeeded:
        self.warnings += warnings
        return Succeeded(
            output=dict(output),
            delivered=list(self.delivered.values()),
            warnings=self.warnings,
            seconds=0,
        )


def job(step_type: str, given: dict[str, Any], files: Mapping[str, bytes], slots: int = 1) -> Job:
    links = [
        MediaLink(url="http://nowhere", media_type="image/png", size=len(data)) for data in files.values()
    ]
    return Job(
        id="job",
        claim=1,
        step_type=step_type,
        capability=step_type,
        input=given,
        media=links,
        slots=slots,
        leased_until=datetime.now(UTC),
    )
