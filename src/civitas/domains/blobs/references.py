"""Who needs which bytes; what nobody needs is removed after a grace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, exists, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.blobs.tables import Blob, BlobReference
from civitas.kit import clock
from civitas.kit.errors import NotFound

SWEEP_BATCH = 200


async def add(session: AsyncSession, *, blob_id: int, kind: str, subject_id: int) -> None:
    """Hold a blob for a row of a domain above; holding twice is holding. NotFound when it was removed."""
    locked = await session.scalar(select(Blob.id).where(Blob.id == blob_id).with_for_update())
    if locked is None:
        raise NotFound("These bytes are no longer kept; upload them again.", code="blob_not_found")
    await session.execute(
        insert(BlobReference)
        .values(blob_id=blob_id, kind=kind, subject_id=subject_id)
        .on_conflict_do_nothing()
    )
    await session.execute(update(Blob).where(Blob.id == blob_id).values(orphaned_at=None))


async def drop(session: AsyncSession, *, blob_id: int, kind: str, subject_id: int) -> None:
    """Let a blob go; with the last reference its grace begins."""
    await session.scalar(select(Blob.id).where(Blob.id == blob_id).with_for_update())
    await session.execute(
        delete(BlobReference).where(
            BlobReference.blob_id == blob_id,
            BlobReference.kind == kind,
            BlobReference.subject_id == subject_id,
        )
    )
    await session.execute(
        update(Blob)
        .where(Blob.id == blob_id, ~exists().where(BlobReference.blob_id == Blob.id))
        .values(orphaned_at=clock.now())
    )


async def take_orphans(session: AsyncSession, *, before: datetime, limit: int = SWEEP_BATCH) -> Sequence[str]:
    """Delete the rows of blobs unneeded since `before` and return the storage keys of their bytes."""
    doomed = (
        select(Blob.id)
        .where(Blob.orphaned_at < before, ~exists().where(BlobReference.blob_id == Blob.id))
        .order_by(Blob.orphaned_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = await session.scalars(delete(Blob).where(Blob.id.in_(doomed)).returning(Blob.storage_key))
    return found.all()
