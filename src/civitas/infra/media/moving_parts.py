"""What is read of a video or a sound and made of it. Runs only inside the child; see `moving_child.py`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, BinaryIO, Final

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer, OutputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from PIL import Image, ImageDraw

# No playlists and no formats that name other files.
FORMATS: Final = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,mp3,wav,flac,aac"
_COVER: Final = Disposition.attached_pic
_VIDEO: Final = {"h264": "mp4", "hevc": "mp4", "av1": "mp4", "mpeg4": "mp4", "vp8": "webm", "vp9": "webm"}
_WITH_MP4: Final = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})
_WITH_WEBM: Final = frozenset({"opus", "vorbis"})
_AUDIO: Final = {"aac": "m4a", "alac": "m4a", "mp3": "mp3", "flac": "flac", "opus": "ogg", "vorbis": "ogg"}
_MUXERS: Final = {"m4a": "ipod"}
_MOST_PACKETS: Final = 2_000_000
_MOST_STREAMS: Final = 32
_STILL_EDGE: Final = 2048
_PREVIEW_WIDTH: Final = 450
_PREVIEW_SECONDS: Final = 4.0
_PREVIEW_FPS: Final = 24
_MOST_FRAMES: Final = 240 * 10
_TEXTS: Final = ("prompt", "workflow", "parameters", "comment", "description")
_MOST_TEXT: Final = 2 * 1024 * 1024
_BARS: Final = 160


class Refused(Exception):
    """The file is not taken; the sentence says why."""

    def __init__(self, code: str, told: str) -> None:
        super().__init__(told)
        self.code = code


def work(
    source: BinaryIO, still: BinaryIO, preview: BinaryIO, clean: BinaryIO, *, limits: Mapping[str, Any]
) -> dict[str, Any]:
    """Judge, then make the still, the preview and the clean copy; the facts as `moving.Moved` has them."""
    with opened(source) as container:
        video, audio = _streams(container)
        text = _texts(container)
        if video is not None:
            _check_edges(video, limits)
        seconds = _length(container, video, audio, limits["video_max_seconds"])
    shape = _shape(video, audio)
    width = height = 0
    size = None
    with opened(source) as container:
        if video is not None:
            picture = _poster(container, seconds)
            width, height = picture.size
            picture.thumbnail((_STILL_EDGE, _STILL_EDGE), Image.Resampling.LANCZOS)
        else:
            picture = _waves(container, seconds)
            width, height = picture.size
        picture.save(still, "PNG", compress_level=1)
    if video is not None:
        with opened(source) as container:
            size = _preview(container, preview, width, height)
    with opened(source) as container:
        _copy(container, clean, shape)
    return {
        "kind": "video" if video is not None else "audio",
        "width": width,
        "height": height,
        "seconds": round(seconds, 3),
        "has_sound": audio is not None,
        "media_type": _type(shape),
        "preview": size,
        "text": text,
    }


def _closed(*_: object, **__: object) -> object:
    raise PermissionError("a file must not name other files")


class _Again:
    """What was written so far, read by a place of its own, as `faststart` does."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._at = file, 0

    def read(self, size: int) -> bytes:
        """The next bytes."""
        self._file.flush()
        data = os.pread(self._file.fileno(), size, self._at)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        self._at = (0, self._at, os.fstat(self._file.fileno()).st_size)[whence] + offset
        return self._at

    def tell(self) -> int:
        """The place."""
        return self._at

    def close(self) -> None:
        """Nothing of its own to close."""


def _written(target: BinaryIO, format: str) -> OutputContainer:
    options = {"movflags": "+faststart"} if format in ("mp4", "ipod") else {}
    return av.open(target, "w", format=format, options=options, io_open=lambda *_, **__: _Again(target))


@contextmanager
def opened(file: BinaryIO) -> Iterator[InputContainer]:
    """The file as a container. Raises Refused when it is none that is known."""
    file.seek(0)
    try:
        container = av.open(
            file, "r", options={"format_whitelist": FORMATS, "protocol_whitelist": "none"}, io_open=_closed
        )
    except av.FFmpegError as error:
        raise Refused(
            "video_not_supported",
            "The file is neither a video nor a sound that can be read. Send MP4, WebM, MOV, MKV, MP3, WAV, FLAC or Ogg.",
        ) from error
    with container:
        yield container


