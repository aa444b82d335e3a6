"""Model files where ComfyUI finds them: a folder `civitas` below each folder of its models.

Links cost nothing and end with the file in the agent's cache; copies are for servers that do not see that cache, and the
least recently used go when they are more than is allowed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from civitas.contracts.wire.jobs import ResourceLink
from civitas.engines.agent.engine import JobFailed, JobRejected

OURS: Final = "civitas"
# ComfyUI's folder for each type of the catalogue.
FOLDERS: Final[Mapping[str, str]] = {
    "Checkpoint": "checkpoints",
    "LORA": "loras",
    "LoCon": "loras",
    "DoRA": "loras",
    "VAE": "vae",
    "TextualInversion": "embeddings",
    "Controlnet": "controlnet",
    "Upscaler": "upscale_models",
    "Hypernetwork": "hypernetworks",
    "UNet": "diffusion_models",
    "TextEncoder": "text_encoders",
    "CLIP": "text_encoders",
    "CLIPVision": "clip_vision",
}
_ENDINGS: Final = frozenset({".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf"})


@dataclass(frozen=True, slots=True)
class Placed:
    """A file of the catalogue as ComfyUI's nodes name it."""

    name: str
    link: ResourceLink

    @property
    def word(self) -> str:
        """How a prompt names it when it is an embedding."""
        return "embedding:" + self.name.rpartition(".")[0]


class ModelFolder:
    """The models folder of the servers; `None` when the operator did not say where it is."""

    def __init__(self, folder: Path | None, *, copies: bool, most_bytes: int) -> None:
        self._folder, self._copies, self._most = folder, copies, most_bytes
        self._held: Counter[Path] = Counter()
        self._lock = asyncio.Lock()

    @property
    def there(self) -> bool:
        """Whether files can be placed at all."""
        return self._folder is not None

    def sweep(self) -> None:
        """Remove links whose file left the cache, and copies that were not finished."""
        for path in self._ours():
            if path.suffix == ".part" or (path.is_symlink() and not path.exists()):
                path.unlink(missing_ok=True)

    @asynccontextmanager
    async def placed(self, link: ResourceLink, file: Path) -> AsyncIterator[Placed]:
        """The file under its digest in the folder of its type; it stays there meanwhile.

        Raises JobRejected without a folder, for types that ComfyUI has no folder for and files it does not read, and
        JobFailed when the folder cannot be written.
        """
        path = self._path(link)
        self._held[path] += 1
        try:
            async with self._lock:
                try:
                    await asyncio.to_thread(self._put, path, file)
                except OSError as error:
                    raise JobFailed(
                        f"The models folder of ComfyUI cannot be written: {error.strerror}.", transient=True
                    ) from error
            yield Placed(f"{OURS}/{path.name}", link)
        finally:
            self._held[path] -= 1
            if self._held[path] <= 0:
                del self._held[path]

    def _path(self, link: ResourceLink) -> Path:
        if self._folder is None:
            raise JobRejected(
                "This agent does not know where its ComfyUI keeps models; CIVITAS_AGENT__COMFY__MODELS says it."
            )
        folder, ending = FOLDERS.get(link.type), Path(link.filename).suffix.lower()
        if folder is None:
            raise JobRejected(f"ComfyUI has no folder for models of the type {link.type:.40}.")
        if ending not in _ENDINGS:
            raise JobRejected(f"ComfyUI reads no files such as {link.filename:.100}.")
        return self._folder / folder / OURS / f"{link.sha256[:20].lower()}{ending}"

    def _put(self, path: Path, file: Path) -> None:
        file = file.absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        if not self._copies:
            if path.is_symlink() and path.readlink() == file:
                return
            fresh = path.with_suffix(".part")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(file)
            fresh.replace(path)
            return
        size = file.stat().st_size
        if not path.is_symlink() and path.exists() and path.stat().st_size == size:
            os.utime(path)
            return
        self._make_room(size)
        fresh = path.with_suffix(".part")
        shutil.copyfile(file, fresh)
        fresh.replace(path)

    def _make_room(self, size: int) -> None:
        copies = []
        for path in self._ours():
            with contextlib.suppress(FileNotFoundError):
                if not path.is_symlink():
                    facts = path.stat()
                    copies.append((facts.st_mtime, facts.st_size, path))
        used = sum(have for _, have, _ in copies)
        for _, have, path in sorted(copies):
            if used + size <= self._most:
                return
            if path not in self._held:
                path.unlink(missing_ok=True)
                used -= have

    def _ours(self) -> Iterator[Path]:
        if self._folder is None:
            return
        for folder in sorted(set(FOLDERS.values())):
            with contextlib.suppress(FileNotFoundError):
                yield from list((self._folder / folder / OURS).iterdir())
