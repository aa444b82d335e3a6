"""Background work on bytes: verifying, aborting, sweeping."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta

import structlog
from sqlalchemy import delete, select, update

from civitas.domains.blobs import references, uploading
from civitas.domains.blobs.digests import digest_stream
from civitas.domains.blobs.messages import AbortUpload, VerifyUpload
from civitas.domains.blobs.tables import Upload
from civitas.domains.blobs.types import UploadStatus
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.outbox import defer
from civitas.infra.queue.registry import every, handles
from civitas.infra.settings import CatalogSettings
from civitas.infra.storage.store import Store
from civitas.kit import clock

log = structlog.get_logger(__name__)

TELL_EVERY_S = 1.0
SWEEP_BATCH = 500
KEEP_ENDED = timedelta(days=14)
# A day: 50 GB read from a slow bucket.
LONGEST_S = 24 * 3600.0


@handles(VerifyUpload, queue="files", attempts=6, timeout_s=LONGEST_S)
async def verify_upload(message: VerifyUpload, context: TaskContext) -> None:
    """Read the bytes once from end to end, then record what they are."""
    store = context.port(Store)
    async with context.reading() as session:
        upload = await session.get(Upload, message.upload_id)
    if upload is None or upload.status != UploadStatus.VERIFYING:
        return
    if await store.head(upload.storage_key) is None:
        async with context.unit() as session:
            await uploading.failed(
                session,
                upload_id=upload.id,
                code="bytes_missing",
                message="The bytes did not reach the storage.",
            )
        return
    digests = await digest_stream(_telling(store, upload, context))
    async with context.unit() as session:
        spare = await uploading.verified(session, upload_id=upload.id, digests=digests)
    if spare is not None:
        await store.delete(spare)


async def _telling(store: Store, upload: Upload, context: TaskContext) -> AsyncIterator[bytes]:
    """The bytes, while once a second the row says how many were read."""
    read, told = 0, time.monotonic()
    async with aclosing(store.chunks(upload.storage_key)) as chunks:
        async for chunk in chunks:
            yield chunk
            read += len(chunk)
            if time.monotonic() - told >= TELL_EVERY_S:
                told = time.monotonic()
                async with context.unit() as session:
                    await uploading.progressed(session, upload_id=upload.id, verified=read)


@handles(AbortUpload)
async def abort_upload(message: AbortUpload, context: TaskContext) -> None:
    """Throw the parts away; the row stays a while so that its owner can see what became of it."""
    store = context.port(Store)
    async with context.reading() as session:
        upload = await session.get(Upload, message.upload_id)
    if upload is not None and upload.handle is not None and upload.status == UploadStatus.ABORTED:
        await store.abort_multipart(upload.storage_key, upload.handle)


@every("15m")
async def sweep_uploads(context: TaskContext) -> None:
    """Cancel uploads that were abandoned, and forget ended ones after a while."""
    now = clock.now()
    async with context.unit() as session:
        expired = await session.scalars(
            update(Upload)
            .where(
                Upload.id.in_(
                    select(Upload.id)
                    .where(Upload.status == UploadStatus.OPEN, Upload.expires_at < now)
                    .limit(SWEEP_BATCH)
                    .with_for_update(skip_locked=True)
                )
            )
            .values(status=UploadStatus.ABORTED, finished_at=now)
            .returning(Upload.id)
        )
        for upload_id in expired.all():
            await defer(session, AbortUpload(upload_id))
        await session.execute(
            delete(Upload).where(
                Upload.status.in_([UploadStatus.DONE, UploadStatus.FAILED, UploadStatus.ABORTED]),
                Upload.finished_at < now - KEEP_ENDED,
            )
        )


@every("1h")
async def sweep_stale_parts(context: TaskContext) -> None:
    """Parts in storage that no row knows of: left by a crash between the store and the database."""
    store = context.port(Store)
    before = clock.now() - timedelta(hours=context.port(CatalogSettings).upload_expires_hours * 2)
    async for stale in store.list_stale_multiparts(before):
        log.info("upload.stale_parts", key=stale.key, started=stale.started.isoformat())
        await store.abort_multipart(stale.key, stale.handle)


@every("30m")
async def sweep_orphans(context: TaskContext) -> None:
    """Remove bytes that nobody has needed for the grace."""
    store = context.port(Store)
    before = clock.now() - timedelta(hours=context.port(CatalogSettings).orphan_grace_hours)
    while True:
        async with context.unit() as session:
            keys = await references.take_orphans(session, before=before)
        await store.delete_many(keys)
        if len(keys) < references.SWEEP_BATCH:
            return
