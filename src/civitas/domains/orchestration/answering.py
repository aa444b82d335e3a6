"""Steps that the platform does itself: media taken over, archives, and what the catalogue knows of its files.

Files of the catalogue were hashed when they came and scanned by the catalogue's own scanner; steps are answered from
that. One that was not scanned yet is scanned by the same code, and its step waits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.wire.jobs import BLOB
from civitas.domains.accounts.actors import actor_named
from civitas.domains.catalog import air, policy
from civitas.domains.catalog.messages import ScanFile
from civitas.domains.catalog.tables import FileHash, FileHeader, FileScan, Model, ModelFile, ModelVersion
from civitas.domains.orchestration.errors import NobodyCan
from civitas.domains.orchestration.media import archives
from civitas.domains.orchestration.tables import Workflow
from civitas.infra.queue.outbox import defer
from civitas.kit import clock
from civitas.kit.errors import Invalid

# How long until one looks again whether a file was scanned.
SOON: Final = timedelta(seconds=3)
_HASHES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "SHA256": "sha256",
        "AutoV1": "autoV1",
        "AutoV2": "autoV2",
        "AutoV3": "autoV3",
        "BLAKE3": "blake3",
        "CRC32": "crc32",
    }
)
_SKIPPED: Final[Mapping[str, str]] = MappingProxyType(
    {"SafeTensor": "skippedSafetensors", "GGUF": "skippedGguf"}
)
VIRUS: Final = "virus"


@dataclass(frozen=True, slots=True)
class File:
    """A file of the catalogue that somebody may know of."""

    id: int
    format: str


async def answer(
    session: AsyncSession, workflow: Workflow, type: str, input: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The output of an in-house step; None while something is still to be done elsewhere.

    Raises NobodyCan for what no part of this site can do, and other faults for input that cannot be worked on.
    """
    return await _ANSWERS[type](session, workflow, input)


async def _upload(session: AsyncSession, workflow: Workflow, input: Mapping[str, Any]) -> dict[str, Any]:
    """Media became a blob on the way here."""
    source = input.get("source")
    if not isinstance(source, dict) or not isinstance(source.get(BLOB), str):
        raise Invalid("Give an image: an address, a data: URL, base64, or a blob.", code="bad_media")
    return {"blob": {BLOB: source[BLOB]}}


async def _archive(session: AsyncSession, workflow: Workflow, input: Mapping[str, Any]) -> dict[str, Any]:
    made = await archives.make(
        session,
        person_id=workflow.person_id,
        entries=[_entry(entry) for entry in input.get("entries") or ()],
        name=input.get("archiveName"),
        format=str(input.get("format") or "zip"),
    )
    return {
        "url": {"$archive": {"id": made.id, "expires": made.expires_at.isoformat()}},
        "entryCount": len(made.entries),
        "format": made.format,
        "expiresAt": clock.rfc3339(made.expires_at),
    }


def _entry(entry: Any) -> dict[str, Any]:
    """An entry whose blob may have come by a reference."""
    given = entry if isinstance(entry, dict) else {}
    blob = given.get("blobId")
    return {**given, "blobId": blob.get(BLOB) if isinstance(blob, dict) else blob}


async def _hash(session: AsyncSession, workflow: Workflow, input: Mapping[str, Any]) -> dict[str, Any]:
    file = await _file(session, workflow, input.get("model"))
    rows = await session.execute(select(FileHash.kind, FileHash.value).where(FileHash.file_id == file.id))
    return {_HASHES[row.kind]: row.value for row in rows if row.kind in _HASHES}


async def _metadata(
    session: AsyncSession, workflow: Workflow, input: Mapping[str, Any]
) -> dict[str, Any] | None:
    file = await _file(session, workflow, input.get("model"))
    found = await session.scalar(select(FileHeader.metadata_).where(FileHeader.file_id == file.id))
    if found is None and await _scan(session, file) is None:
        return None
    return {"metadata": orjson.dumps(found).decode() if found else None}


