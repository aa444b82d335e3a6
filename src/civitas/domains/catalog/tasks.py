"""Background work of the catalogue: scanning files, publishing on time, tidying up."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import structlog

from civitas.domains.catalog import (
    access_windows,
    aging,
    architecture,
    headers,
    index_audit,
    metrics,
    publishing,
    removal,
    scanning,
    scoring,
    vocabulary,
)
from civitas.domains.catalog.messages import ReturnPayments, ScanFile
from civitas.domains.catalog.scanning import HeaderFacts, Outcome, ToScan
from civitas.domains.catalog.types import ScanStatus
from civitas.infra.db.database import driver_connection
from civitas.infra.db.readpool import BoundReads
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.outbox import defer
from civitas.infra.queue.registry import every, handles
from civitas.infra.scanners.report import Scanner, ScanReport, Verdict
from civitas.infra.search import asking
from civitas.infra.search.asking import SocketIndex
from civitas.infra.storage.store import MAX_READ, OnDisk, Store
from civitas.kit.errors import Invalid

log = structlog.get_logger(__name__)

# The scanner has limits of its own; this one is for a store or a daemon that never answers.
SCAN_LIMIT_S = 3 * 3600.0
# Larger headers exist only to do harm; the scanner still judges them, in its sandbox.
MAX_HEADER = 32 * 1024 * 1024
MAX_TENSORS_KEPT = 20_000


@handles(ScanFile, queue="files", attempts=5, timeout_s=SCAN_LIMIT_S + 600)
async def scan_file(message: ScanFile, context: TaskContext) -> None:
    """Read which file it is, scan its bytes outside any transaction, record the outcome."""
    store, scanner = context.port(Store), context.port(Scanner)
    async with context.reading() as session:
        file = await scanning.to_scan(session, file_id=message.file_id)
    if file is None:
        return
    report = await _scan(store, scanner, file)
    header = None
    if report is not None and report.verdict is not Verdict.DANGEROUS:
        header = await _header(store, file)
    async with context.unit() as session:
        await scanning.record(
            session,
            file_id=file.file_id,
            outcome=_outcome(report),
            header=header,
            tries=message.tries,
        )


async def _scan(store: Store, scanner: Scanner, file: ToScan) -> ScanReport | None:
    try:
        async with asyncio.timeout(SCAN_LIMIT_S):
            if isinstance(store, OnDisk):
                return await scanner.scan(store.path_of(file.storage_key), filename=file.name, size=file.size)
            async with aclosing(store.chunks(file.storage_key)) as chunks:
                return await scanner.scan(chunks, filename=file.name, size=file.size)
    except TimeoutError:
        return None


def _outcome(report: ScanReport | None) -> Outcome:
    if report is None:
        reason = "The scan took too long."
        return Outcome(ScanStatus.ERROR, [{"name": "time", "verdict": "error", "reason": reason}])
    found = report.to_json()
    return Outcome(
        verdict=ScanStatus(report.verdict.value),
        checks=found["checks"],
        imports=found["imports"],
        scanners=found["versions"],
        duration_s=report.duration_s,
    )


async def _header(store: Store, file: ToScan) -> HeaderFacts | None:
    try:
        prefix = await _prefix(store, file)
        if prefix is None:
            return None
        return await asyncio.to_thread(_facts, prefix, file.size)
    except Invalid as fault:
        log.info("catalog.header_unreadable", file=file.file_id, code=fault.code)
        return None


async def _prefix(store: Store, file: ToScan) -> bytes | None:
    first = await store.read_range(file.storage_key, 0, min(file.size, 64 * 1024))
    if not headers.is_container(first, file.size):
        return None
    needed = headers.needed(first, file.size)
    if needed > MAX_HEADER and first[:4] != b"GGUF":
        return None
    found = bytearray(first)
    while len(found) < min(needed, MAX_HEADER):
        piece = await store.read_range(
            file.storage_key, len(found), min(MAX_READ, min(needed, MAX_HEADER) - len(found))
        )
        if not piece:
            break
        found += piece
    return bytes(found)


def _facts(prefix: bytes, size: int) -> HeaderFacts:
    header = headers.read(prefix, size)
    told: dict[str, Any] = headers.summary(header)
    guess = architecture.guess(header)
    tensors = [
        {"name": tensor.name, "dtype": tensor.dtype, "shape": list(tensor.shape), "size": tensor.size}
        for tensor in header.tensors[:MAX_TENSORS_KEPT]
    ]
    return HeaderFacts(
        architecture={
            "kind": guess.kind,
            "ecosystem": guess.ecosystem,
            "baseModel": guess.base_model,
            "variant": guess.variant,
            "confidence": guess.confidence,
            "reasons": list(guess.reasons),
            "format": told["format"],
            "dtypes": told["dtypes"],
            "triggerWords": told["triggerWords"],
            "modelspec": told["modelspec"],
        },
        training=told["training"],
        metadata=told["metadata"],
        tensors=tensors,
        tensor_count=header.tensor_count,
        parameter_count=header.parameters,
        dtype=next(iter(header.dtypes), None),
    )


@every("1d")
async def scan_again(context: TaskContext) -> None:
    """Try scans again that failed or were lost."""
    async with context.unit() as session:
        for file_id in await scanning.unfinished(session):
            last = len(scanning.RETRY_AFTER)
            await defer(session, ScanFile(file_id, last), once=f"scan:{file_id}", priority=-1)


@every("1m")
async def publish_due(context: TaskContext) -> None:
    """Publish what was scheduled for now, each model in a transaction of its own."""
    async with context.reading() as session:
        due = await publishing.due_models(session)
    for model_id in due:
        async with context.unit() as session:
            await publishing.publish_due(session, model_id=model_id)


@every("1d")
async def tidy_drafts(context: TaskContext) -> None:
    """Warn of drafts that nobody has touched for long, and remove those that were warned of (FEATURES B4)."""
    async with context.unit() as session:
        await aging.remove_warned(session)
    async with context.unit() as session:
        await aging.warn(session)


@every("1d")
async def let_bytes_go(context: TaskContext) -> None:
    """Let go of the bytes of what was deleted a month ago."""
    while True:
        async with context.unit() as session:
            if not await removal.let_bytes_go(session):
                return


@every("1m")
async def fold_counts(context: TaskContext) -> None:
    """Count downloads, and the models of words, tags and creators, that were noted since last time."""
    async with context.unit() as session:
        downloads = await metrics.fold_downloads(session)
    async with context.unit() as session:
        changes = await vocabulary.fold(session)
    if downloads or changes:
        log.info("catalog.folded", downloads=downloads, changes=changes)


@every("1m")
async def end_windows(context: TaskContext) -> None:
    """End early access whose time is over, and pay for sales that are old enough, each in a transaction of its own."""
    async with context.reading() as session:
        windows = await access_windows.due_windows(session)
        sales = await access_windows.due_sales(session)
    for version_id in windows:
        async with context.unit() as session:
            await access_windows.end_due(session, version_id=version_id)
    for version_id in sales:
        async with context.unit() as session:
            await access_windows.release_due(session, version_id=version_id)


@handles(ReturnPayments, attempts=5, timeout_s=3600)
async def return_payments(message: ReturnPayments, context: TaskContext) -> None:
    """Give back every payment of a withdrawn version, each in a transaction of its own: it can be killed anywhere."""
    await _return_all(context, message.version_id)


@every("15m")
async def return_leftovers(context: TaskContext) -> None:
    """Give back what an earlier run could not."""
    await _return_all(context, None)


async def _return_all(context: TaskContext, version_id: int | None) -> None:
    after = 0
    while True:
        async with context.reading() as session:
            found = await access_windows.returning(session, version_id=version_id, after=after)
        if not found:
            return
        for payment_id in found:
            async with context.unit() as session:
                await access_windows.give_back(session, payment_id=payment_id)
        after = found[-1]


@every("55 23 * * *")
async def score_creators(context: TaskContext) -> None:
    """Compute what models and followers add to everybody's score."""
    async with context.unit() as session:
        await scoring.score_everybody(session)


@every("20 4 * * *")
async def audit_index(context: TaskContext) -> None:
    """Hold the index in memory against the listings; where it differs, it loads anew."""
    index = asking.current()
    if isinstance(index, SocketIndex):
        async with context.reading() as session:
            compared = await index_audit.compare(BoundReads(await driver_connection(session)), index)
        if compared.wrong:
            log.warning("index_differed", wrong=compared.wrong[:20], then="it loads anew")
