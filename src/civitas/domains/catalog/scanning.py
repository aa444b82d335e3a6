"""What is recorded once a file was scanned: the verdict with its reasons, and what its header says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import FileScanned
from civitas.domains.accounts.types import SYSTEM
from civitas.domains.blobs.tables import Blob
from civitas.domains.catalog import editing
from civitas.domains.catalog.messages import ScanFile
from civitas.domains.catalog.tables import FileHeader, FileScan, Model, ModelFile, ModelVersion
from civitas.domains.catalog.types import ScanStatus
from civitas.infra.queue.outbox import defer
from civitas.kit import clock

# After these pauses a scan that could not finish is tried again; then every night.
RETRY_AFTER = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1))
KEEP_SCANS = 20
LOST_AFTER = timedelta(hours=6)
_DTYPES = {"F32": "fp32", "F16": "fp16", "BF16": "bf16", "F8_E4M3": "fp8", "F8_E5M2": "fp8", "I8": "int8"}


@dataclass(frozen=True, slots=True)
class ToScan:
    """What a scan needs to know of a file; `size` in bytes."""

    file_id: int
    name: str
    size: int
    storage_key: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a scan ended; checks and imports as JSON-ready data, `duration_s` in seconds."""

    verdict: ScanStatus
    checks: Sequence[Mapping[str, Any]]
    imports: Sequence[Mapping[str, Any]] = ()
    scanners: Mapping[str, str] = field(default_factory=dict)
    duration_s: float = 0.0

    @property
    def explanation(self) -> str | None:
        """The reasons of the checks that decided, as one line; None when everything was clean."""
        reasons = [str(check["reason"]) for check in self.checks if check["verdict"] == self.verdict]
        return None if self.verdict is ScanStatus.CLEAN else " ".join(dict.fromkeys(reasons))[:1000] or None


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """A header in the words of the catalogue; everything is JSON-ready and bounded by the reader."""

    architecture: dict[str, Any] | None
    training: dict[str, Any] | None
    metadata: dict[str, Any]
    tensors: list[Any]
    tensor_count: int
    parameter_count: int
    dtype: str | None


async def to_scan(session: AsyncSession, *, file_id: int) -> ToScan | None:
    """The file, unless it was removed meanwhile."""
    row = (
        await session.execute(
            select(ModelFile.id, ModelFile.name, Blob.size, Blob.storage_key)
            .join(Blob, Blob.id == ModelFile.blob_id)
            .where(ModelFile.id == file_id, ModelFile.removed_at.is_(None))
        )
    ).first()
    return ToScan(*row) if row is not None else None


async def record(
    session: AsyncSession,
    *,
    file_id: int,
    outcome: Outcome,
    header: HeaderFacts | None = None,
    tries: int = 0,
) -> None:
    """Note how a scan ended. Only `clean` lets others download the file.

    A scan that could not finish never passes a file and never fails one that passed before: the bytes are the
    same. It is tried again after `RETRY_AFTER`.
    """
    row = (
        await session.execute(
            select(ModelFile, ModelVersion.model_id)
            .join(ModelVersion, ModelVersion.id == ModelFile.version_id)
            .where(ModelFile.id == file_id)
            .with_for_update(of=ModelFile, key_share=True)
            .execution_options(populate_existing=True)
        )
    ).first()
    if row is None:
        return
    file: ModelFile = row[0]
    await _add_scan(session, file_id, outcome)
    unfinished = outcome.verdict is ScanStatus.ERROR
    if unfinished and tries < len(RETRY_AFTER):
        await defer(
            session, ScanFile(file_id, tries + 1), after=RETRY_AFTER[tries], once=f"scan:{file_id}:again"
        )
    if not (unfinished and file.scan_status in (ScanStatus.CLEAN, *_BAD)):
        file.scan_status, file.scan_message = outcome.verdict, _told(outcome, tries)
        file.scanned_at = clock.now()
    if header is not None:
        await _keep_header(session, file, header)
    model = await session.get_one(Model, row[1])
    editing.note(
        session,
        SYSTEM,
        model,
        "file_scanned",
        version_id=file.version_id,
        file_id=file_id,
        verdict=outcome.verdict,
    )
    event = FileScanned(file_id, file.version_id, model.id, model.person_id, file.scan_status)
    await editing.stated(session, model, event)


_BAD = (ScanStatus.SUSPICIOUS, ScanStatus.DANGEROUS)


def _told(outcome: Outcome, tries: int) -> str | None:
    if outcome.verdict is not ScanStatus.ERROR:
        return outcome.explanation
    again = "It is tried again soon." if tries < len(RETRY_AFTER) else "It is tried again every night."
    return f"The scan could not finish. {outcome.explanation or ''} {again}".replace("  ", " ")


async def _add_scan(session: AsyncSession, file_id: int, outcome: Outcome) -> None:
    session.add(
        FileScan(
            file_id=file_id,
            verdict=outcome.verdict,
            checks=[dict(check) for check in outcome.checks],
            imports=[dict(item) for item in outcome.imports],
            scanners=dict(outcome.scanners),
            duration_s=outcome.duration_s,
        )
    )
    await session.flush()
    kept = (
        select(FileScan.id).where(FileScan.file_id == file_id).order_by(FileScan.id.desc()).limit(KEEP_SCANS)
    )
    await session.execute(
        delete(FileScan)
        .where(FileScan.file_id == file_id, FileScan.id.not_in(kept))
        .execution_options(synchronize_session=False)
    )


async def _keep_header(session: AsyncSession, file: ModelFile, header: HeaderFacts) -> None:
    values = {
        "architecture": header.architecture,
        "training": header.training,
        "metadata": header.metadata,
        "tensors": header.tensors,
        "tensor_count": header.tensor_count,
        "parameter_count": header.parameter_count,
    }
    table = FileHeader.__table__
    await session.execute(
        insert(table)  # type: ignore[arg-type]
        .values(file_id=file.id, **values)
        .on_conflict_do_update(index_elements=["file_id"], set_=values)
    )
    if file.precision is None and header.dtype is not None:
        file.precision = _DTYPES.get(header.dtype)


async def unfinished(session: AsyncSession, *, limit: int = 500) -> Sequence[int]:
    """Files whose scan failed, or was lost: what the night tries again."""
    lost = clock.now() - LOST_AFTER
    found = await session.scalars(
        select(ModelFile.id)
        .where(
            ModelFile.removed_at.is_(None),
            or_(
                ModelFile.scan_status == ScanStatus.ERROR,
                (ModelFile.scan_status == ScanStatus.PENDING) & (ModelFile.created_at < lost),
            ),
        )
        .order_by(ModelFile.id)
        .limit(limit)
    )
    return found.all()