async def _pickles(
    session: AsyncSession, workflow: Workflow, input: Mapping[str, Any]
) -> dict[str, Any] | None:
    file = await _file(session, workflow, input.get("model"))
    scan = await _scan(session, file)
    if scan is None:
        return None
    names = [str(one["name"]) for one in scan.imports]
    bad = [str(one["name"]) for one in scan.imports if one["judgement"] != "clean"]
    skipped = _SKIPPED.get(file.format) if not names else None
    status = "dangerousImportsFound" if bad else skipped or ("error" if scan.verdict == "error" else "clean")
    return {
        "exitCode": 1 if bad else 2 if status == "error" else 0,
        "output": " ".join(str(check["reason"]) for check in scan.checks if check["name"] != VIRUS) or None,
        "globalImports": names,
        "dangerousImports": bad,
        "status": status,
        "dangerousImportsFound": bool(bad),
        "skipped": skipped is not None,
        "skipReason": f"A {file.format} file holds no pickle." if skipped else None,
        "scannedFileCount": 0 if skipped else 1,
        "infectedFileCount": int(bool(bad)),
        "dangerousGlobalCount": len(bad),
    }


async def _viruses(
    session: AsyncSession, workflow: Workflow, input: Mapping[str, Any]
) -> dict[str, Any] | None:
    file = await _file(session, workflow, input.get("model"))
    scan = await _scan(session, file)
    if scan is None:
        return None
    check = next((one for one in scan.checks if one["name"] == VIRUS), None)
    if check is None:
        raise NobodyCan("No virus scanner is connected to this site.")
    infected = check["verdict"] in ("dangerous", "suspicious")
    status = "infected" if infected else "error" if check["verdict"] == "error" else "clean"
    return {
        "exitCode": {"clean": 0, "infected": 1, "error": 2}[status],
        "output": check["reason"],
        "status": status,
        "infected": infected,
        "infectedFileCount": int(infected),
        "scannedFileCount": 0 if status == "error" else 1,
    }


async def _prepare(session: AsyncSession, workflow: Workflow, input: Mapping[str, Any]) -> dict[str, Any]:
    """A file of the catalogue is always at hand; agents fetch it when they need it."""
    await _file(session, workflow, input.get("resource"))
    return {"resource": input["resource"], "preparedAt": clock.rfc3339(clock.now()), "provider": "civitas"}


async def _file(session: AsyncSession, workflow: Workflow, given: object) -> File:
    """The file that an AIR names: of its version the primary one, unless it names another. Raises NobodyCan, Invalid."""
    found = air.parse(str(given))
    if found.version_id is None:
        raise NobodyCan("Only models of this site's catalogue can be looked at, by model and version.")
    actor = await actor_named(session, workflow.person_id)
    statement = (
        select(ModelFile.id, ModelFile.format)
        .join(ModelVersion, ModelVersion.id == ModelFile.version_id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(
            ModelVersion.id == found.version_id,
            policy.versions_visible_to(actor),
            ModelFile.removed_at.is_(None),
            ModelFile.id == found.file_id if found.file_id is not None else ModelFile.is_primary,
        )
    )
    row = (await session.execute(statement)).first()
    if row is None:
        raise Invalid("There is no such version here, or it has no file.", code="unknown_resource")
    return File(row.id, row.format)


async def _scan(session: AsyncSession, file: File) -> FileScan | None:
    """The newest scan of a file; with none, one is asked for."""
    found = await session.scalar(
        select(FileScan).where(FileScan.file_id == file.id).order_by(FileScan.id.desc()).limit(1)
    )
    if found is None:
        await defer(session, ScanFile(file.id), once=f"scan:{file.id}")
    return found


_Answer = Callable[[AsyncSession, Workflow, Mapping[str, Any]], Awaitable[dict[str, Any] | None]]
_ANSWERS: Final[Mapping[str, _Answer]] = MappingProxyType(
    {
        "imageUpload": _upload,
        "blobArchive": _archive,
        "modelHash": _hash,
        "modelParseMetadata": _metadata,
        "modelPickleScan": _pickles,
        "modelClamScan": _viruses,
        "prepareResource": _prepare,
    }
)
