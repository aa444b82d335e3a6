"""Choosing the files of a version, fetching them, and proving that they are what the server promised."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from civitas.faces.cli.client import SiteClient, silent
from civitas.faces.cli.exits import HashMismatch
from civitas.faces.cli.hashing import HashCache, Interrupted, sha256_of
from civitas.faces.cli.layouts import safe_name
from civitas.faces.cli.records import RemoteFile, RemoteVersion
from civitas.faces.cli.references import Target
from civitas.faces.cli.transfers import Limits, Transfer
from civitas.kit.errors import Conflict, Forbidden, NotFound


@dataclass(frozen=True, slots=True)
class Choice:
    """Which files of a version a person wants; None means any."""

    file_type: str | None = None
    format: str | None = None
    fp: str | None = None
    extent: str | None = None
    quant: str | None = None
    file_id: int | None = None
    everything: bool = False

    def fits(self, file: RemoteFile) -> bool:
        """Whether the file has all that was asked for, without regard to case."""
        pairs = (
            (self.file_type, file.type),
            (self.format, file.format),
            (self.fp, file.fp),
            (self.extent, file.extent),
            (self.quant, file.quant),
        )
        same = all(wanted is None or wanted.lower() == has.lower() for wanted, has in pairs)
        return same and self.file_id in (None, file.id)


class Watcher(Protocol):
    """Who shows the progress of one file at a time."""

    def begin(self, name: str, total: int, done: int) -> None:
        """A file of `total` bytes begins, `done` of them are here already."""

    def move(self, count: int) -> None:
        """`count` more bytes are here; negative when bytes were dropped."""

    def phase(self, text: str, total: int) -> None:
        """Another kind of work on the same file begins, over `total` bytes."""

    def end(self) -> None:
        """The file is finished or given up."""


@dataclass(frozen=True, slots=True)
class Unwatched:
    """A watcher that shows nothing."""

    def begin(self, name: str, total: int, done: int) -> None:
        """Nothing is shown."""

    def move(self, count: int) -> None:
        """Nothing is shown."""

    def phase(self, text: str, total: int) -> None:
        """Nothing is shown."""

    def end(self) -> None:
        """Nothing is shown."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How downloads behave: see Limits; `overwrite` replaces a different file of the same name."""

    limits: Limits = field(default_factory=Limits)
    overwrite: bool = False
    watcher: Watcher = field(default_factory=Unwatched)
    notify: Callable[[str], None] = silent
    stop: threading.Event = field(default_factory=threading.Event)
    cache: HashCache | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file. `status` is downloaded or present; `verified` names the hash that was compared."""

    path: Path
    status: str
    size: int
    sha256: str
    verified: str | None
    resumed: bool = False


def pick(target: Target, choice: Choice) -> list[RemoteFile]:
    """The files to fetch: all that fit with `everything`, else the best one.

    Best is the one with the hash or id that was named, else the primary one, else a Model, else the first.
    Raises NotFound and lists what there is, Forbidden when the version is not offered for download.
    """
    version = target.version
    if not version.files:
        reason = " because it can only be used on the site" if _site_only(version) else ""
        kind = Forbidden if reason else NotFound
        raise kind(f"{_title(version)} offers no file to download{reason}.")
    if target.digest:
        named = [file for file in version.files if file.has_hash(target.digest)]
        return named[:1] or list(version.files[:1])
    if target.file_id and choice.file_id is None:
        choice = Choice(file_id=target.file_id)
    fitting = [file for file in version.files if choice.fits(file)]
    if not fitting:
        offered = "; ".join(_described(file) for file in version.files)
        raise NotFound(f"{_title(version)} has no such file. It has: {offered}.")
    if choice.everything:
        return fitting
    ranked = sorted(fitting, key=lambda file: (not file.primary, file.type not in ("Model", "Pruned Model")))
    return ranked[:1]


def _site_only(version: RemoteVersion) -> bool:
    return str(version.raw.get("usageControl", "Download")) not in ("Download", "None", "")


def _title(version: RemoteVersion) -> str:
    return f"{version.model_name or 'Model'} {version.name or version.id}".strip()


def _described(file: RemoteFile) -> str:
    facts = [file.type, file.format, file.extent, file.fp, file.quant, f"id {file.id}"]
    return f"{file.name} ({', '.join(fact for fact in facts if fact)})"


def download_url(client: SiteClient, version: RemoteVersion, file: RemoteFile) -> str:
    """The address of exactly this file: the server's own, with `fileId` so that twins are not confused."""
    url = file.download_url or f"{client.url}/api/download/models/{version.id}"
    parts = urlsplit(url)
    query = [(key, value) for key, value in parse_qsl(parts.query) if key not in ("fileId", "token")]
    if file.id:
        query.append(("fileId", str(file.id)))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))


