"""Videos made of videos: another size, another container, more frames."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO, Final

import av
import av.filter
from av.audio.resampler import AudioResampler
from av.container import OutputContainer
from av.filter import Graph
from av.video.frame import VideoFrame

from civitas.engines.media import probing
from civitas.engines.media.work import Unfit, Work

AUDIO_RATE: Final = 48_000


@dataclass(frozen=True, slots=True)
class Shape:
    """A container and what goes into it."""

    container: str
    media_type: str
    video: str
    audio: str
    options: Mapping[str, str]


MP4: Final = Shape("mp4", "video/mp4", "libx264", "aac", {"crf": "21", "preset": "veryfast"})
WEBM: Final = Shape(
    "webm",
    "video/webm",
    "libvpx-vp9",
    "libopus",
    {"crf": "32", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"},
)
SHAPES: Final = {"mp4": MP4, "webm": WEBM}


def transcode(work: Work) -> Mapping[str, Any]:
    """`transcode`: to a width, in mp4 or webM. A video is never enlarged."""
    if work.given.get("destinationUrl"):
        raise Unfit("The result is delivered as a blob; leave destinationUrl out.")
    shape = SHAPES.get(str(work.given.get("containerFormat") or "mp4").lower())
    if shape is None:
        raise Unfit("There is no such container; there are mp4 and webM.")
    width = int(work.given["width"])
    if width < 2:
        raise Unfit("The width must be at least 2.")
    file = work.file(work.given["sourceUrl"])
    found = _facts(work, file)
    if width > found.width:
        work.warn(f"The video is {found.width} wide and was not enlarged to {width}.")
    width, height = _even(min(width, found.width), found.height * min(width, found.width) / found.width)
    return _made(work, file, shape, f"scale={width}:{height}:flags=lanczos", width, height, found)


def enlarge(work: Work) -> Mapping[str, Any]:
    """`videoUpscaler` by Lanczos. It says that no model was at work."""
    file = work.file(work.given["video"])
    found = _facts(work, file)
    factor = int(work.given.get("scaleFactor") or 2)
    width, height = _fitting(work, found.width * factor, found.height * factor)
    work.warn("Enlarged by Lanczos resampling: no upscaling model was at work.")
    made = _made(work, file, MP4, f"scale={width}:{height}:flags=lanczos", width, height, found)
    return {"video": made}


def interpolate(work: Work) -> Mapping[str, Any]:
    """`videoInterpolation` by FFmpeg's motion compensation. It says that no model was at work."""
    file = work.file(work.given["video"])
    found = _facts(work, file)
    factor = int(work.given.get("interpolationFactor") or 2)
    width, height = _even(found.width, found.height)
    chain = f"scale={width}:{height},{_between(work, found, factor)}"
    return {"video": _made(work, file, MP4, chain, width, height, found, fps=found.fps * factor)}


def enhance(work: Work) -> Mapping[str, Any]:
    """`videoEnhancement`: more frames, then more pixels, each where asked for."""
    file = work.file(work.given["sourceUrl"])
    found = _facts(work, file)
    upscaler, more = work.given.get("upscaler"), work.given.get("interpolation")
    width, height = _even(found.width, found.height)
    chain, fps = [f"scale={width}:{height}"], found.fps
    if more:
        factor = int(more["multiplier"])
        if not 1 <= factor <= 8:
            raise Unfit("The multiplier must be between 1 and 8.")
        chain.append(_between(work, found, factor))
        fps *= factor
    if upscaler:
        width, height = _fitting(work, int(upscaler["width"]), int(upscaler["height"]))
        chain.append(f"scale={width}:{height}:flags=lanczos")
        work.warn("Enlarged by Lanczos resampling: no upscaling model was at work.")
    return {"video": _made(work, file, MP4, ",".join(chain), width, height, found, fps=fps)}


def _between(work: Work, found: probing.Facts, factor: int) -> str:
    if not found.fps or found.fps * factor > 240:
        raise Unfit(f"The video would have {found.fps * factor:.0f} frames a second; at most 240 are made.")
    work.warn("Frames were added by FFmpeg's motion compensation: no interpolation model was at work.")
    rate = Fraction(found.fps).limit_denominator(1001) * factor
    # The filter looks ahead and would swallow the last frames: they are shown it longer, and cut off again.
    ahead = (
        f"tpad=stop_mode=clone:stop=3,minterpolate=fps={rate}:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=0"
    )
    return f"{ahead},trim=end={found.seconds:.6f}" if found.seconds else ahead


def _facts(work: Work, file: BinaryIO) -> probing.Facts:
    with probing.opened(file) as container:
        return probing.bounded(probing.facts(container), work.limits)


def _even(width: float, height: float) -> tuple[int, int]:
    """What codecs that halve colours can take."""
    return max(2, round(width / 2) * 2), max(2, round(height / 2) * 2)


def _fitting(work: Work, width: int, height: int) -> tuple[int, int]:
    if max(width, height) > work.limits.video_side or min(width, height) < 2:
        raise Unfit(
            f"The video would become {width} x {height} pixels; a side has at most {work.limits.video_side}."
        )
    return _even(width, height)


