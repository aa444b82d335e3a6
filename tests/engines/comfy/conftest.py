"""The comfy engine against small servers of the tests' own."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.engines.comfy.server import SmallComfy, running
from tests.engines.media.made import TestDesk, job

from civitas.contracts.wire.jobs import Job, ResourceLink, Succeeded
from civitas.engines.comfy.engine import ComfyEngine, Setup

AIRS = {
    "model": "urn:air:sd1:checkpoint:civitai:1@10",
    "lora": "urn:air:sd1:lora:civitai:2@20",
    "vae": "urn:air:sd1:vae:civitai:3@30",
    "embedding": "urn:air:sd1:embedding:civitai:4@40",
    "net": "urn:air:sd1:controlnet:civitai:5@50",
}
_FILES = {
    "model": ("Checkpoint", "dream.safetensors", []),
    "lora": ("LORA", "style.safetensors", []),
    "vae": ("VAE", "soft.pt", []),
    "embedding": ("TextualInversion", "bad hands.pt", ["bad-hands"]),
    "net": ("Controlnet", "edges.safetensors", []),
}


class ComfyDesk(TestDesk):
    """A desk with files of the catalogue, and previews counted."""

    previews: list[bytes]
    notes: list[str]

    async def resource(self, air: str) -> Path:
        path = self.folder / "cache" / digest(self.resources[air])
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(self.resources[air])
        return path

    async def preview(self, data: bytes, media_type: str = "image/jpeg") -> None:
        self.previews.append(data)

    async def progress(self, fraction: float, note: str | None = None, *, phase: str = "processing") -> None:
        self.told.append(fraction)
        self.notes.append(note or "")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest().upper()


def links(*names: str) -> list[ResourceLink]:
    return [
        ResourceLink(
            air=AIRS[name],
            url="http://nowhere",
            sha256=digest(name.encode()),
            size=len(name),
            filename=_FILES[name][1],
            type=_FILES[name][0],
            base_model="SD 1.5",
            trained_words=list(_FILES[name][2]),
        )
        for name in names
    ]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "ComfyUI" / "models"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
async def comfy(models: Path) -> AsyncIterator[SmallComfy]:
    async with running(SmallComfy(models)) as comfy:
        yield comfy


Start = Callable[..., Awaitable[ComfyEngine]]


@pytest.fixture
async def start(models: Path) -> AsyncIterator[Start]:
    """`engine = await start(comfy, ...)`: closed when the test ends."""
    async with AsyncExitStack() as stack:

        async def started(*servers: SmallComfy, **changed: Any) -> ComfyEngine:
            given: dict[str, Any] = {"models": models, "silent_s": 5.0, **changed}
            engine = ComfyEngine(Setup(servers=[server.url for server in servers], **given))
            await engine.open()
            stack.push_async_callback(engine.close)
            return engine

        yield started


def desk_of(folder: Path, *data: bytes, slots: int = 1) -> ComfyDesk:
    desk = ComfyDesk(folder, {f"media:{number}": each for number, each in enumerate(data)}, slots)
    desk.previews, desk.notes = [], []
    desk.resources = {air: name.encode() for name, air in AIRS.items()}
    return desk


def job_of(
    step_type: str, given: dict[str, Any], *data: bytes, slots: int = 1, uses: tuple[str, ...] = ()
) -> Job:
    files = {f"media:{number}": each for number, each in enumerate(data)}
    made = job(step_type, given, files, slots)
    return made.model_copy(update={"resources": links(*uses)})


Do = Callable[..., Awaitable[tuple[Succeeded, ComfyDesk]]]


@pytest.fixture
async def do(comfy: SmallComfy, start: Start, tmp_path: Path) -> Do:
    """`result, desk = await do("comfy", {...}, data, slots=12, uses=("model",))`."""
    engine = await start(comfy)

    async def done(
        step_type: str, given: dict[str, Any], *data: bytes, slots: int = 1, uses: tuple[str, ...] = ()
    ) -> tuple[Succeeded, ComfyDesk]:
        desk = desk_of(tmp_path, *data, slots=slots)
        return await engine.run(job_of(step_type, given, *data, slots=slots, uses=uses), desk), desk

    return done
