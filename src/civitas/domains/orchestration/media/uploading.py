"""Uploads: by bytes with a key, or by a link that serves once. The bytes themselves pass through `infra.media.intake`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.wire.jobs import MediaKind
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.orchestration import blobs
from civitas.domains.orchestration.blobs import BlobFacts
from civitas.domains.orchestration.media import blocking, quotas
from civitas.domains.orchestration.media.links import MediaLinks
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.types import Level
from civitas.infra.media.arrived import Arrived
from civitas.kit import clock
from civitas.kit.errors import Conflict, Unprocessable


async def presign(session: AsyncSession, actor: Actor, *, links: MediaLinks) -> tuple[str, datetime]:
    """Where one blob can be uploaded without a key, once, and until when. Raises Limited, TooLarge (see `quotas`)."""
    person = actor.require(Scope.AI_SERVICES_WRITE)
    await quotas.admit(session, person)
    return links.upload_url(blob_id=blobs.new_id(), person_id=person)


async def admit(session: AsyncSession, *, person_id: int, blob_id: str | None = None) -> int | None:
    """Before bytes are taken: how many may come, None without a limit.

    `blob_id` is the id of an upload's grant. Raises Limited, TooLarge (see `quotas`), Conflict (`upload_used`).
    """
    if blob_id is not None and await session.scalar(select(MediaBlob.id).where(MediaBlob.id == blob_id)):
        raise _used()
    return (await quotas.admit(session, person_id)).room


async def record(
    session: AsyncSession,
    *,
    person_id: int,
    arrived: Arrived,
    blob_id: str | None = None,
    workflow_id: str | None = None,
) -> BlobFacts:
    """Make a blob of bytes that were taken in. When it raises, the caller removes them from the store.

    With a workflow it was fetched for that and is no upload. Raises Unprocessable (`blob_blocked`), Limited and TooLarge
    (see `quotas`), Conflict (`upload_used`).
    """
    await quotas.admit(session, person_id, size=arrived.size, lock=True, upload=workflow_id is None)
    phash = blocking.signed(arrived.phash) if arrived.phash is not None else None
    reason = arrived.blocked or await blocking.reason_for(session, sha256=arrived.sha256, phash=phash)
    if reason is not None:
        raise Unprocessable(
            "These bytes are blocked here and were not kept.",
            code="blob_blocked",
            details={"blockedReason": reason},
        )
    chosen = blob_id or blobs.new_id()
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('blob ' || :blob, 0))"), {"blob": chosen}
    )
    if blob_id is not None and await session.scalar(select(MediaBlob.id).where(MediaBlob.id == blob_id)):
        raise _used()
    now = clock.now()
    blob = MediaBlob(
        id=chosen,
        person_id=person_id,
        workflow_id=workflow_id,
        kind=MediaKind(arrived.kind).value,
        media_type=arrived.media_type,
        storage_key=arrived.storage_key,
        size=arrived.size,
        sha256=arrived.sha256,
        width=arrived.width,
        height=arrived.height,
        phash=phash,
        nsfw_level=Level(arrived.level or Level.UNRATED).value,
        created_at=now,
        available_at=now,
        expires_at=now + blobs.RETENTION,
    )
    session.add(blob)
    await session.flush()
    return blobs.facts_of(blob)


def _used() -> Conflict:
    return Conflict("This link has served; ask for a new one.", code="upload_used")
