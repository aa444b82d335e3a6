"""What are these files? A folder of unknown models, hashed once and looked up in bulk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civitas.faces.cli.client import SiteClient
from civitas.faces.cli.hashing import HashCache, Interrupted, auto_v3
from civitas.faces.cli.manifest import WEIGHTS
from civitas.faces.cli.records import RemoteModel, RemoteVersion
from civitas.kit.errors import NotFound

MODELS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One local file. `status` is known, newer (known, and there is a newer version), unknown or unreadable."""

    path: Path
    size: int
    status: str
    sha256: str = ""
    matched_by: str = ""
    version: RemoteVersion | None = None
    newer: RemoteVersion | None = None
    model: RemoteModel | None = None
    reason: str = ""

    def row(self) -> dict[str, Any]:
        """The finding as JSON-ready data."""
        version, newer = self.version, self.newer
        return {
            "path": str(self.path),
            "size": self.size,
            "status": self.status,
            "sha256": self.sha256 or None,
            "matchedBy": self.matched_by or None,
            "modelId": version.model_id if version else None,
            "modelName": version.model_name if version else None,
            "modelType": version.model_type if version else None,
            "versionId": version.id if version else None,
            "versionName": version.name if version else None,
            "baseModel": version.base_model if version else None,
            "trainedWords": list(version.trained_words) if version else [],
            "creator": self.model.creator if self.model else None,
            "newerVersionId": newer.id if newer else None,
            "newerVersionName": newer.name if newer else None,
            "reason": self.reason or None,
        }


def model_files(folder: Path, *, recursive: bool) -> list[Path]:
    """The model files of a folder, or the one file itself, in order; hidden ones and partial ones are left out.

    Links to folders are not followed, so a circle of links ends. Raises NotFound when there is no such folder.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}.")
    return sorted(
        path
        for path in _walk(folder, recursive)
        if path.suffix.lower() in WEIGHTS and not path.name.startswith(".") and path.is_file()
    )


def _walk(folder: Path, recursive: bool) -> Iterator[Path]:
    for path in folder.iterdir():
        if recursive and path.is_dir() and not path.is_symlink() and not path.name.startswith("."):
            yield from _walk(path, recursive)
        elif not path.is_dir():
            yield path


def hash_all(
    paths: Sequence[Path],
    cache: HashCache,
    *,
    threads: int,
    moved: Callable[[int], None],
    stop: threading.Event,
) -> dict[Path, str | OSError]:
    """SHA-256 of every file, or why it cannot be read. What is hashed is remembered at once, so a kill costs little.

    Raises KeyboardInterrupt when `stop` is set.
    """
    found: dict[Path, str | OSError] = {}
    with ThreadPoolExecutor(max(1, threads), "hash") as pool:
        waiting = {pool.submit(cache.sha256, path, moved=moved, stop=stop): path for path in paths}
        try:
            for future in as_completed(waiting):
                try:
                    found[waiting[future]] = future.result()
                except OSError as error:
                    found[waiting[future]] = error
        except (KeyboardInterrupt, Interrupted):
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise KeyboardInterrupt from None
    return found


def identify(client: SiteClient, digests: dict[Path, str | OSError], *, deep: bool = False) -> list[Finding]:
    """Look up every hash and say what each file is, and whether its model has a newer version.

    `deep` also tries AutoV3 for what is unknown by SHA-256: it finds safetensors whose metadata was edited.
    Raises what the client raises.
    """
    unique = list(dict.fromkeys(digest for digest in digests.values() if isinstance(digest, str)))
    known = client.ids_by_hashes(unique)
    versions: dict[str, RemoteVersion] = {}
    for version in client.by_hashes([digest for digest in unique if digest in known]):
        for file in version.files:
            if file.sha256:
                versions[file.sha256] = version
    matched: dict[Path, tuple[RemoteVersion, str]] = {}
    for path, digest in digests.items():
        if not isinstance(digest, str):
            continue
        if digest in versions:
            matched[path] = (versions[digest], "SHA256")
        elif digest in known:
            matched[path] = (client.version(known[digest][1]), "SHA256")
        elif deep and (other := _by_payload(client, path)):
            matched[path] = (other, "AutoV3")
    models = _models(client, {version.model_id for version, _how in matched.values() if version.model_id})
    return [_finding(path, digest, matched.get(path), models) for path, digest in sorted(digests.items())]


def _by_payload(client: SiteClient, path: Path) -> RemoteVersion | None:
    short = auto_v3(path)
    if short is None:
        return None
    try:
        return client.by_hash(short)
    except NotFound:
        return None


def _models(client: SiteClient, ids: set[int]) -> dict[int, RemoteModel]:
    ordered = sorted(ids)
    found: dict[int, RemoteModel] = {}
    for start in range(0, len(ordered), MODELS_AT_ONCE):
        batch = ordered[start : start + MODELS_AT_ONCE]
        params = [("ids", ",".join(str(number) for number in batch)), ("nsfw", "true")]
        for model in client.models(params, limit=len(batch)):
            found[model.id] = model
    return found


def _finding(
    path: Path,
    digest: str | OSError,
    match: tuple[RemoteVersion, str] | None,
    models: dict[int, RemoteModel],
) -> Finding:
    if isinstance(digest, OSError):
        return Finding(path, 0, "unreadable", reason=digest.strerror or str(digest))
    size = path.stat().st_size
    if match is None:
        return Finding(path, size, "unknown", digest)
    version, how = match
    model = models.get(version.model_id)
    newer = newer_version(version, model) if model else None
    return Finding(path, size, "newer" if newer else "known", digest, how, version, newer, model)


def newer_version(version: RemoteVersion, model: RemoteModel) -> RemoteVersion | None:
    """The newest version of the model for the same base model that was published after this one."""
    later = [
        other
        for other in model.versions
        if other.id != version.id
        and other.base_model == version.base_model
        and other.published_at > version.published_at > ""
    ]
    return max(later, key=lambda other: other.published_at, default=None)
