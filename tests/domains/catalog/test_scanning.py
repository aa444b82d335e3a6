"""Scans: three beats, never a pass by failure, headers kept."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import Actor, make_actor
from tests.factories.catalog import make_blob, make_file, make_model, make_upload, make_version

from civitas.domains.blobs.tables import Blob
from civitas.domains.catalog import files, queries, scanning, tasks
from civitas.domains.catalog.messages import ScanFile
from civitas.domains.catalog.scanning import Outcome
from civitas.domains.catalog.tables import FileHeader, FileScan, ModelFile
from civitas.domains.catalog.types import ScanStatus
from civitas.infra.db.database import BoundDatabase
from civitas.infra.queue.context import TaskContext
from civitas.infra.scanners.report import Scanner, ScanReport, Verdict
from civitas.infra.scanners.scanner import PresetScanner
from civitas.infra.storage.memory import MemoryStore
from civitas.infra.storage.store import Store
from civitas.kit import clock
from civitas.kit.errors import NotFound


def safetensors(
    tensors: dict[str, tuple[str, list[int], int]], metadata: dict[str, str] | None = None
) -> bytes:
    """A true file: `tensors` maps a name to dtype, shape and bytes."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    at = 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    packed = json.dumps(header).encode()
    return struct.pack("<Q", len(packed)) + packed + bytes(at)


LORA = safetensors(
    {
        "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight": (
            "F16", [8, 640], 8 * 640 * 2,
        ),
        "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q.lora_up.weight": (
            "F16", [640, 8], 8 * 640 * 2,
        ),
    },
    {
        "ss_network_module": "networks.lora",
        "ss_network_dim": "8",
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_tag_frequency": json.dumps({"10_ink": {"inkwash": 10, "tree": 3}}),
        "modelspec.trigger_phrase": "inkwash",
    },
)  # fmt: skip


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def scanner() -> PresetScanner:
    return PresetScanner()


@pytest.fixture
def scanning_context(units: BoundDatabase, store: MemoryStore, scanner: PresetScanner) -> TaskContext:
    return TaskContext(units, {Store: store, Scanner: scanner})


async def _file(
    units: BoundDatabase, store: MemoryStore, content: bytes, name: str = "ink.safetensors", **columns: Any
) -> tuple[Actor, int, int]:
    async with units.unit() as session:
        actor = await make_actor(session)
        version_id = await make_version(session, await make_model(session, actor.id))
        blob_id = await make_blob(session, content)
        key = await session.scalar(select(Blob.storage_key).where(Blob.id == blob_id))
        file_id = await make_file(
            session, version_id, blob_id=blob_id, name=name, **({"scan_status": "pending"} | columns)
        )
    await store.put(key or "", content, "application/octet-stream")
    return actor, version_id, file_id


async def _row(units: BoundDatabase, file_id: int) -> ModelFile:
    async with units.unit() as session:
        return await session.get_one(ModelFile, file_id)


@pytest.mark.parametrize("verdict", list(Verdict))
async def test_the_verdict_is_recorded_and_only_clean_passes(
    units: BoundDatabase,
    store: MemoryStore,
    scanner: PresetScanner,
    scanning_context: TaskContext,
    verdict: Verdict,
) -> None:
    _, _, file_id = await _file(units, store, LORA)
    scanner.verdicts["ink.safetensors"] = verdict
    await tasks.scan_file(ScanFile(file_id), scanning_context)
    row = await _row(units, file_id)
    assert row.scan_status == verdict.value
    assert row.scanned_at is not None
    assert (row.scan_message is None) is (verdict is Verdict.CLEAN)
    async with units.unit() as session:
        scan = await session.scalar(select(FileScan).where(FileScan.file_id == file_id))
        assert scan is not None
        assert (scan.verdict, scan.checks[0]["name"]) == (verdict.value, "format")


