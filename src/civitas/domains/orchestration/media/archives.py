"""Many blobs as one file: put together while it is sent, piece by piece, and never stored."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import RawIOBase
from typing import Any, Final, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.orchestration import blobs
from civitas.domains.orchestration.blobs import BlobFacts
from civitas.domains.orchestration.media import reading
from civitas.domains.orchestration.media.links import ARCHIVE_LIFE
from civitas.domains.orchestration.media_tables import BlobArchive
from civitas.kit import clock
from civitas.kit.errors import Gone, Invalid, NotFound

MOST_ENTRIES: Final = 1_000
Format = Literal["zip", "tar"]
FORMATS: Final = ("zip", "tar")
# Where the bytes under a storage key come from, piece by piece.
Chunks = Callable[[str], AsyncGenerator[bytes, None]]
_BLOCK: Final = 512
_MISSING: Final = "missing.txt"


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that can be had: its name, and what is in it, in order; `missing` are blobs that are gone."""

    id: str
    name: str
    format: Format
    entries: Sequence[tuple[str, BlobFacts]]
    missing: Sequence[str]

    @property
    def media_type(self) -> str:
        """What it is served as."""
        return "application/zip" if self.format == "zip" else "application/x-tar"


async def make(
    session: AsyncSession,
    *,
    person_id: int,
    entries: Sequence[Mapping[str, Any]],
    name: str | None = None,
    format: str = "zip",
) -> BlobArchive:
    """Name what an archive holds: `{"blobId", "fileName"?}` each, blobs of this person that are there.

    It can be had for a week. Raises Invalid (`bad_archive`, with the wrong fields).
    """
    if format not in FORMATS:
        raise Invalid("An archive is a zip or a tar.", code="bad_archive", fields={"format": "zip or tar"})
    if not 1 <= len(entries) <= MOST_ENTRIES:
        raise Invalid(
            f"An archive has 1 to {MOST_ENTRIES:,} entries, not {len(entries):,}.",
            code="bad_archive",
            fields={"entries": f"1 to {MOST_ENTRIES:,}"},
        )
    ids = [reading.stem(str(entry.get("blobId") or "")) for entry in entries]
    found = await blobs.links(session, ids)
    wrong: dict[str, str] = {}
    kept: list[list[str]] = []
    taken: set[str] = set()
    for number, (blob_id, entry) in enumerate(zip(ids, entries, strict=True)):
        facts = found.get(blob_id)
        if facts is None or facts.person_id != person_id or not facts.available:
            wrong[f"entries[{number}].blobId"] = "There is no such blob, or it has no bytes that may be used."
            continue
        kept.append([blob_id, _free(reading.filename(facts, entry.get("fileName")), taken)])
    if wrong:
        raise Invalid("The archive cannot be made as it is.", code="bad_archive", fields=wrong)
    await blobs.used(session, ids)
    now = clock.now()
    archive = BlobArchive(
        id=blobs.new_id(),
        person_id=person_id,
        name=_name(name, format),
        format=format,
        entries=kept,
        created_at=now,
        expires_at=now + ARCHIVE_LIFE,
    )
    session.add(archive)
    await session.flush()
    return archive


def output(archive: BlobArchive) -> dict[str, Any]:
    """The output of a `blobArchive` step as it is kept; `shapes.filled` makes the link."""
    return {
        "url": {"$archive": {"id": archive.id, "expires": archive.expires_at.isoformat()}},
        "entryCount": len(archive.entries),
        "format": archive.format,
        "expiresAt": clock.rfc3339(archive.expires_at),
    }


