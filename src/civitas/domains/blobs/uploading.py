"""Uploads: announced, filled part by part, completed, verified.

The parts themselves go straight to storage by signed links; a face asks the store, this chapter keeps the books.
"""

from __future__ import annotations

import mimetypes
import re
import uuid
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.blobs import BlobVerified, UploadFailed
from civitas.domains.accounts.types import Actor
from civitas.domains.blobs.digests import Digests
from civitas.domains.blobs.errors import BadPlan, FileTooLarge, UploadNotFound, UploadState
from civitas.domains.blobs.messages import AbortUpload, VerifyUpload
from civitas.domains.blobs.tables import Blob, Upload
from civitas.domains.blobs.types import Limits, Purpose, UploadStatus, part_size_for
from civitas.infra.queue.outbox import defer, publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Limited
from civitas.kit.text import clean_line

_SHA256 = re.compile(r"^[0-9a-fA-F]{64}$")
# mimetypes knows none of these; a browser must never guess about them.
_TYPES = {".safetensors": "application/octet-stream", ".webp": "image/webp", ".avif": "image/avif"}


async def begin(
    session: AsyncSession,
    actor: Actor,
    *,
    filename: str,
    size: int,
    purpose: Purpose,
    limits: Limits,
    sha256: str | None = None,
) -> Upload:
    """Announce an upload of `size` bytes; `sha256` (hex), when given, must agree at the end.

    The caller then starts the parts in the store and says so with `opened`. Raises BadPlan, FileTooLarge, and
    Limited when too many uploads of this person are open.
    """
    person = actor.require()
    name = clean_line(filename.replace("\\", "/").rsplit("/", 1)[-1])[:200]
    if not name or name.strip(".") == "":
        raise BadPlan("The file needs a name.")
    if size <= 0:
        raise BadPlan("The file is empty; there is nothing to upload.")
    if size > limits.largest(purpose):
        raise FileTooLarge(
            f"The file has {size:,} bytes; this instance takes at most {limits.largest(purpose):,} here."
        )
    if sha256 is not None and not _SHA256.match(sha256):
        raise BadPlan("sha256 must be 64 hexadecimal digits.")
    open_now = await session.scalar(
        select(func.count()).where(Upload.person_id == person, Upload.status == UploadStatus.OPEN)
    )
    if (open_now or 0) >= limits.max_open:
        raise Limited(
            f"You have {open_now} unfinished uploads; finish or cancel some first.",
            retry_after=60,
            code="too_many_uploads",
        )
    upload_id = uuid.uuid4()
    now = clock.now()
    suffix = "." + name.rsplit(".", 1)[-1].lower() if "." in name else ""
    upload = Upload(
        id=upload_id,
        person_id=person,
        purpose=purpose,
        filename=name,
        size=size,
        part_size=part_size_for(size, limits.max_part),
        storage_key=f"blobs/{now:%Y/%m}/{upload_id.hex}",
        content_type=_TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream",
        expected_sha256=bytes.fromhex(sha256) if sha256 else None,
        expires_at=now + timedelta(hours=limits.expires_hours),
    )
    session.add(upload)
    await session.flush()
    return upload


async def opened(session: AsyncSession, actor: Actor, *, upload_id: uuid.UUID, handle: str) -> Upload:
    """Remember the store's handle of the parts."""
    upload = await owned(session, actor, upload_id=upload_id, lock=True)
    upload.handle = handle
    await session.flush()
    return upload


async def owned(session: AsyncSession, actor: Actor, *, upload_id: uuid.UUID, lock: bool = False) -> Upload:
    """The actor's own upload; UploadNotFound for everybody else's."""
    query = select(Upload).where(Upload.id == upload_id, Upload.person_id == actor.require())
    upload = await session.scalar(query.with_for_update() if lock else query)
    if upload is None:
        raise UploadNotFound
    return upload


async def receiving(session: AsyncSession, actor: Actor, *, upload_id: uuid.UUID) -> tuple[Upload, str]:
    """The upload and its handle while parts may still come; UploadState afterwards."""
    upload = await owned(session, actor, upload_id=upload_id)
    if upload.status != UploadStatus.OPEN or upload.handle is None:
        raise UploadState(f"This upload takes no more parts: it is {upload.status}.")
    return upload, upload.handle


async def completed(session: AsyncSession, actor: Actor, *, upload_id: uuid.UUID) -> Upload:
    """The store has put the parts together: verification begins. Saying it again changes nothing."""
    upload = await owned(session, actor, upload_id=upload_id, lock=True)
    if upload.status == UploadStatus.ABORTED:
        raise UploadState("This upload was cancelled; start it again.")
    if upload.status == UploadStatus.OPEN:
        upload.status = UploadStatus.VERIFYING
        await defer(session, VerifyUpload(upload.id), once=f"verify:{upload.id}", priority=5)
        await session.flush()
    return upload


