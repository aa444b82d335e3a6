"""A composition planned: when every element begins, how large the canvas is, what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from civitas.engines.media import probing
from civitas.engines.media.work import Limits, Unfit, Work

MOST_ELEMENTS: Final = 32
SOUND_CONTAINERS: Final = ("mp3", "ogg", "mp4", "webm")
VIDEO_CONTAINERS: Final = ("mp4", "webm", "webp")


@dataclass(frozen=True, slots=True)
class Clip:
    """One element on the timeline."""

    file: BinaryIO
    facts: probing.Facts
    start: float
    seconds: float
    layout: Mapping[str, Any] | None
    transformers: Sequence[Mapping[str, Any]]

    @property
    def end(self) -> float:
        """When it is over."""
        return self.start + self.seconds


@dataclass(frozen=True, slots=True)
class Canvas:
    """What is drawn on; `background` is RGBA."""

    width: int
    height: int
    fps: int
    background: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is known before the first frame."""

    clips: list[Clip]
    container: str
    # None when only sound comes out.
    canvas: Canvas | None
    seconds: float
    normalize: bool


def planned(work: Work) -> Plan:
    """Measure the elements and lay them out. Raises Unfit for what cannot be composed."""
    given = work.given
    elements = given["elements"]
    if not 1 <= len(elements) <= MOST_ELEMENTS:
        raise Unfit(f"A composition has 1 to {MOST_ELEMENTS} elements.")
    clips = _laid(work, elements)
    seconds = max(clip.end for clip in clips)
    if seconds > work.limits.composed_s:
        raise Unfit(
            f"The composition would be {seconds:.0f} s long; at most {work.limits.composed_s:.0f} s are made."
        )
    spec = given.get("output") or {}
    kind = spec.get("type")
    if kind is None:
        drawn = any(clip.facts.has_video for clip in clips) or given.get("canvas")
        kind = "video" if drawn else "audio"
    canvas = _canvas(given.get("canvas"), clips, work.limits) if kind == "video" else None
    container = _container(str(spec.get("container") or "auto").lower(), canvas)
    if canvas is not None and canvas.background[3] < 255 and container != "webp":
        raise Unfit("Only the container webp knows transparency.")
    return Plan(clips, container, canvas, seconds, bool(given.get("normalize")))


def _laid(work: Work, elements: Sequence[Mapping[str, Any]]) -> list[Clip]:
    clips, end = [], 0.0
    for element in elements:
        file = work.file(element.get("url"))
        with probing.opened(file) as container:
            found = probing.facts(container)
            seconds = found.seconds or probing.counted(container)
        if found.has_video:
            probing.bounded(found, work.limits)
        if seconds <= 0:
            raise Unfit("An element has no duration.")
        if element.get("at") is not None:
            start = max(0.0, float(element["at"]))
        else:
            start = max(0.0, end + float(element.get("offset") or 0.0))
            end = start + seconds
        clips.append(
            Clip(file, found, start, seconds, element.get("layout"), element.get("transformers") or [])
        )
    return clips


def _canvas(given: Mapping[str, Any] | None, clips: Sequence[Clip], limits: Limits) -> Canvas:
    """As given, else the largest video at the highest frame rate."""
    videos = [clip.facts for clip in clips if clip.facts.has_video]
    if given:
        width, height = int(given["width"]), int(given["height"])
        fps, background = int(given.get("fps") or 30), str(given.get("background") or "#000000")
    elif videos:
        largest = max(videos, key=lambda found: found.width * found.height)
        width, height = largest.width, largest.height
        fps, background = round(max(found.fps for found in videos)) or 30, "#000000"
    else:
        raise Unfit("A video of sound alone needs a canvas.")
    if not (2 <= width <= limits.video_side and 2 <= height <= limits.video_side and 1 <= fps <= 120):
        raise Unfit(f"A canvas has sides of 2 to {limits.video_side} pixels and 1 to 120 frames a second.")
    return Canvas(width, height, fps, _colour(background))


def _colour(text: str) -> tuple[int, int, int, int]:
    digits = text.removeprefix("#")
    try:
        red, green, blue, alpha = bytes.fromhex(digits + "ff" if len(digits) == 6 else digits)
    except ValueError:
        raise Unfit("The background is a colour such as #1a2b3c or #1a2b3c80.") from None
    return red, green, blue, alpha


def _container(wanted: str, canvas: Canvas | None) -> str:
    known = SOUND_CONTAINERS if canvas is None else VIDEO_CONTAINERS
    if wanted == "auto":
        return known[0]
    if wanted not in known:
        what = "sound" if canvas is None else "video"
        raise Unfit(f"{what.capitalize()} does not go into {wanted!r:.20}; there are {', '.join(known)}.")
    return wanted