async def opened(session: AsyncSession, *, archive_id: str) -> Archive:
    """What is to be sent now. Raises NotFound (`archive_not_found`), Gone (`archive_gone`) when nothing of it is left."""
    row = await session.get(BlobArchive, archive_id)
    if row is None:
        raise NotFound("There is no such archive; it may have expired.", code="archive_not_found")
    found = await blobs.links(session, [blob_id for blob_id, _ in row.entries])
    entries = [(name, found[blob_id]) for blob_id, name in row.entries if _there(found.get(blob_id))]
    missing = [name for blob_id, name in row.entries if not _there(found.get(blob_id))]
    if clock.now() >= row.expires_at or not entries:
        raise Gone("This archive can be had no longer; make it again.", code="archive_gone")
    return Archive(row.id, row.name, "tar" if row.format == "tar" else "zip", entries, missing)


def _there(facts: BlobFacts | None) -> bool:
    return facts is not None and facts.available and facts.examined and facts.storage_key is not None


async def streamed(archive: Archive, chunks: Chunks) -> AsyncGenerator[bytes, None]:
    """The bytes of the archive. Media are packed already, so that nothing is compressed again."""
    stream = _zipped(archive, chunks) if archive.format == "zip" else _tarred(archive, chunks)
    async for piece in stream:
        yield piece


class _Sink(RawIOBase):
    """Where zipfile writes: forward only, taken away as it comes."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._written.append(bytes(data))
        return len(self._written[-1])

    def take(self) -> bytes:
        taken = b"".join(self._written)
        self._written.clear()
        return taken


async def _zipped(archive: Archive, chunks: Chunks) -> AsyncGenerator[bytes, None]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, allowZip64=True) as packed:
        for name, facts in archive.entries:
            about = zipfile.ZipInfo(name, _moment(facts.created_at))
            about.external_attr = 0o644 << 16
            about.file_size = facts.size or 0
            with packed.open(about, "w", force_zip64=about.file_size >= 2**31) as entry:
                async for piece in chunks(str(facts.storage_key)):
                    entry.write(piece)
                    yield sink.take()
            yield sink.take()
        if archive.missing:
            packed.writestr(_MISSING, _told(archive))
    yield sink.take()


async def _tarred(archive: Archive, chunks: Chunks) -> AsyncGenerator[bytes, None]:
    for name, facts in archive.entries:
        about = _tar_header(name, facts.size or 0, facts.created_at)
        yield about
        sent = 0
        async for piece in chunks(str(facts.storage_key)):
            sent += len(piece)
            yield piece
        yield bytes(-sent % _BLOCK)
    if archive.missing:
        text = _told(archive)
        yield _tar_header(_MISSING, len(text), clock.now()) + text + bytes(-len(text) % _BLOCK)
    yield bytes(2 * _BLOCK)


def _tar_header(name: str, size: int, at: datetime) -> bytes:
    about = tarfile.TarInfo(name)
    about.size, about.mtime, about.mode = size, int(at.timestamp()), 0o644
    return about.tobuf(tarfile.PAX_FORMAT)


def _told(archive: Archive) -> bytes:
    lines = ["These have expired or were blocked since the archive was made:", *archive.missing]
    return "\n".join([*lines, ""]).encode()


def _moment(at: datetime) -> tuple[int, int, int, int, int, int]:
    # ZIP knows no earlier year.
    return (max(at.year, 1980), at.month, at.day, at.hour, at.minute, at.second)


def _free(name: str, taken: set[str]) -> str:
    """The name, or with a number when another entry has it; letters of either case are one."""
    for candidate in _numbered(name):
        if candidate.lower() not in taken and candidate.lower() != _MISSING:
            taken.add(candidate.lower())
            return candidate
    raise AssertionError("numbers never end")


def _numbered(name: str) -> Iterator[str]:
    yield name
    stem, dot, ending = name.rpartition(".")
    number = 2
    while True:
        yield f"{stem} ({number}).{ending}" if dot and stem else f"{name} ({number})"
        number += 1


def _name(wanted: str | None, format: str) -> str:
    clean = "".join(
        letter for letter in (wanted or "").replace("\\", "/").rsplit("/", 1)[-1] if letter.isprintable()
    )
    clean = clean.strip(". ")[:150] or "archive"
    return clean if clean.lower().endswith(f".{format}") else f"{clean}.{format}"
