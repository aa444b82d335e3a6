"""How much somebody may bring in, by tier: bytes kept at one time, and uploads in a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.kit import clock
from civitas.kit.errors import Limited, TooLarge

_DAY: Final = timedelta(days=1)
GIB: Final = 2**30


@dataclass(frozen=True, slots=True)
class Quota:
    """What the tier allows and what is taken; -1 is no limit."""

    most_bytes: int
    most_uploads: int
    bytes_kept: int
    uploads_today: int

    @property
    def room(self) -> int | None:
        """Bytes that may still come; None without a limit."""
        return None if self.most_bytes < 0 else max(0, self.most_bytes - self.bytes_kept)


async def of_person(session: AsyncSession, person_id: int) -> Quota:
    """The quota of somebody now. What was made for them does not count, and what workflows fetched is no upload."""
    tier = (await entitlements(session, person_id)).key
    rules = economy.current().blobs
    allowed = rules.get(tier) or rules["free"]
    kept, today = (
        await session.execute(
            select(
                func.coalesce(func.sum(MediaBlob.size), 0),
                func.count().filter(
                    MediaBlob.created_at > clock.now() - _DAY, MediaBlob.workflow_id.is_(None)
                ),
            ).where(MediaBlob.person_id == person_id, MediaBlob.job_id.is_(None), MediaBlob.size.is_not(None))
        )
    ).one()
    return Quota(
        allowed.stored_gb * GIB if allowed.stored_gb >= 0 else -1,
        allowed.uploads_a_day,
        int(kept or 0),
        int(today or 0),
    )


async def admit(
    session: AsyncSession, person_id: int, *, size: int = 0, lock: bool = False, upload: bool = True
) -> Quota:
    """The quota, when so many bytes more fit into it; with `lock`, no two uploads of one person are counted at once.

    Without `upload` it is not counted as one.

    Raises Limited (`upload_quota`) after the day's last upload, TooLarge (`storage_quota`) when nothing more fits.
    """
    if lock:
        await session.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended('blob quota ' || :person, 0))"),
            {"person": str(person_id)},
        )
    quota = await of_person(session, person_id)
    if upload and 0 <= quota.most_uploads <= quota.uploads_today:
        raise Limited(
            f"{quota.most_uploads:,} uploads a day are the most with your membership; go on tomorrow.",
            retry_after=3_600,
            code="upload_quota",
        )
    room = quota.room
    if room is not None and (size > room or room == 0):
        raise TooLarge(
            f"You keep {quota.bytes_kept / GIB:.2f} GiB of blobs and {quota.most_bytes / GIB:g} GiB are the most with your "
            "membership; they go by themselves after 30 days without use.",
            code="storage_quota",
        )
    return quota