async def test_a_header_is_kept_and_suggests(
    units: BoundDatabase, store: MemoryStore, scanning_context: TaskContext
) -> None:
    actor, version_id, file_id = await _file(units, store, LORA)
    async with units.unit() as session:
        assert await queries.suggestions(session, actor, version_id=version_id) is None
    await tasks.scan_file(ScanFile(file_id), scanning_context)
    async with units.unit() as session:
        header = await session.get_one(FileHeader, file_id)
        assert header.tensor_count == 2
        assert header.parameter_count == 2 * 8 * 640
        assert header.tensors[0]["dtype"] == "F16"
        found = await queries.suggestions(session, actor, version_id=version_id)
        assert found is not None
        assert found.trained_words == ("inkwash",)
        assert found.frequent_tags[0] == "inkwash"
        with pytest.raises(NotFound):
            await queries.suggestions(session, await make_actor(session), version_id=version_id)
    assert (await _row(units, file_id)).precision == "fp16"


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x04.", LORA[:40], struct.pack("<Q", 2**40) + b"{" + b"x" * 64, b"GGUF" + b"\xff" * 64],
)
async def test_headers_that_lie_are_passed_over(
    units: BoundDatabase, store: MemoryStore, scanning_context: TaskContext, content: bytes
) -> None:
    _, _, file_id = await _file(units, store, content)
    await tasks.scan_file(ScanFile(file_id), scanning_context)
    async with units.unit() as session:
        assert await session.get(FileHeader, file_id) is None
    assert (await _row(units, file_id)).scan_status == "clean"


async def test_a_dangerous_file_keeps_no_header(
    units: BoundDatabase, store: MemoryStore, scanner: PresetScanner, scanning_context: TaskContext
) -> None:
    _, _, file_id = await _file(units, store, LORA)
    scanner.verdicts["ink.safetensors"] = Verdict.DANGEROUS
    await tasks.scan_file(ScanFile(file_id), scanning_context)
    async with units.unit() as session:
        assert await session.get(FileHeader, file_id) is None


async def _waiting(units: BoundDatabase) -> list[Any]:
    async with units.unit() as session:
        rows = await session.execute(
            text(
                "SELECT args->'body' AS body, scheduled_at FROM procrastinate.procrastinate_jobs"
                " WHERE args->>'name' = 'catalog.ScanFile' ORDER BY id"
            )
        )
        return list(rows.all())


async def test_a_scan_that_failed_is_tried_again_and_never_passes(
    units: BoundDatabase, store: MemoryStore, scanner: PresetScanner, scanning_context: TaskContext
) -> None:
    _, _, file_id = await _file(units, store, LORA)
    scanner.verdicts["ink.safetensors"] = Verdict.ERROR
    before = clock.now()
    await tasks.scan_file(ScanFile(file_id), scanning_context)
    [again] = await _waiting(units)
    assert again.body == {"file_id": file_id, "tries": 1}
    assert again.scheduled_at >= before + scanning.RETRY_AFTER[0]
    row = await _row(units, file_id)
    assert row.scan_status == "error"
    assert "tried again soon" in (row.scan_message or "")
    await tasks.scan_file(ScanFile(file_id, len(scanning.RETRY_AFTER)), scanning_context)
    assert len(await _waiting(units)) == 1
    assert "every night" in ((await _row(units, file_id)).scan_message or "")
    await tasks.scan_again(scanning_context)
    assert len(await _waiting(units)) == 2
    scanner.verdicts.clear()
    await tasks.scan_file(ScanFile(file_id, 3), scanning_context)
    assert (await _row(units, file_id)).scan_status == "clean"


async def test_a_failed_rescan_leaves_a_passed_file_passed(
    units: BoundDatabase, store: MemoryStore, scanner: PresetScanner, scanning_context: TaskContext
) -> None:
    for status in ("clean", "dangerous"):
        _, _, file_id = await _file(units, store, LORA + status.encode(), scan_status=status)
        scanner.verdicts["ink.safetensors"] = Verdict.ERROR
        await tasks.scan_file(ScanFile(file_id), scanning_context)
        assert (await _row(units, file_id)).scan_status == status