def _made(
    work: Work,
    file: BinaryIO,
    shape: Shape,
    chain: str,
    width: int,
    height: int,
    found: probing.Facts,
    *,
    fps: float | None = None,
) -> dict[str, int]:
    """Everything through the filters into the shape; video and sound in the order of time."""
    with probing.opened(file) as source, writing(work, shape) as out:
        video = source.streams.video[0]
        video.thread_type = "AUTO"
        rate = Fraction(fps or found.fps or 25).limit_denominator(1001)
        picture: Any = out.add_stream(shape.video, rate=rate, options=dict(shape.options))
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        picture.time_base = Fraction(1, 90_000)
        audio = next(iter(source.streams.audio), None)
        sound = Sound(out, shape.audio) if audio is not None else None
        filters = _Filters(video, chain, lookahead=3 if "minterpolate" in chain else 0)
        streams = [video, *([audio] if audio is not None else [])]
        for packet in source.demux(streams):
            for frame in packet.decode():
                if isinstance(frame, VideoFrame):
                    _write(out, picture, filters.push(frame))
                    if found.seconds and frame.time is not None:
                        work.tell(frame.time / found.seconds)
                elif sound is not None:
                    sound.push(frame)
        _write(out, picture, filters.end())
        out.mux(picture.encode(None))
        if sound is not None:
            sound.end()
    return work.whole(
        kind="video",
        media_type=shape.media_type,
        width=width,
        height=height,
        duration_s=found.seconds or None,
    )


def writing(work: Work, shape: Shape) -> OutputContainer:
    """The work's output file as a container of this shape."""
    options = {"movflags": "+faststart"} if shape.container == "mp4" else {}
    return av.open(work.out, "w", format=shape.container, options=options, io_open=_again(work))


def _again(work: Work) -> Any:
    """`faststart` reads what was written a second time, by a handle of its own."""

    class Reader:
        def __init__(self) -> None:
            self._at = 0

        def read(self, size: int) -> bytes:
            work.out.flush()
            data = os.pread(work.out.fileno(), size, self._at)
            self._at += len(data)
            return data

        def seek(self, offset: int, whence: int = 0) -> int:
            base = (0, self._at, os.fstat(work.out.fileno()).st_size)[whence]
            self._at = base + offset
            return self._at

        def tell(self) -> int:
            return self._at

        def close(self) -> None:
            return None

    return lambda url, flags, options: Reader()


def _write(out: OutputContainer, picture: Any, frames: Iterator[VideoFrame]) -> None:
    for frame in frames:
        # Of key frames the encoder decides itself.
        frame.pict_type = av.video.frame.PictureType.NONE
        out.mux(picture.encode(frame))


class _Filters:
    """A chain of FFmpeg's filters, made anew when the frames' shape changes."""

    def __init__(self, stream: Any, chain: str, *, lookahead: int) -> None:
        self._stream, self._chain, self._lookahead = stream, chain, lookahead
        self._last: VideoFrame | None = None
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] | None = None

    def push(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        shape = (frame.width, frame.height, frame.format.name)
        if shape != self._shape:
            if self._graph is not None:
                yield from self.end()
            self._graph, self._shape = self._built(frame), shape
        assert self._graph is not None
        self._graph.push(frame)
        if self._lookahead:
            self._last = frame
        yield from self._pulled()

    def end(self) -> Iterator[VideoFrame]:
        if self._graph is not None:
            if self._last is not None:
                self._hold(self._graph, self._last)
            self._graph.push(None)
            yield from self._pulled()

    def _hold(self, graph: Graph, last: VideoFrame) -> None:
        """A filter that looks ahead swallows the last frames; it is shown them a little longer."""
        pixels, rate = last.to_ndarray(), self._stream.average_rate
        if last.pts is None or last.time_base is None or not rate:
            return
        for number in range(1, self._lookahead + 1):
            held = VideoFrame.from_ndarray(pixels, format=last.format.name)
            held.pts, held.time_base = last.pts + round(number / rate / last.time_base), last.time_base
            graph.push(held)

    def _built(self, frame: VideoFrame) -> Graph:
        graph = Graph()
        before: Any = graph.add_buffer(
            template=self._stream, width=frame.width, height=frame.height, format=frame.format
        )
        for name, _, arguments in (part.partition("=") for part in self._chain.split(",")):
            node = graph.add(name, arguments or None)
            before.link_to(node)
            before = node
        before.link_to(graph.add("buffersink"))
        graph.configure()
        return graph

    def _pulled(self) -> Iterator[VideoFrame]:
        assert self._graph is not None
        while True:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            assert isinstance(frame, VideoFrame)
            yield frame


class Sound:
    """Sound of any kind, as 48 kHz stereo into the output's codec."""

    def __init__(self, out: OutputContainer, codec: str) -> None:
        self._out = out
        stream: Any = out.add_stream(codec, rate=AUDIO_RATE, layout="stereo")
        self._stream = stream
        size = stream.codec_context.frame_size or 960
        self._resampler = AudioResampler(
            format=stream.codec_context.format, layout="stereo", rate=AUDIO_RATE, frame_size=size
        )

    def push(self, frame: Any) -> None:
        """Encode more; None flushes what the resampler holds."""
        for sampled in self._resampler.resample(frame):
            self._out.mux(self._stream.encode(sampled))

    def end(self) -> None:
        """Encode what is left."""
        self.push(None)
        self._out.mux(self._stream.encode(None))