async def abort(session: AsyncSession, actor: Actor, *, upload_id: uuid.UUID) -> Upload:
    """Cancel an open upload; its parts are thrown away in the background. A finished one is a conflict."""
    upload = await owned(session, actor, upload_id=upload_id, lock=True)
    if upload.status == UploadStatus.OPEN:
        upload.status = UploadStatus.ABORTED
        upload.finished_at = clock.now()
        await defer(session, AbortUpload(upload.id))
        await session.flush()
    elif upload.status != UploadStatus.ABORTED:
        raise UploadState("This upload is complete and cannot be cancelled any more.")
    return upload


async def finished_blob(
    session: AsyncSession, actor: Actor, *, upload_id: uuid.UUID, purpose: Purpose | None = None
) -> Blob:
    """The verified bytes of the actor's own upload.

    Raises UploadNotFound, UploadState while it is not done, Conflict (`upload_purpose`) when it was announced
    for something else.
    """
    upload = await owned(session, actor, upload_id=upload_id)
    if purpose is not None and upload.purpose != purpose:
        raise Conflict(
            f"This upload was announced as {upload.purpose}, not {purpose}.", code="upload_purpose"
        )
    if upload.status == UploadStatus.FAILED:
        raise UploadState(upload.error_message or "This upload failed; start it again.")
    if upload.status != UploadStatus.DONE or upload.blob_id is None:
        raise UploadState(f"This upload is not ready yet: it is {upload.status}. Ask again in a moment.")
    blob = await session.get(Blob, upload.blob_id)
    if blob is None:
        raise UploadNotFound
    return blob


async def progressed(session: AsyncSession, *, upload_id: uuid.UUID, verified: int) -> None:
    """Note how many bytes were read so far, for those who wait."""
    upload = await session.get(Upload, upload_id)
    if upload is not None and upload.status == UploadStatus.VERIFYING:
        upload.verified_bytes = verified


async def verified(session: AsyncSession, *, upload_id: uuid.UUID, digests: Digests) -> str | None:
    """Record the digests; returns the storage key of bytes that are no longer needed, if any.

    Equal bytes that are kept already win, and the new copy is to be removed. A size or SHA-256 other than
    announced fails the upload. Recording twice changes nothing.
    """
    upload = await session.scalar(select(Upload).where(Upload.id == upload_id).with_for_update())
    if upload is None or upload.status != UploadStatus.VERIFYING:
        return None
    sha256 = bytes.fromhex(digests.sha256)
    if digests.size != upload.size:
        return await _fail(
            session, upload, "size_mismatch", "The bytes that arrived are not as many as announced."
        )
    if upload.expected_sha256 is not None and upload.expected_sha256 != sha256:
        return await _fail(
            session,
            upload,
            "sha256_mismatch",
            "The SHA-256 of the bytes is not the announced one; upload it again.",
        )
    await session.execute(select(func.pg_advisory_xact_lock(int.from_bytes(sha256[:8], signed=True))))
    blob = await session.scalar(select(Blob).where(Blob.sha256 == sha256).with_for_update())
    spare: str | None = None
    if blob is None:
        blob = Blob(
            sha256=sha256,
            size=digests.size,
            storage_key=upload.storage_key,
            content_type=upload.content_type,
            blake3=bytes.fromhex(digests.blake3),
            crc32=bytes.fromhex(digests.crc32),
            autov1=digests.autov1,
            autov3=digests.autov3,
            orphaned_at=clock.now(),
        )
        session.add(blob)
        await session.flush()
    else:
        if blob.orphaned_at is not None:
            blob.orphaned_at = clock.now()
        spare = upload.storage_key if blob.storage_key != upload.storage_key else None
    upload.status, upload.blob_id = UploadStatus.DONE, blob.id
    upload.verified_bytes, upload.finished_at = digests.size, clock.now()
    await publish(session, BlobVerified(blob.id, upload.id, upload.person_id, upload.purpose))
    return spare


async def failed(session: AsyncSession, *, upload_id: uuid.UUID, code: str, message: str) -> str | None:
    """Fail an upload for a reason found while reading; returns the storage key to remove."""
    upload = await session.scalar(select(Upload).where(Upload.id == upload_id).with_for_update())
    if upload is None or upload.status != UploadStatus.VERIFYING:
        return None
    return await _fail(session, upload, code, message)


async def _fail(session: AsyncSession, upload: Upload, code: str, message: str) -> str:
    upload.status, upload.finished_at = UploadStatus.FAILED, clock.now()
    upload.error_code, upload.error_message = code, message
    await publish(session, UploadFailed(upload.id, upload.person_id, code))
    return upload.storage_key


async def of_person(
    session: AsyncSession, actor: Actor, *, status: str, limit: int = 200
) -> Sequence[Upload]:
    """The actor's uploads of one status, newest first."""
    found = await session.scalars(
        select(Upload)
        .where(Upload.person_id == actor.require(), Upload.status == status)
        .order_by(Upload.created_at.desc())
        .limit(limit)
    )
    return found.all()
