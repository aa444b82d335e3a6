"""Pictures, videos and sound made fit for a server, and what it gives back measured: in the media engine's children."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civitas.contracts.wire.jobs import MEDIA
from civitas.engines.agent.engine import Desk
from civitas.engines.media.pool import Pool


@dataclass(frozen=True, slots=True)
class Measured:
    """What came from the server."""

    media_type: str
    width: int | None = None
    height: int | None = None
    seconds: float | None = None


class Eyes:
    """Looks at files in a child process; nothing of a stranger's is decoded here."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def look(self, desk: Desk, word: str) -> list[str]:
        """A picture, or some of a video, as small JPEGs in data URLs. Raises JobFailed when it is neither."""
        _, out, answer = await self._done(desk, "glance", {}, word)
        whole = await asyncio.to_thread(out.read_bytes)
        pieces = [whole[piece["offset"] : piece["offset"] + piece["size"]] for piece in answer["pieces"]]
        return ["data:image/jpeg;base64," + base64.b64encode(piece).decode() for piece in pieces]

    async def sound(self, desk: Desk, word: str) -> Path:
        """The sound of a file as MP3, which every server takes. Raises JobFailed when it has none."""
        given = {"elements": [{"url": word}], "output": {"type": "audio", "container": "mp3"}}
        _, out, _ = await self._done(desk, "composeMedia", given, word)
        return out

    async def measured(self, desk: Desk, data: bytes) -> Measured:
        """What a server gave. Raises JobFailed when it is neither picture nor sound."""
        path = desk.folder / "measured"
        await asyncio.to_thread(path.write_bytes, data)
        answer = await self._pool.run("measure", {}, {f"{MEDIA}0": path}, desk.folder / "nothing", slots=0)
        return Measured(**answer["output"])

    async def _done(
        self, desk: Desk, do: str, given: dict[str, Any], word: str
    ) -> tuple[Path, Path, dict[str, Any]]:
        source = await desk.media(word)
        out = desk.folder / f"{do}-{word.removeprefix(MEDIA)}"
        return source, out, await self._pool.run(do, given, {word: source}, out, slots=0)
