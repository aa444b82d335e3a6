"""Schedules of articles, and the scan of files beside them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import structlog

from civitas.domains.community.articles import attachments, counting, publishing
from civitas.domains.community.articles.attachments import Stored
from civitas.domains.community.articles.messages import ScanAttachment
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every, handles
from civitas.infra.scanners.report import Scanner, ScanReport
from civitas.infra.storage.store import OnDisk, Store

log = structlog.get_logger(__name__)

# The scanner has limits of its own; this one is for a store or a daemon that never answers.
SCAN_LIMIT_S = 900.0


@handles(ScanAttachment, queue="files", attempts=5, timeout_s=SCAN_LIMIT_S + 60)
async def scan_attachment(message: ScanAttachment, context: TaskContext) -> None:
    """Read which file it is, scan its bytes outside any transaction, record the verdict."""
    async with context.reading() as session:
        file = await attachments.to_scan(session, file_id=message.file_id)
    if file is None:
        return
    report = await _scan(context.port(Store), context.port(Scanner), file)
    verdict = report.verdict.value if report is not None else "error"
    reasons = "The scan took too long."
    if report is not None:
        reasons = " ".join(
            dict.fromkeys(one.reason for one in report.checks if one.verdict == report.verdict)
        )
    async with context.unit() as session:
        await attachments.scanned(
            session, file_id=file.id, verdict=verdict, reasons=reasons, tries=message.tries
        )


async def _scan(store: Store, scanner: Scanner, file: Stored) -> ScanReport | None:
    try:
        async with asyncio.timeout(SCAN_LIMIT_S):
            if isinstance(store, OnDisk):
                return await scanner.scan(store.path_of(file.storage_key), filename=file.name, size=file.size)
            async with aclosing(store.chunks(file.storage_key)) as chunks:
                return await scanner.scan(chunks, filename=file.name, size=file.size)
    except TimeoutError:
        return None


@every("1m")
async def publish_scheduled_articles(context: TaskContext) -> None:
    """Publish articles whose time has come."""
    while True:
        async with context.unit() as session:
            if await publishing.publish_due(session) == 0:
                return


@every("1m")
async def fold_article_views(context: TaskContext) -> None:
    """Count who read what."""
    while True:
        async with context.unit() as session:
            if await counting.fold(session) == 0:
                return


@every("40 3 * * *")
async def forget_article_views(context: TaskContext) -> None:
    """Let go of who read what long ago."""
    async with context.unit() as session:
        await counting.forget(session)


@every("50 3 * * *")
async def audit_articles(context: TaskContext) -> None:
    """Hold the figures of all articles against the facts and put right what differs."""
    wrong, after = 0, 0
    while True:
        async with context.unit() as session:
            _, found, last = await counting.audit_step(session, after=after)
        wrong += found
        if last is None:
            break
        after = last
    if wrong:
        log.warning("articles_repaired", wrong=wrong)
