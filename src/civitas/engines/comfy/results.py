"""What a prompt made: fetched from the server, measured in a child process, delivered into the job's slots."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from civitas.contracts.wire.graph_slots import GRAPH_SLOTS
from civitas.contracts.wire.jobs import MEDIA, Job, MediaKind
from civitas.engines.agent.engine import Desk, JobFailed
from civitas.engines.comfy.server import ComfyServer
from civitas.engines.media.pool import Pool

File = Mapping[str, Any]
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_TEXTS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})
QUALITY: Final = 92


def files_in(outputs: Mapping[str, Any], nodes: Sequence[str], kind: str) -> Iterator[File]:
    """The files of these nodes, in their order; `kind` is `output` for what was saved, `temp` for what was shown."""
    for node in nodes:
        made = outputs.get(node)
        for files in made.values() if isinstance(made, Mapping) else ():
            for file in files if isinstance(files, list) else ():
                if isinstance(file, Mapping) and file.get("filename") and file.get("type") == kind:
                    yield file


class Results:
    """Where what a job made goes."""

    def __init__(self, job: Job, desk: Desk, server: ComfyServer, pool: Pool) -> None:
        self._job, self._desk, self._server, self._pool = job, desk, server, pool
        self._free = {
            kind: [slot for slot, of in enumerate(GRAPH_SLOTS.get(job.step_type, ())) if of is kind]
            for kind in MediaKind
        }
        self._fetched = 0

    async def picture(self, slot: int, file: File, format: str, text: str) -> dict[str, Any]:
        """Deliver a picture in this format with this recipe inside. Raises JobFailed, Away."""
        path = await self._fetch(file)
        data = await asyncio.to_thread(path.read_bytes)
        data = with_recipe(data, text)
        if format != "png":
            data = await self._converted(data, format)
        await asyncio.to_thread(path.write_bytes, data)
        facts = await self._measured(path)
        return await self._deliver(slot, path, facts)

    async def anything(self, file: File) -> dict[str, Any] | None:
        """Deliver into the next free slot of its kind; None, with a warning, when there is none. Raises Away, JobFailed."""
        path = await self._fetch(file)
        name = str(file["filename"])[:80]
        try:
            facts = await self._measured(path)
        except JobFailed:
            self._desk.warn(f"{name} was left out: it is neither picture, video nor sound.")
            return None
        kind = MediaKind(str(facts["media_type"]).partition("/")[0])
        slots = [slot for slot in self._free[kind] if slot < self._job.slots]
        if not slots:
            self._desk.warn(f"{name} was left out: the graph made more than the job has room for.")
            return None
        self._free[kind].remove(slots[0])
        return await self._deliver(slots[0], path, facts)

    async def _fetch(self, file: File) -> Path:
        self._fetched += 1
        path = self._desk.folder / f"out-{self._fetched}"
        await self._server.view(file, path, self._job.most_bytes)
        return path

    async def _measured(self, path: Path) -> dict[str, Any]:
        answer = await self._pool.run(
            "measure", {}, {f"{MEDIA}0": path}, self._desk.folder / "nothing", slots=0
        )
        return dict(answer["output"])

    async def _converted(self, data: bytes, format: str) -> bytes:
        before, after = self._desk.folder / "before.png", self._desk.folder / "after"
        await asyncio.to_thread(before.write_bytes, data)
        given = {"image": f"{MEDIA}0", "output": {"format": format, "quality": QUALITY}}
        answer = await self._pool.run("convertImage", given, {f"{MEDIA}0": before}, after, slots=1)
        piece = answer["pieces"][0]
        whole = await asyncio.to_thread(after.read_bytes)
        return whole[piece["offset"] : piece["offset"] + piece["size"]]

    async def _deliver(self, slot: int, path: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
        media_type = str(facts["media_type"])
        return await self._desk.deliver(
            slot,
            path,
            kind=MediaKind(media_type.partition("/")[0]),
            media_type=media_type,
            width=facts.get("width"),
            height=facts.get("height"),
            duration_s=facts.get("seconds"),
        )


def with_recipe(png: bytes, text: str) -> bytes:
    """The same PNG with this as its `parameters`, instead of what the server wrote: the names of files on its disk.

    Raises JobFailed when it is no whole PNG.
    """
    if not png.startswith(_PNG):
        raise JobFailed("ComfyUI's saving node did not write a PNG.", transient=True)
    out, at = bytearray(_PNG), len(_PNG)
    while at + 12 <= len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        kind, end = png[at + 4 : at + 8], at + 12 + size
        if end > len(png):
            break
        if kind not in _TEXTS:
            out += png[at:end]
        if kind == b"IHDR":
            out += _chunk(b"iTXt", b"parameters\0\0\0\0\0" + text.encode())
        if kind == b"IEND":
            return bytes(out)
        at = end
    raise JobFailed("The picture from ComfyUI is cut off.", transient=True)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