def _streams(container: InputContainer) -> tuple[Any, Any]:
    if len(container.streams) > _MOST_STREAMS:
        raise Refused("video_not_supported", f"The file has more than {_MOST_STREAMS} streams.")
    # The picture on a record's sleeve is no video.
    video = next((s for s in container.streams.video if not s.disposition & _COVER), None)
    audio = next(iter(container.streams.audio), None)
    if video is None and audio is None:
        raise Refused("video_not_supported", "The file holds neither video nor sound.")
    return video, audio


def _check_edges(video: Any, limits: Mapping[str, Any]) -> None:
    width, height, most = int(video.width or 0), int(video.height or 0), int(limits["video_max_edge"])
    if max(width, height) > most:
        raise Refused(
            "video_too_large",
            f"The video has {width} x {height} pixels; {most:,} along one edge is the most.",
        )
    if min(width, height) < 16:
        raise Refused("video_not_supported", "The video has no picture that can be shown.")


def _length(container: InputContainer, video: Any, audio: Any, most: float) -> float:
    """The true length by its packets, whatever the header says. Raises Refused past `most` seconds."""
    told = container.duration / av.time_base if container.duration else 0.0
    if told > most + 1:
        raise _too_long(most)
    start: float | None = None
    end = 0.0
    for count, packet in enumerate(container.demux([s for s in (video, audio) if s is not None])):
        if count > _MOST_PACKETS:
            raise Refused("video_too_complex", "The video has an absurd number of pieces.")
        if packet.pts is None or packet.time_base is None:
            continue
        at = float(packet.pts * packet.time_base)
        start = at if start is None else min(start, at)
        end = max(end, at + float((packet.duration or 0) * packet.time_base))
        if end - start > most + 1:
            raise _too_long(most)
    if start is None:
        raise Refused("video_broken", "The video holds nothing that can be shown.")
    return max(end - start, 0.0)


def _too_long(most: float) -> Refused:
    return Refused("video_too_long", f"The video is longer than {most:.0f} seconds, which is the most.")


def _shape(video: Any, audio: Any) -> str:
    """The container of the clean copy. Raises Refused for codecs that browsers do not play."""
    sound = audio.codec_context.codec.canonical_name if audio is not None else None
    if video is None:
        if sound is not None and sound.startswith("pcm_"):
            return "wav"
        if sound in _AUDIO:
            return _AUDIO[sound]
        raise _codec(sound)
    name = video.codec_context.codec.canonical_name
    shape = _VIDEO.get(name)
    if shape is None:
        raise _codec(name)
    if sound is not None and sound not in (_WITH_WEBM if shape == "webm" else _WITH_MP4):
        if name in ("vp9", "av1") and sound in _WITH_MP4 | _WITH_WEBM:
            return "mp4" if sound in _WITH_MP4 else "webm"
        raise _codec(sound)
    return shape


def _codec(name: str | None) -> Refused:
    return Refused(
        "video_not_supported",
        f"Its codec ({name}) is not played by browsers. Export it as H.264, VP9 or AV1 with AAC or Opus sound.",
    )


def _type(shape: str) -> str:
    return {
        "mp4": "video/mp4", "webm": "video/webm", "m4a": "audio/mp4", "mp3": "audio/mpeg", "flac": "audio/flac",
        "ogg": "audio/ogg", "wav": "audio/wav",
    }[shape]  # fmt: skip


def _texts(container: InputContainer) -> dict[str, str]:
    found: dict[str, str] = {}
    left = _MOST_TEXT
    for key, value in container.metadata.items():
        name = key.lower()
        if name in _TEXTS and isinstance(value, str) and value and left > 0:
            found[name] = value[:left]
            left -= len(found[name])
    return found


