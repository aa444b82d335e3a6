"""One piece of work in a child: what it got, and where what it makes goes."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO, Final

# Where an output refers to something made; the engine puts the slot of the blob in its place.
PIECE: Final = "$piece"


class Unfit(Exception):
    """What was sent cannot be worked on; one sentence for the person who sent it."""


class NotOurs(Exception):
    """This is beyond what can be done without a model; another agent may have one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may take."""

    # Pixels of one picture, and of all pictures of an animation together.
    pixels: int = 100_000_000
    animated_pixels: int = 1_000_000_000
    # The longest side of a picture or video that is made.
    side: int = 16_384
    video_side: int = 4_096
    # The longest composition, in seconds.
    composed_s: float = 3_600.0
    memory: int = 4 * 1024**3
    file_bytes: int = 8 * 1024**3


@dataclass(frozen=True, slots=True)
class Piece:
    """Something made: a stretch of the output file, and what it is."""

    offset: int
    size: int
    kind: str
    media_type: str
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None


@dataclass
class Work:
    """A request: `given` is the job's input, in which `media:N` stands for the Nth of `files`."""

    given: Mapping[str, Any]
    files: Mapping[str, BinaryIO]
    out: BinaryIO
    slots: int
    limits: Limits
    tell: Callable[[float], None]
    pieces: list[Piece] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def file(self, word: object) -> BinaryIO:
        """The file that a word such as `media:0` stands for. Raises Unfit when there is none."""
        file = self.files.get(word) if isinstance(word, str) else None
        if file is None:
            raise Unfit("The job does not come with the file that it names.")
        file.seek(0)
        return file

    def add(
        self,
        data: bytes,
        *,
        kind: str,
        media_type: str,
        width: int | None = None,
        height: int | None = None,
        duration_s: float | None = None,
    ) -> dict[str, int]:
        """Append something made; how the output refers to it."""
        offset = self.out.seek(0, io.SEEK_END)
        self.out.write(data)
        self.out.flush()
        return self._piece(Piece(offset, len(data), kind, media_type, width, height, duration_s))

    def whole(
        self,
        *,
        kind: str,
        media_type: str,
        width: int | None = None,
        height: int | None = None,
        duration_s: float | None = None,
    ) -> dict[str, int]:
        """Everything that was written to `out` is one thing; how the output refers to it."""
        self.out.flush()
        size = os.fstat(self.out.fileno()).st_size
        return self._piece(Piece(0, size, kind, media_type, width, height, duration_s))

    def _piece(self, piece: Piece) -> dict[str, int]:
        self.pieces.append(piece)
        return {PIECE: len(self.pieces) - 1}

    def warn(self, sentence: str) -> None:
        """Note what was not done quite as asked."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def answer(self, output: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to the agent, JSON-ready."""
        return {
            "output": output,
            "pieces": [asdict(piece) for piece in self.pieces],
            "warnings": self.warnings,
        }