def download(
    client: SiteClient, version: RemoteVersion, file: RemoteFile, folder: Path, settings: Settings
) -> Outcome:
    """Fetch one file into `folder` under its own name, resumed, checked, and moved there only when right.

    A file that already matches is left as it is; a different file of that name is kept and ours gets the version
    id in its name. Raises HashMismatch (exit 6) after a second try from the start, and what `Transfer.run` raises.
    """
    name = safe_name(file.name, f"model-{version.id}")
    final = folder / name
    found = _already(final, file, settings)
    if found is None and final.exists() and not settings.overwrite:
        stem, dot, extension = name.rpartition(".")
        final = folder / (f"{stem}-{version.id}.{extension}" if dot else f"{name}-{version.id}")
        found = _already(final, file, settings)
        if found is None and final.exists():
            raise Conflict(f"{final} exists and is a different file; use --overwrite to replace it.")
    if found is not None:
        return found
    url = download_url(client, version, file)
    identity = {
        "server": client.url,
        "version": str(version.id),
        "file": str(file.id),
        "sha256": file.sha256 or "",
    }
    transfer = Transfer(
        client.http,
        lambda: client.locate(url),
        final.with_name(final.name + ".part"),
        identity,
        limits=settings.limits,
        stop=settings.stop,
        begun=lambda total, done: settings.watcher.begin(final.name, total, done),
        moved=settings.watcher.move,
        notify=settings.notify,
    )
    try:
        return _proved(transfer, final, file, settings)
    finally:
        settings.watcher.end()


def _proved(transfer: Transfer, final: Path, file: RemoteFile, settings: Settings) -> Outcome:
    part = final.with_name(final.name + ".part")
    for last_try in (False, True):
        size, resumed = transfer.run()
        settings.watcher.phase("checking", size)
        digest = _read(part, settings)
        verified = matched(file, digest)
        if verified is not None:
            transfer.finish(final)
            if settings.cache:
                settings.cache.put(final, final.stat(), digest)
            return Outcome(final, "downloaded", size, digest, verified or None, resumed)
        transfer.discard()
        if last_try or not resumed:
            break
        settings.notify("the resumed file does not match its SHA256; fetching it again from the start")
    raise HashMismatch(
        f"{final.name} arrived with SHA256 {digest[:16]}… and not {promised(file)[:16]}…; nothing was kept."
    )


def _read(path: Path, settings: Settings) -> str:
    try:
        return sha256_of(path, moved=settings.watcher.move, stop=settings.stop)
    except Interrupted:
        raise KeyboardInterrupt from None


def promised(file: RemoteFile) -> str:
    """The SHA-256, else the AutoV2 (its first ten digits), else an empty text."""
    return file.sha256 or file.hashes.get("AutoV2", "")


def matched(file: RemoteFile, digest: str) -> str | None:
    """The name of the hash that agrees, None when one disagrees, an empty text when none was promised."""
    if file.sha256:
        return "SHA256" if file.sha256 == digest.upper() else None
    short = file.hashes.get("AutoV2", "")
    if short:
        return "AutoV2" if digest.upper().startswith(short) else None
    return ""


def _already(path: Path, file: RemoteFile, settings: Settings) -> Outcome | None:
    if not path.is_file() or not promised(file):
        return None
    size = path.stat().st_size
    # The wire rounds sizes to parts of a kilobyte; a file far from it needs no reading.
    if file.size and abs(size - file.size) > 1024:
        return None
    settings.watcher.begin(path.name, size, 0)
    settings.watcher.phase("checking", size)
    try:
        if settings.cache:
            digest = settings.cache.sha256(path, moved=settings.watcher.move, stop=settings.stop)
        else:
            digest = sha256_of(path, moved=settings.watcher.move, stop=settings.stop)
    except Interrupted:
        raise KeyboardInterrupt from None
    finally:
        settings.watcher.end()
    verified = matched(file, digest)
    return Outcome(path, "present", size, digest, verified) if verified else None
