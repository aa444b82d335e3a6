"""Several videos and sounds as one: drawn on a canvas, mixed, faded, in the order of time."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from fractions import Fraction
from typing import Any, Final

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from civitas.engines.media import cutting, probing
from civitas.engines.media.moving import AUDIO_RATE, MP4, WEBM, Shape, Sound, writing
from civitas.engines.media.timeline import Canvas, Clip, Plan, planned
from civitas.engines.media.work import Limits, Unfit, Work

Pixels = NDArray[np.uint8]
Samples = NDArray[np.float32]

_SOUNDS: Final = {
    "mp3": Shape("mp3", "audio/mpeg", "", "libmp3lame", {}),
    "ogg": Shape("ogg", "audio/ogg", "", "libopus", {}),
    "mp4": Shape("mp4", "audio/mp4", "", "aac", {}),
    "webm": Shape("webm", "audio/webm", "", "libopus", {}),
}
_VIDEOS: Final = {"mp4": MP4, "webm": WEBM}
_BLOCK: Final = AUDIO_RATE // 10


def compose(work: Work) -> Mapping[str, Any]:
    """`composeMedia`: plan, then draw and mix."""
    plan = planned(work)
    if plan.canvas is None:
        made: dict[str, Any] = {"type": "audio", "audioBlob": _sound(work, plan)}
    elif plan.container == "webp":
        made = {"type": "video", "videoBlob": _animation(work, plan, plan.canvas)}
    else:
        made = {"type": "video", "videoBlob": _video(work, plan, plan.canvas)}
    timing = [
        {"startSeconds": round(clip.start, 6), "duration": round(clip.seconds, 6)} for clip in plan.clips
    ]
    return {**made, "elements": timing}


def _sound(work: Work, plan: Plan) -> dict[str, int]:
    shape = _SOUNDS[plan.container]
    with ExitStack() as stack:
        mixer = _Mixer(stack, plan)
        out = stack.enter_context(writing(work, shape))
        sound = Sound(out, shape.audio)
        total = round(plan.seconds * AUDIO_RATE)
        for at in range(0, total, _BLOCK):
            sound.push(_frame(mixer.take(min(_BLOCK, total - at)), at))
            work.tell(at / total)
        sound.end()
    return work.whole(kind="audio", media_type=shape.media_type, duration_s=plan.seconds)


def _video(work: Work, plan: Plan, canvas: Canvas) -> dict[str, int]:
    shape = _VIDEOS[plan.container]
    with ExitStack() as stack:
        mixer, painter = _Mixer(stack, plan), _Painter(stack, plan, canvas, work.limits)
        out = stack.enter_context(writing(work, shape))
        stream: Any = out.add_stream(shape.video, rate=canvas.fps, options=dict(shape.options))
        stream.width, stream.height, stream.pix_fmt = canvas.width & ~1, canvas.height & ~1, "yuv420p"
        sound = Sound(out, shape.audio) if mixer.heard else None
        heard = 0
        for number, picture in enumerate(painter.pictures()):
            # The width and height of the codec are even; a last odd row or column is left off.
            opaque = np.ascontiguousarray(picture[: stream.height, : stream.width, :3])
            frame = VideoFrame.from_ndarray(opaque, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, canvas.fps)
            out.mux(stream.encode(frame))
            due = min(round((number + 1) / canvas.fps * AUDIO_RATE), round(plan.seconds * AUDIO_RATE))
            if sound is not None and due > heard:
                sound.push(_frame(mixer.take(due - heard), heard))
                heard = due
            work.tell(number / (plan.seconds * canvas.fps))
        out.mux(stream.encode(None))
        if sound is not None:
            sound.end()
    return work.whole(
        kind="video",
        media_type=shape.media_type,
        width=canvas.width & ~1,
        height=canvas.height & ~1,
        duration_s=plan.seconds,
    )


def _animation(work: Work, plan: Plan, canvas: Canvas) -> dict[str, int]:
    """An endless WebP, with transparency and without sound."""
    count = round(plan.seconds * canvas.fps)
    if count * canvas.width * canvas.height > work.limits.animated_pixels // 4:
        raise Unfit("The animation has too many pixels in all; make it smaller, shorter or slower.")
    with ExitStack() as stack:
        frames = []
        for picture in _Painter(stack, plan, canvas, work.limits).pictures():
            frames.append(Image.fromarray(picture))
            work.tell(0.8 * len(frames) / max(1, count))
        if any(clip.facts.has_audio for clip in plan.clips):
            work.warn("An animated WebP has no sound.")
        out = io.BytesIO()
        ends = [round(1000 * (number + 1) / canvas.fps) for number in range(len(frames))]
        shown = [end - before for before, end in zip([0, *ends], ends, strict=False)]
        frames[0].save(
            out,
            "WEBP",
            save_all=True,
            append_images=frames[1:],
            duration=shown,
            loop=0,
            quality=85,
            method=3,
        )
    return work.add(
        out.getvalue(),
        kind="video",
        media_type="image/webp",
        width=canvas.width,
        height=canvas.height,
        duration_s=plan.seconds,
    )


def _frame(samples: Samples, at: int) -> AudioFrame:
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE, at, Fraction(1, AUDIO_RATE)
    return frame


def fade(clip: Clip, at: NDArray[np.float64] | float) -> Any:
    """How much of the clip is there at moments counted from its start: 1, less while it fades."""
    gain: Any = np.ones_like(at, dtype=np.float64)
    for step in clip.transformers:
        seconds = max(float(step.get("durationMs") or 0), 0.0) / 1000
        if step["type"] == "fadeIn" and seconds:
            gain = gain * np.clip(np.asarray(at) / seconds, 0, 1)
        elif step["type"] == "fadeOut" and seconds:
            gain = gain * np.clip((clip.seconds - np.asarray(at)) / seconds, 0, 1)
    return gain


class _Mixer:
    """The sound of all clips, block after block."""

    def __init__(self, stack: ExitStack, plan: Plan) -> None:
        self._voices = [_Voice(stack, clip) for clip in plan.clips if clip.facts.has_audio]
        self._normalize, self._at = plan.normalize, 0

    @property
    def heard(self) -> bool:
        """Whether there is any sound."""
        return bool(self._voices)

    def take(self, count: int) -> Samples:
        """The next samples of both channels, within -1 to 1."""
        mixed = np.zeros((2, count), dtype=np.float32)
        voices = np.zeros(count, dtype=np.float32)
        for voice in self._voices:
            voice.add(mixed, voices, self._at)
        if self._normalize:
            mixed /= np.maximum(voices, 1)
        self._at += count
        return np.clip(mixed, -1, 1)


class _Voice:
    def __init__(self, stack: ExitStack, clip: Clip) -> None:
        self._clip = clip
        self._first = round(clip.start * AUDIO_RATE)
        self._last = round(clip.end * AUDIO_RATE)
        decibels = sum(float(step["db"]) for step in clip.transformers if step["type"] == "volume")
        self._gain = 10 ** (min(decibels, 60.0) / 20)
        self._pieces = self._decoded(stack)
        self._left: Samples = np.zeros((2, 0), dtype=np.float32)

    def add(self, mixed: Samples, voices: Samples, at: int) -> None:
        """Add what is heard of this clip in the block that begins at sample `at`."""
        begin, end = max(at, self._first), min(at + mixed.shape[1], self._last)
        if begin >= end:
            return
        samples = self._take(end - begin)
        moments = (np.arange(begin, end) - self._first) / AUDIO_RATE
        inside = slice(begin - at, end - at)
        mixed[:, inside] += samples * (self._gain * fade(self._clip, moments)).astype(np.float32)
        voices[inside] += 1

    def _take(self, count: int) -> Samples:
        while self._left.shape[1] < count:
            piece = next(self._pieces, None)
            if piece is None:
                missing = count - self._left.shape[1]
                self._left = np.pad(self._left, ((0, 0), (0, missing)))
                break
            self._left = np.concatenate([self._left, piece], axis=1)
        taken, self._left = self._left[:, :count], self._left[:, count:]
        return taken

    def _decoded(self, stack: ExitStack) -> Iterator[Samples]:
        container = stack.enter_context(probing.reopened(self._clip.file))
        resampler = AudioResampler(format="fltp", layout="stereo", rate=AUDIO_RATE)
        for frame in container.decode(audio=0):
            assert isinstance(frame, AudioFrame)
            for sampled in resampler.resample(frame):
                yield np.asarray(sampled.to_ndarray(), dtype=np.float32)
        for sampled in resampler.resample(None):
            yield np.asarray(sampled.to_ndarray(), dtype=np.float32)


class _Painter:
    """The pictures of the composition, one after another."""

    def __init__(self, stack: ExitStack, plan: Plan, canvas: Canvas, limits: Limits) -> None:
        self._canvas, self._seconds = canvas, plan.seconds
        layers = [_Layer(stack, clip, canvas, limits) for clip in plan.clips if clip.facts.has_video]
        self._layers = sorted(layers, key=lambda layer: layer.order)

    def pictures(self) -> Iterator[Pixels]:
        """Every frame of the canvas as RGBA."""
        canvas = self._canvas
        ground = np.empty((canvas.height, canvas.width, 4), dtype=np.uint8)
        ground[:] = canvas.background
        for number in range(max(1, round(self._seconds * canvas.fps))):
            picture = ground.copy()
            for layer in self._layers:
                layer.paint(picture, number / canvas.fps)
            yield picture


class _Layer:
    """One video on the canvas."""

    def __init__(self, stack: ExitStack, clip: Clip, canvas: Canvas, limits: Limits) -> None:
        self._clip = clip
        layout = clip.layout or {}
        self.order = int(layout.get("zOrder") or 0)
        self._size, self._crop = _fitted(clip, canvas, layout, limits)
        width, height = self._crop
        if clip.layout is None:
            self._x, self._y = (canvas.width - width) // 2, (canvas.height - height) // 2
        else:
            self._x, self._y = int(layout.get("x") or 0), int(layout.get("y") or 0)
        self._cut = next((step for step in clip.transformers if step["type"] == "backgroundRemoval"), None)
        self._frames = self._decoded(stack)
        self._shown: Pixels | None = None
        self._next: tuple[float, VideoFrame] | None = None
        self._reformatter = VideoReformatter()

    def paint(self, picture: Pixels, at: float) -> None:
        """Draw what is seen of this video at a moment."""
        moment = at - self._clip.start
        if not -1e-9 <= moment < self._clip.seconds:
            return
        self._forward(moment)
        if self._shown is None:
            return
        height, width = picture.shape[:2]
        top, left = max(0, self._y), max(0, self._x)
        bottom = min(height, self._y + self._shown.shape[0])
        right = min(width, self._x + self._shown.shape[1])
        if top >= bottom or left >= right:
            return
        seen = self._shown[top - self._y : bottom - self._y, left - self._x : right - self._x]
        gain = float(fade(self._clip, moment))
        _over(picture[top:bottom, left:right], seen, gain)

    def _forward(self, moment: float) -> None:
        """Decode up to the frame that is shown at a moment; those in between are never converted."""
        newest: VideoFrame | None = None
        while True:
            if self._next is None:
                self._next = next(self._frames, None)
            some = self._shown is not None or newest is not None
            # The first one is shown early rather than nothing.
            if self._next is None or (some and self._next[0] > moment + 1e-6):
                break
            newest, self._next = self._next[1], None
        if newest is not None:
            self._shown = self._converted(newest)

    def _converted(self, frame: VideoFrame) -> Pixels:
        width, height = self._size
        small = self._reformatter.reformat(
            frame, width=width, height=height, format="rgba", interpolation=Interpolation.BICUBIC
        )
        pixels: Pixels = np.asarray(small.to_ndarray(), dtype=np.uint8)
        across, down = self._crop
        left, top = (width - across) // 2, (height - down) // 2
        pixels = pixels[top : top + down, left : left + across]
        if self._cut is not None:
            pixels = cutting.without_background(
                pixels,
                shadows=str(self._cut.get("shadowRemoval") or "off"),
                from_centre=bool(self._cut.get("fromCenter")),
            )
        return pixels

    def _decoded(self, stack: ExitStack) -> Iterator[tuple[float, VideoFrame]]:
        container = stack.enter_context(probing.reopened(self._clip.file))
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        origin = float((stream.start_time or 0) * (stream.time_base or 0))
        for frame in container.decode(stream):
            yield (frame.time or 0.0) - origin, frame


def _fitted(
    clip: Clip, canvas: Canvas, layout: Mapping[str, Any], limits: Limits
) -> tuple[tuple[int, int], tuple[int, int]]:
    """The size to scale to, and the size that is left of it after cropping from all sides alike."""
    fit, scale = layout.get("fit") or "contain", float(layout.get("scale") or 1.0)
    across, down = canvas.width / clip.facts.width, canvas.height / clip.facts.height
    if fit == "stretch":
        x, y = across, down
    else:
        x = y = max(across, down) if fit == "cover" else min(across, down)
    size = (max(1, round(clip.facts.width * x * scale)), max(1, round(clip.facts.height * y * scale)))
    if max(size) > limits.video_side * 2:
        raise Unfit("An element would be too large; choose a smaller scale.")
    if fit != "cover":
        return size, size
    return size, (
        min(size[0], max(1, round(canvas.width * scale))),
        min(size[1], max(1, round(canvas.height * scale))),
    )


def _over(ground: Pixels, seen: Pixels, gain: float) -> None:
    """Draw RGBA over RGBA, in place; `gain` below 1 darkens towards black."""
    if gain >= 1 and bool((seen[..., 3] == 255).all()):
        ground[:] = seen
        return
    alpha = seen[..., 3:].astype(np.float32) / 255
    under = ground[..., 3:].astype(np.float32) / 255 * (1 - alpha)
    total = alpha + under
    colour = seen[..., :3].astype(np.float32) * gain * alpha + ground[..., :3].astype(np.float32) * under
    ground[..., :3] = (colour / np.maximum(total, 1e-6) + 0.5).astype(np.uint8)
    ground[..., 3:] = (total * 255 + 0.5).astype(np.uint8)
