"""How long blobs, archives and previews stay, and which bytes belong to nobody. In batches, each of one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.kit import clock

BATCH: Final = 500
# A blob of which only the row is left is shown as gone for as long as workflows are kept.
MARKED: Final = timedelta(days=60)

# What a workflow still points at stays as a row without bytes; everything else goes altogether.
_EXPIRE = text(
    """
    WITH ended AS MATERIALIZED (
        SELECT id, storage_key, workflow_id FROM orchestration_blobs
         WHERE expires_at < :now ORDER BY expires_at LIMIT :most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM orchestration_blobs AS b USING ended AS e
         WHERE b.id = e.id AND (e.workflow_id IS NULL OR e.storage_key IS NULL)
    ), marked AS (
        UPDATE orchestration_blobs AS b
           SET storage_key = NULL, size = NULL, available_at = NULL, expires_at = :later
          FROM ended AS e WHERE b.id = e.id AND e.workflow_id IS NOT NULL AND e.storage_key IS NOT NULL
    )
    SELECT id, storage_key FROM ended
    """
)
_ARCHIVES = text(
    """
    DELETE FROM blob_archives WHERE id IN (
        SELECT id FROM blob_archives WHERE expires_at < :now ORDER BY expires_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    """
)
_KNOWN = text(
    """
    SELECT storage_key FROM orchestration_blobs WHERE storage_key = ANY(:keys)
    UNION ALL SELECT storage_key FROM claim_uploads WHERE storage_key = ANY(:keys)
    """
)
_SHOWN = text(
    """
    SELECT preview FROM jobs WHERE id = ANY(:jobs) AND preview IS NOT NULL
       AND status IN ('unassigned', 'preparing', 'scheduled', 'processing')
    """
)


async def expire(session: AsyncSession) -> tuple[int, Sequence[str]]:
    """Let a batch of blobs go whose time is over: how many, and the keys of their bytes, to be removed once committed."""
    now = clock.now()
    rows = (await session.execute(_EXPIRE, {"now": now, "later": now + MARKED, "most": BATCH})).all()
    return len(rows), [row.storage_key for row in rows if row.storage_key is not None]


async def forget_archives(session: AsyncSession) -> int:
    """Remove a batch of archives that can be had no longer; how many."""
    done = await session.execute(_ARCHIVES, {"now": clock.now(), "most": BATCH})
    return int(getattr(done, "rowcount", 0))


async def strays(session: AsyncSession, keys: Sequence[str]) -> list[str]:
    """Of these keys of the store, those that no blob and no agent's upload is known under."""
    known = set(await session.scalars(_KNOWN, {"keys": list(keys)}))
    return [key for key in keys if key not in known]


async def stray_previews(session: AsyncSession, keys: Sequence[str]) -> list[str]:
    """Of these keys of previews, those that no running job shows."""
    # `orchestration/previews/job_.../...`, all in lower case.
    jobs = {f"job_{key.split('/')[2].removeprefix('job_').upper()}" for key in keys if key.count("/") == 3}
    shown = set(await session.scalars(_SHOWN, {"jobs": list(jobs)}))
    return [key for key in keys if key not in shown]


def old_enough(modified: datetime) -> bool:
    """Whether nobody can still be about to write the row of these bytes."""
    return modified < clock.now() - timedelta(days=1)
