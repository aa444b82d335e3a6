"""Short looping copies of pictures that move. Runs only inside the sandbox; see `sandbox.py`.

Frames are taken from the beginning, upright and in sRGB, as many as length, rate, pixels and time allow; a file that
breaks off in the middle gives what came before. Copies are WebP, for it keeps transparency and every browser plays it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count, pairwise
from pathlib import Path
from typing import Final

from PIL import Image

from civitas.infra.imaging import pictures
from civitas.infra.imaging.settings import ImagingSettings

FORMATS: Final = frozenset({"gif", "webp", "avif"})
# Browsers play what asks for less than this at this pace (milliseconds).
_USUAL_MS: Final = 100
_LEAST_MS: Final = 20
_QUALITY: Final = 70
_EFFORT: Final = 2


@dataclass(frozen=True, slots=True)
class Wish:
    """A copy to be made: its width, how long it is at most, and how many frames a second."""

    width: int
    seconds: float
    rate: int


# For lists, and for the picture's own page.
WISHES: Final = (Wish(450, 4.0, 12), Wish(960, 15.0, 20))


@dataclass(slots=True)
class _Copy:
    wish: Wish
    size: tuple[int, int]
    most: int
    frames: list[Image.Image] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    full: bool = False

    def take(self, at_ms: int, frame: Callable[[tuple[int, int]], Image.Image]) -> None:
        """Keep the frame when its turn has come and there is room."""
        if at_ms >= self.wish.seconds * 1000 or len(self.frames) >= self.most:
            self.full = True
        elif not self.starts or at_ms - self.starts[-1] >= 1000 / self.wish.rate - 1:
            self.frames.append(frame(self.size))
            self.starts.append(at_ms)


def encode(
    data: bytes, format: str, out_dir: Path, orientation: int, limits: ImagingSettings
) -> list[tuple[int, int, int]]:
    """Write `<width>.anim.webp.part` for lists and for the page: (width, height, bytes) of each.

    Nothing when fewer than two frames can be read within `limits.moving_cpu_seconds`.
    """
    copies: list[_Copy] = []
    end = 0
    ends_at = time.process_time() + limits.moving_cpu_seconds
    with Image.open(BytesIO(data), formats=(format.upper(),)) as image:
        for at_ms, shown_ms in _played(image):
            if not copies:
                copies = _copies(image.size, orientation, limits)
            for copy in copies:
                copy.take(at_ms, lambda size: _frame(image, size, orientation))
            end = at_ms + shown_ms
            if all(copy.full for copy in copies) or time.process_time() > ends_at:
                break
    # What is no wider than the copy for lists needs one copy only, the longer.
    wanted = {copy.size[0]: copy for copy in copies if len(copy.frames) >= 2}
    return [(*copy.size, _write(copy, end, out_dir)) for copy in wanted.values()]


def _copies(size: tuple[int, int], orientation: int, limits: ImagingSettings) -> list[_Copy]:
    across, down = size[::-1] if orientation >= 5 else size
    copies = []
    for wish in WISHES:
        wide = min(wish.width, across)
        high = max(1, round(down * wide / across))
        copies.append(_Copy(wish, (wide, high), limits.moving_pixels // (wide * high)))
    return copies


def _played(image: Image.Image) -> Iterator[tuple[int, int]]:
    """Each frame in turn, loaded: when it begins and how long it is shown, in milliseconds."""
    at_ms = 0
    # Not `n_frames`: counting walks to the end of the file, and fails where that is missing.
    for number in count():
        try:
            image.seek(number)
            image.load()
        except pictures.DECODING_ERRORS:
            return
        told = image.info.get("duration", 0)
        shown_ms = round(told) if isinstance(told, int | float) and told > 10 else _USUAL_MS
        yield at_ms, max(_LEAST_MS, min(shown_ms, 60_000))
        at_ms += shown_ms


def _frame(image: Image.Image, size: tuple[int, int], orientation: int) -> Image.Image:
    return pictures.upright(image, size[::-1] if orientation >= 5 else size, orientation)


def _write(copy: _Copy, end_ms: int, out_dir: Path) -> int:
    end = min(end_ms, round(copy.wish.seconds * 1000))
    starts = [*copy.starts, max(end, copy.starts[-1] + _LEAST_MS)]
    path = out_dir / f"{copy.size[0]}.anim.webp.part"
    clear = any(frame.mode == "RGBA" for frame in copy.frames)
    # The encoder loses transparency when a lossy frame tells only what changed, so each is whole then.
    whole = {"kmin": 0, "kmax": 1} if clear else {}
    first, *others = [frame.convert("RGBA" if clear else "RGB") for frame in copy.frames]
    with path.open("wb") as file:
        first.save(
            file, "WEBP", save_all=True, append_images=others, loop=0, quality=_QUALITY, method=_EFFORT, **whole,
            duration=[later - earlier for earlier, later in pairwise(starts)],
        )  # fmt: skip
    return path.stat().st_size