class _Hanging:
    async def scan(self, source: Path | AsyncIterator[bytes], *, filename: str, size: int) -> ScanReport:
        raise TimeoutError


async def test_a_scan_without_an_end_is_an_error(
    units: BoundDatabase, store: MemoryStore, scanning_context: TaskContext
) -> None:
    _, _, file_id = await _file(units, store, LORA)
    await tasks.scan_file(
        ScanFile(file_id), replace(scanning_context, ports={Store: store, Scanner: _Hanging()})
    )
    row = await _row(units, file_id)
    assert row.scan_status == "error"
    assert "too long" in (row.scan_message or "")


async def test_bytes_that_are_missing_leave_the_file_pending(
    units: BoundDatabase, scanning_context: TaskContext, store: MemoryStore
) -> None:
    _, _, file_id = await _file(units, store, LORA)
    store.objects.clear()
    scanner = _Reading()
    with pytest.raises(NotFound):
        await tasks.scan_file(
            ScanFile(file_id), replace(scanning_context, ports={Store: store, Scanner: scanner})
        )
    assert (await _row(units, file_id)).scan_status == "pending"


class _Reading(PresetScanner):
    async def scan(self, source: Path | AsyncIterator[bytes], *, filename: str, size: int) -> ScanReport:
        assert not isinstance(source, Path)
        async for _ in source:
            pass
        return await super().scan(source, filename=filename, size=size)


class _OnDisk(MemoryStore):
    def path_of(self, key: str) -> Path:
        return Path("/here") / key


class _Paths(PresetScanner):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[object] = []

    async def scan(self, source: Path | AsyncIterator[bytes], *, filename: str, size: int) -> ScanReport:
        self.sources.append(source)
        return await super().scan(source, filename=filename, size=size)


async def test_files_on_this_machine_are_not_copied(
    units: BoundDatabase, scanning_context: TaskContext
) -> None:
    store, scanner = _OnDisk(), _Paths()
    _, _, file_id = await _file(units, store, LORA)
    await tasks.scan_file(
        ScanFile(file_id), replace(scanning_context, ports={Store: store, Scanner: scanner})
    )
    [source] = scanner.sources
    assert isinstance(source, Path)


async def test_removed_files_are_not_scanned(
    units: BoundDatabase, store: MemoryStore, scanner: PresetScanner, scanning_context: TaskContext
) -> None:
    actor, _, file_id = await _file(units, store, LORA)
    async with units.unit() as session:
        await files.remove(session, actor, file_id=file_id)
    await tasks.scan_file(ScanFile(file_id), scanning_context)
    assert scanner.scanned == []


async def test_old_scans_make_room(session: AsyncSession) -> None:
    actor = await make_actor(session)
    file_id = await make_file(session, await make_version(session, await make_model(session, actor.id)))
    outcome = Outcome(ScanStatus.CLEAN, [{"name": "x", "verdict": "clean", "reason": "Fine."}])
    for _ in range(scanning.KEEP_SCANS + 3):
        await scanning.record(session, file_id=file_id, outcome=outcome)
    count = await session.scalar(select(func.count()).where(FileScan.file_id == file_id))
    assert count == scanning.KEEP_SCANS


async def test_the_night_looks_for_lost_scans(session: AsyncSession) -> None:
    actor = await make_actor(session)
    version_id = await make_version(session, await make_model(session, actor.id))
    upload = await make_upload(session, actor.id or 0)
    file = await files.attach(session, actor, version_id=version_id, upload_id=upload)
    assert list(await scanning.unfinished(session)) == []
    await session.execute(
        update(ModelFile).where(ModelFile.id == file.id).values(created_at=clock.now() - timedelta(days=1))
    )
    assert list(await scanning.unfinished(session)) == [file.id]
