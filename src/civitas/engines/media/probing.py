"""Video and sound in: opened with a list of what may be opened, measured, and their first picture."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO, Final

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from PIL import Image, UnidentifiedImageError

from civitas.engines.media import reading
from civitas.engines.media.work import Limits, Unfit, Work

# No playlists and no formats that name other files.
FORMATS: Final = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,mpeg,ogg,mp3,wav,w64,flac,aac,aiff,asf,flv,apng,webp_anim"
_COVER: Final = Disposition.attached_pic
_SOUNDS: Final = {"mp3": "audio/mpeg", "mov": "audio/mp4", "matroska": "audio/webm"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file holds. Zero where there is no picture."""

    width: int
    height: int
    fps: float
    seconds: float
    has_video: bool
    has_audio: bool


def _closed(*_: object, **__: object) -> object:
    raise PermissionError("a file must not name other files")


@contextmanager
def opened(file: BinaryIO | Apart) -> Iterator[InputContainer]:
    """The file as a container. Raises Unfit when it is none that is known."""
    file.seek(0)
    try:
        container = av.open(
            file, "r", options={"format_whitelist": FORMATS, "protocol_whitelist": "none"}, io_open=_closed
        )
    except av.FFmpegError as error:
        raise Unfit("The file is neither video nor sound that can be read.") from error
    with container:
        yield container


@contextmanager
def reopened(file: BinaryIO) -> Iterator[InputContainer]:
    """The same by a place in the file of its own, so that several can read it at once."""
    with opened(Apart(file)) as container:
        yield container


class Apart:
    """A file read by a place of its own."""

    def __init__(self, file: BinaryIO) -> None:
        self._fd = file.fileno()
        self._size = os.fstat(self._fd).st_size
        self._at = 0

    def read(self, size: int) -> bytes:
        """The next bytes."""
        data = os.pread(self._fd, size, self._at)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        self._at = (0, self._at, self._size)[whence] + offset
        return self._at

    def tell(self) -> int:
        """The place."""
        return self._at


def facts(container: InputContainer) -> Facts:
    """Measure. Raises Unfit when there is neither video nor sound."""
    # The picture on a record's sleeve is no video.
    video = next((s for s in container.streams.video if not s.disposition & _COVER), None)
    audio = next(iter(container.streams.audio), None)
    if video is None and audio is None:
        raise Unfit("The file holds neither video nor sound.")
    seconds = 0.0
    if container.duration:
        seconds = container.duration / av.time_base
    for stream in (video, audio):
        if not seconds and stream is not None and stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
    rate: Fraction | int = 0
    if video is not None:
        rate = video.average_rate or video.guessed_rate or video.base_rate or 0
    return Facts(
        width=upright(video)[0] if video is not None else 0,
        height=upright(video)[1] if video is not None else 0,
        fps=float(rate),
        seconds=seconds,
        has_video=video is not None,
        has_audio=audio is not None,
    )


def upright(stream: Any) -> tuple[int, int]:
    """Width and height as coded."""
    return int(stream.width or 0), int(stream.height or 0)


def bounded(found: Facts, limits: Limits) -> Facts:
    """The facts of a video. Raises Unfit when there is no picture, or one that is too large."""
    if not found.has_video or not found.width:
        raise Unfit("The file holds no video.")
    if found.width * found.height > limits.pixels:
        raise Unfit(f"The video has {found.width} x {found.height} pixels, more than this agent takes.")
    return found


def metadata(work: Work) -> Mapping[str, Any]:
    """`videoMetadata`: size, frame rate and duration."""
    with opened(work.file(work.given["video"])) as container:
        found = bounded(facts(container), work.limits)
        seconds = found.seconds or counted(container)
    return {
        "width": found.width,
        "height": found.height,
        "fps": round(found.fps, 3),
        "duration": span(seconds),
    }


def measure(work: Work) -> Mapping[str, Any]:
    """Type and size of a picture or a sound; not a step, but for engines that get them from elsewhere."""
    file = work.file(next(iter(work.files)))
    try:
        source = reading.opened(file, work.limits)
    except UnidentifiedImageError:
        with opened(file) as container:
            found = facts(container)
            name = container.format.name.split(",")[0]
            seconds = found.seconds or counted(container)
        kind = "video" if found.has_video else "audio"
        media_type = _SOUNDS.get(name, f"{kind}/{name}") if kind == "audio" else f"video/{name}"
        return {"media_type": media_type, "seconds": round(seconds, 3)}
    source.image.load()
    return {
        "media_type": Image.MIME[source.format],
        "width": source.image.width,
        "height": source.image.height,
    }


def counted(container: InputContainer) -> float:
    """The end of the last packet, for files that do not say how long they are."""
    end = 0.0
    for packet in container.demux(container.streams.best("video") or container.streams.best("audio")):
        if packet.pts is not None and packet.time_base:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return end


def span(seconds: float) -> str:
    """`00:01:02.5000000`: how the API writes a stretch of time."""
    ticks = round(seconds * 10_000_000)
    whole, ticks = divmod(ticks, 10_000_000)
    minutes, whole = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    start = f"{days}." if days else ""
    rest = f".{ticks:07d}" if ticks else ""
    return f"{start}{hours:02d}:{minutes:02d}:{whole:02d}{rest}"


def first_frame(file: BinaryIO, limits: Limits) -> Image.Image:
    """The first picture of a video. Raises Unfit when there is none."""
    with opened(file) as container:
        bounded(facts(container), limits)
        for frame in container.decode(video=0):
            assert isinstance(frame, VideoFrame)
            return picture(frame)
    raise Unfit("No picture of the video can be read.")


def picture(frame: VideoFrame) -> Image.Image:
    """A frame as a picture, turned as the file says it is to be shown."""
    image = Image.fromarray(frame.to_ndarray(format="rgb24"))
    turn = int(getattr(frame, "rotation", 0) or 0)
    return image.rotate(turn, expand=True) if turn else image