def _poster(container: InputContainer, seconds: float) -> Image.Image:
    """A picture from the first tenth that shows something, upright."""
    stream = next(s for s in container.streams.video if not s.disposition & _COVER)
    stream.thread_type = "AUTO"
    at = min(2.0, seconds / 10)
    if at > 0.2:
        try:
            container.seek(int(at * av.time_base), backward=True)
        except av.FFmpegError:
            container.seek(0)
    best: Image.Image | None = None
    for count, frame in enumerate(container.decode(stream)):
        assert isinstance(frame, VideoFrame)
        if count and count % 12:
            continue
        image = _upright(frame)
        lowest, highest = image.convert("L").resize((16, 16)).getextrema()
        if best is None or float(highest) - float(lowest) > 24:  # type: ignore[arg-type]
            best = image
            if float(highest) - float(lowest) > 24:  # type: ignore[arg-type]
                break
        if count >= 60:
            break
    if best is None:
        raise Refused("video_broken", "No picture of the video can be read.")
    return best


def _upright(frame: VideoFrame) -> Image.Image:
    image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    turn = int(getattr(frame, "rotation", 0) or 0)
    return image.rotate(turn, expand=True) if turn else image


def _preview(container: InputContainer, target: BinaryIO, width: int, height: int) -> list[int]:
    """A few silent seconds, small enough for a list: its size."""
    stream = next(s for s in container.streams.video if not s.disposition & _COVER)
    stream.thread_type = "AUTO"
    wide = min(_PREVIEW_WIDTH, width) // 2 * 2
    high = max(2, round(height * wide / width) // 2 * 2)
    with _written(target, "mp4") as out:
        made = out.add_stream("libx264", rate=_PREVIEW_FPS, options={"crf": "27", "preset": "veryfast"})
        made.width, made.height, made.pix_fmt = wide, high, "yuv420p"
        made.time_base = Fraction(1, _PREVIEW_FPS)
        first: float | None = None
        last = -1
        for count, frame in enumerate(container.decode(stream)):
            assert isinstance(frame, VideoFrame)
            if frame.time is None or count > _MOST_FRAMES:
                break
            first = frame.time if first is None else first
            place = int((frame.time - first) * _PREVIEW_FPS)
            if frame.time - first > _PREVIEW_SECONDS:
                break
            if place <= last:
                continue
            last = place
            scaled = _upright(frame).resize((wide, high), Image.Resampling.BILINEAR)
            small: VideoFrame = VideoFrame.from_image(scaled)  # type: ignore[no-untyped-call]
            small.pts, small.time_base = place, Fraction(1, _PREVIEW_FPS)
            out.mux(made.encode(small))
        out.mux(made.encode(None))
    return [wide, high]


def _copy(container: InputContainer, target: BinaryIO, shape: str) -> None:
    """The streams as they are, put together anew without anything that was written beside them."""
    video, audio = _streams(container)
    wanted = [s for s in (video, audio) if s is not None]
    with _written(target, _MUXERS.get(shape, shape)) as out:
        to = {stream.index: out.add_stream_from_template(stream) for stream in wanted}
        for made in to.values():
            made.metadata.clear()
        for packet in container.demux(wanted):
            if packet.dts is None:
                continue
            packet.stream = to[packet.stream.index]
            out.mux(packet)


def _waves(container: InputContainer, seconds: float) -> Image.Image:
    """How loud a sound is over its time, as bars."""
    stream = container.streams.audio[0]
    resampler = AudioResampler(format="s16", layout="mono", rate=4_000)
    each = max(1, int(seconds * 4_000 / _BARS))
    loud = [0] * (_BARS + 1)
    at = 0
    for frame in container.decode(stream):
        assert isinstance(frame, AudioFrame)
        for piece in resampler.resample(frame):
            values = memoryview(bytes(piece.planes[0])[: piece.samples * 2]).cast("h")
            for start in range(0, len(values), each):
                part = values[start : start + each]
                bar = min((at + start) // each, _BARS)
                loud[bar] = max(loud[bar], max(part), -min(part))
            at += len(values)
    most = max([*loud, 1])
    image = Image.new("RGB", (1280, 720), (24, 26, 34))
    draw = ImageDraw.Draw(image)
    for bar in range(_BARS):
        half = max(3, round(300 * loud[bar] / most))
        left = 8 + bar * 1264 // _BARS
        shade = (96 + bar * 120 // _BARS, 150, 230 - bar * 90 // _BARS)
        draw.rounded_rectangle((left, 360 - half, left + 4, 360 + half), radius=2, fill=shade)
    return image
