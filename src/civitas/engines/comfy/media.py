"""Media of a job among a server's inputs: each `media:N` of a graph becomes the name that the server gives it."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
from pathlib import Path
from typing import Any

from civitas.contracts.wire.jobs import MEDIA, Job
from civitas.engines.agent.engine import Desk
from civitas.engines.comfy.server import ComfyServer, Graph
from civitas.engines.media.engine import words_in


async def uploaded(graph: Graph, job: Job, desk: Desk, server: ComfyServer) -> Graph:
    """The graph with all media uploaded and named. Raises Away, JobFailed."""
    names: dict[str, str] = {}
    for word in sorted(words_in(graph)):
        path = await desk.media(word)
        number = int(word.removeprefix(MEDIA))
        media_type = job.media[number].media_type
        # The same picture is the same file there, so that the server's own cache knows it again.
        name = await asyncio.to_thread(_digest, path) + (mimetypes.guess_extension(media_type) or "")
        names[word] = await server.upload(path, name, media_type)
    return {number: {**node, "inputs": _named(node["inputs"], names)} for number, node in graph.items()}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _named(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _named(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_named(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value
