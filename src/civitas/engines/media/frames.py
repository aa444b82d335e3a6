"""Pictures out of a video: those that differ from one another."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from civitas.engines.media import hashing, probing, reading
from civitas.engines.media.work import Limits, Unfit, Work

MOST_FRAMES: Final = 1_000
# What a model that looks at pictures is shown.
GLANCE_SIDE: Final = 1_024
GLANCES: Final = 4


def extract(work: Work) -> Mapping[str, Any]:
    """`videoFrameExtraction`: at `frameRate` a second, without those that look like one that is there already."""
    given = work.given
    rate = float(given.get("frameRate") or 1.0)
    threshold = float(given.get("uniqueThreshold", 0.9))
    most = min(work.slots or MOST_FRAMES, int(given.get("maxFrames") or MOST_FRAMES))
    if rate <= 0:
        raise Unfit("frameRate must be above 0.")
    kept: list[NDArray[np.uint8]] = []
    made: list[dict[str, int]] = []
    start = max(0.0, float(given.get("startTime") or 0.0))
    for image, fraction in _sampled(work.file(given["videoUrl"]), start, 1 / rate, work.limits):
        work.tell(fraction)
        look = hashing.small(image)
        if any(hashing.likeness(look, other) > threshold for other in kept):
            continue
        if len(made) == most:
            work.warn(f"Only the first {most} different frames were taken.")
            break
        kept.append(look)
        made.append(_added(work, image))
    return {"frames": made, "totalFramesExtracted": len(made)}


def _added(work: Work, image: Image.Image) -> dict[str, int]:
    return work.add(
        _jpeg(image, 92), kind="image", media_type="image/jpeg", width=image.width, height=image.height
    )


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.convert("RGB").save(out, "JPEG", quality=quality)
    return out.getvalue()


def _sampled(
    file: BinaryIO, start: float, every: float, limits: Limits
) -> Iterator[tuple[Image.Image, float]]:
    """The picture shown at `start`, `start + every`, ..., and how far into the video it is."""
    with probing.opened(file) as container:
        found = probing.bounded(probing.facts(container), limits)
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        if start:
            if found.seconds and start >= found.seconds:
                raise Unfit(f"startTime is behind the end of the video ({found.seconds:.1f} s).")
            container.seek(int(start * 1_000_000), backward=True)
        due, origin = start, float((stream.start_time or 0) * (stream.time_base or 0))
        for frame in container.decode(stream):
            at = (frame.time or 0.0) - origin
            if at + 1e-6 < due:
                continue
            yield probing.picture(frame), min(1.0, at / found.seconds) if found.seconds else 0.5
            due += every * (1 + int((at - due) / every))


def glance(work: Work) -> Mapping[str, Any]:
    """A picture, or a few of a video, small and as JPEG."""
    file = work.file(next(iter(work.files)))
    try:
        images = [reading.flattened(reading.still(reading.opened(file, work.limits)))]
    except UnidentifiedImageError:
        with probing.opened(file) as container:
            seconds = probing.facts(container).seconds
        every = max(seconds / GLANCES, 0.04)
        images = [image for image, _ in zip_first(_sampled(file, 0.0, every, work.limits), GLANCES)]
    for image in images:
        image.thumbnail((GLANCE_SIDE, GLANCE_SIDE), Image.Resampling.LANCZOS)
    return {"frames": [_added(work, image) for image in images]}


def zip_first(items: Iterator[tuple[Image.Image, float]], most: int) -> Iterator[tuple[Image.Image, float]]:
    """The first `most`, and the iterator closed after them."""
    try:
        for _ in range(most):
            try:
                yield next(items)
            except StopIteration:
                return
    finally:
        items.close()  # type: ignore[attr-defined]
