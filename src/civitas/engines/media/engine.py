"""What is offered without a model, and how a job's files go in and out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from civitas.contracts.wire.jobs import MEDIA, Job, MediaKind, Succeeded
from civitas.engines.agent.engine import Desk, JobFailed
from civitas.engines.media.pool import Pool
from civitas.engines.media.work import PIECE, Limits

STEPS: Final = (
    "convertImage",
    "imageUpscaler",
    "imageBackgroundRemoval",
    "mediaHash",
    "videoMetadata",
    "videoFrameExtraction",
    "transcode",
    "videoUpscaler",
    "videoInterpolation",
    "videoEnhancement",
    "composeMedia",
)
# Of the preprocessors those that are arithmetic on the picture; the others are models.
PREPROCESSORS: Final = (
    "binary",
    "canny",
    "color",
    "lineart-standard",
    "scribble",
    "scribble-xdog",
    "shuffle",
    "tile",
)
# Into which slot a kind of result goes where the step has one for each.
AUDIO_SLOT: Final = 1
MOST_MEDIA: Final = 32


class MediaEngine:
    """Pictures, video and sound by arithmetic. `children` processes work at most at once."""

    name = "media"

    def __init__(self, *, children: int, wall_s: float, limits: Limits | None = None) -> None:
        self._children, self._wall_s, self._limits = children, wall_s, limits
        self._pool: Pool | None = None

    async def open(self) -> None:
        """Nothing is started before the first job."""
        self._pool = Pool(self._children, wall_s=self._wall_s, limits=self._limits)

    async def close(self) -> None:
        """End the children."""
        if self._pool is not None:
            await self._pool.aclose()

    def capabilities(self) -> list[str]:
        """All steps, and the preprocessors that need no model."""
        return [*STEPS, *(f"preprocessImage/{kind}" for kind in PREPROCESSORS)]

    async def run(self, job: Job, desk: Desk) -> Succeeded:
        """Have a child do it. Raises JobFailed for unfit files, JobRejected for what needs a model."""
        assert self._pool is not None
        words = sorted(words_in(job.input))
        if len(words) > MOST_MEDIA:
            raise JobFailed(
                f"The job has {len(words)} files; at most {MOST_MEDIA} can be worked on together."
            )
        files = {word: await desk.media(word) for word in words}
        out = desk.folder / "made"
        await desk.progress(0)
        answer = await self._pool.run(
            job.step_type, job.input, files, out, slots=job.slots, tell=lambda fraction: desk.tell(fraction)
        )
        blobs = [
            await _deliver(desk, piece, _slot(job, number, piece), out)
            for number, piece in enumerate(answer["pieces"])
        ]
        return desk.done(_placed(answer["output"], blobs), warnings=answer["warnings"])


def words_in(value: Any) -> set[str]:
    """Every `media:N` in an input, however deep."""
    if isinstance(value, str):
        return {value} if value.startswith(MEDIA) and value[len(MEDIA) :].isdecimal() else set()
    if isinstance(value, Mapping):
        return set[str]().union(*map(words_in, value.values()))
    if isinstance(value, list):
        return set[str]().union(*map(words_in, value))
    return set()


def _slot(job: Job, number: int, piece: Mapping[str, Any]) -> int:
    """A composition has a slot for the video and one for the sound; everything else fills slots in order."""
    if job.step_type == "composeMedia" and piece["kind"] == MediaKind.AUDIO and job.slots > AUDIO_SLOT:
        return AUDIO_SLOT
    return number


async def _deliver(desk: Desk, piece: Mapping[str, Any], slot: int, out: Path) -> dict[str, Any]:
    size = await asyncio.to_thread(lambda: out.stat().st_size)
    what: bytes | Path = out
    if piece["offset"] or piece["size"] != size:
        what = await asyncio.to_thread(_stretch, out, piece["offset"], piece["size"])
    return await desk.deliver(
        slot,
        what,
        kind=MediaKind(piece["kind"]),
        media_type=piece["media_type"],
        width=piece["width"],
        height=piece["height"],
        duration_s=piece["duration_s"],
    )


def _stretch(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(size)


def _placed(value: Any, blobs: list[dict[str, Any]]) -> Any:
    """The output with every reference to a piece replaced by its blob."""
    if isinstance(value, dict):
        if PIECE in value:
            return blobs[value[PIECE]]
        return {name: _placed(inner, blobs) for name, inner in value.items()}
    if isinstance(value, list):
        return [_placed(inner, blobs) for inner in value]
    return value
