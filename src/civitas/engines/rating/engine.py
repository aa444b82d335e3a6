"""`mediaRating` by a detector that runs in a thread of this process, on pictures that were decoded in the sandbox before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from civitas.contracts.wire.jobs import Job, Succeeded
from civitas.engines.agent.engine import Desk, JobFailed, JobRejected
from civitas.engines.media.pool import Pool
from civitas.engines.media.work import Limits
from civitas.engines.rating.levels import Seen, labels_of, level_of

STEP: Final = "mediaRating"
# What can be asked for beside the level, and needs models of its own.
_FURTHER: Final = {
    "includeAgeClassification": "ages",
    "includeFaceRecognition": "faces",
    "includeAIRecognition": "whether it was generated",
    "includeAnimeRecognition": "whether it is drawn",
    "includeHumanRecognition": "whether there are people",
    "includeBodyAgeClassification": "ages of bodies",
}

# What is in a picture, by its path; called in a thread.
Detector = Callable[[Path], Sequence[Seen]]


def installed() -> bool:
    """Whether the extra `rating` is there."""
    return find_spec("nudenet") is not None


def nudenet() -> Detector:
    """The detector of the extra `rating`, its model loaded."""
    from nudenet import NudeDetector

    detector = NudeDetector()

    def detect(path: Path) -> Sequence[Seen]:
        return [Seen(str(one["class"]), float(one["score"])) for one in detector.detect(str(path))]

    return detect


class RatingEngine:
    """Says how mature pictures are."""

    name = "rating"

    def __init__(self, detector: Callable[[], Detector] = nudenet, *, memory: int = 4 * 2**30) -> None:
        self._make = detector
        self._limits = Limits(memory=memory)
        self._detector: Detector | None = None
        self._pool: Pool | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Load the detector."""
        self._pool = Pool(1, wall_s=60, limits=self._limits)
        self._detector = await asyncio.to_thread(self._make)

    async def close(self) -> None:
        """End the child that decodes."""
        if self._pool is not None:
            await self._pool.aclose()

    def capabilities(self) -> list[str]:
        """Rating."""
        return [STEP]

    async def run(self, job: Job, desk: Desk) -> Succeeded:
        """Rate one picture. Raises JobFailed for what is none."""
        if job.step_type != STEP:
            raise JobRejected(f"This engine does no {job.step_type:.80}.")
        assert self._detector is not None
        assert self._pool is not None
        word = job.input.get("image")
        if not isinstance(word, str) or not word:
            raise JobFailed("There is no picture to rate.")
        glance = desk.folder / "glance"
        answer = await self._pool.run("glance", {}, {word: await desk.media(word)}, glance, slots=0)
        whole, seen = await asyncio.to_thread(glance.read_bytes), list[Seen]()
        for number, piece in enumerate(answer["pieces"]):
            small = desk.folder / f"small-{number}.jpeg"
            part = whole[piece["offset"] : piece["offset"] + piece["size"]]
            await asyncio.to_thread(small.write_bytes, part)
            async with self._turn:
                seen += await asyncio.to_thread(self._detector, small)
        for field, what in _FURTHER.items():
            if job.input.get(field):
                desk.warn(f"This machine has no model that says {what}.")
        return desk.done(
            {
                "nsfwLevel": level_of(seen),
                "isBlocked": False,
                "blockedReason": None,
                "labels": labels_of(seen),
            }
        )
