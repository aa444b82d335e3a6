"""Videos and sounds of strangers: judged, and turned into a still, a short preview and a copy without origin.

FFmpeg runs only in a child of its own for each file (`moving_child.py`), without network, environment or privileges.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from civitas.infra.media.settings import MediaSettings
from civitas.kit.errors import Invalid, Unavailable

_MODULE: Final = "civitas.infra.media.moving_child"
_MAX_ANSWER: Final = 8 * 1024 * 1024
STILL: Final = "still.png"
PREVIEW: Final = "preview.mp4"
CLEAN: Final = "clean"
TYPES: Final = {
    "mp4": "video/mp4", "webm": "video/webm", "m4a": "audio/mp4", "mp3": "audio/mpeg", "flac": "audio/flac",
    "ogg": "audio/ogg", "wav": "audio/wav",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moved:
    """What is true of a video or a sound, and what was made of it in the folder that was given.

    `STILL` and `CLEAN` are there; `PREVIEW` is when `preview` has its size.
    """

    kind: Literal["video", "audio"]
    width: int
    height: int
    seconds: float
    has_sound: bool
    # What the copy without origin is, which is the stranger's own streams put together anew.
    media_type: str
    preview: tuple[int, int] | None
    # Texts that generators write: `prompt`, `workflow`, `parameters`, `comment`.
    text: dict[str, str] = field(default_factory=dict)


class Moving(Protocol):
    """Reads videos and sounds without blocking the event loop."""

    async def process(self, source: Path, out_dir: Path) -> Moved:
        """Judge the file and make what is shown of it.

        Raises Invalid (`video_not_supported`, `video_broken`, `video_too_long`, `video_too_large`, `video_too_complex`,
        `video_too_slow`), Unavailable when no child can be started.
        """
        ...


class AvMoving:
    """`Moving` by PyAV in a child process for each file; `settings.video_processes` of them at once."""

    def __init__(self, settings: MediaSettings | None = None) -> None:
        self._settings = settings or MediaSettings()
        self._slots = asyncio.Semaphore(self._settings.video_processes)

    async def process(self, source: Path, out_dir: Path) -> Moved:
        """See Moving."""
        size = (await asyncio.to_thread(source.stat)).st_size
        most = self._settings.max_post_mb * 2**20
        if size > most:
            raise Invalid(
                f"The file has {size:,} bytes; a video or sound may have {most:,} at most.",
                code="video_too_large",
            )
        async with self._slots:
            answer = await self._ask(source, out_dir)
        if (fault := answer.get("fault")) is not None:
            raise Invalid(fault[1], code=fault[0])
        said = answer["done"]
        preview = said.pop("preview")
        return Moved(**said, preview=tuple(preview) if preview else None)

    async def _ask(self, source: Path, out_dir: Path) -> dict[str, Any]:
        with contextlib.ExitStack() as stack:
            fds = await asyncio.to_thread(_opened, stack, source, out_dir)
            process = await _start(fds, self._settings)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self._settings.video_wall_seconds):
                body = await _all_of(process.stdout)
                code = await process.wait()
        except TimeoutError:
            raise Invalid(
                "Reading the video takes longer than is allowed. Make it shorter or smaller.",
                code="video_too_slow",
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        try:
            answer: dict[str, Any] = json.loads(body)
        except ValueError:
            raise _ended(code) from None
        return answer


def _opened(stack: contextlib.ExitStack, source: Path, out_dir: Path) -> list[int]:
    outs = [stack.enter_context((out_dir / name).open("w+b")) for name in (STILL, PREVIEW, CLEAN)]
    return [stack.enter_context(source.open("rb")).fileno(), *(file.fileno() for file in outs)]


async def _all_of(stream: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while len(body) < _MAX_ANSWER and (piece := await stream.read(2**16)):
        body += piece
    return bytes(body)


async def _start(fds: list[int], settings: MediaSettings) -> asyncio.subprocess.Process:
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"}
    # The child does not start where we did, so that places relative to it are told in full.
    environment |= {
        name: os.pathsep.join(map(os.path.abspath, os.environ[name].split(os.pathsep)))
        for name in ("PYTHONPATH", "LD_LIBRARY_PATH")
        if os.environ.get(name)
    }
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-s", "-m", _MODULE),
            *map(str, fds),
            settings.model_dump_json(include=LIMITS),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=fds,
            env=environment,
            cwd="/",
        )
    except OSError:
        raise Unavailable(
            "Videos cannot be read now: no decoder can be started.", code="video_unavailable"
        ) from None


LIMITS: Final = {
    "max_post_mb", "video_max_edge", "video_max_seconds", "video_memory_mb", "video_cpu_seconds",
}  # fmt: skip


def _ended(code: int) -> Exception:
    if code == -24:
        return Invalid(
            "Reading the video takes longer than is allowed. Make it shorter or smaller.",
            code="video_too_slow",
        )
    if code in (-9, -15):
        return Unavailable(
            "The video decoder was stopped from outside, perhaps because memory ran out. Try again later.",
            code="video_unavailable",
        )
    return Invalid(
        "The video cannot be read: its decoder failed on it. Export it again and send the new file.",
        code="video_broken",
    )
