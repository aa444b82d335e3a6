"""Model files: on which machines they lie ready, where they are fetched now, and what waits for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.orchestration.offering import SQL
from civitas.kit import clock, paging
from civitas.kit.paging import Page


@dataclass(frozen=True, slots=True)
class Availability:
    """Ready on `workers` machines; else being fetched by `fetching`, so far; else waited for at `position`."""

    workers: int = 0
    fetching: int = 0
    progress: float = 0.0
    started_at: datetime | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that waiting jobs need and no machine has."""

    air: str
    version_id: int | None
    digest: str
    position: int


async def of(
    session: AsyncSession, digests: Collection[str], *, lease_s: float
) -> Mapping[str, Availability]:
    """How files are available, by their SHA-256 in upper case; every one that was asked for is there."""
    asked = {"digests": list(digests), "alive": _alive(lease_s)}
    ready = {row.digest: row.workers for row in await session.execute(text(SQL["holders"]), asked)}
    fetched = {
        row.digest: row for row in await session.execute(text(SQL["fetched"]), {"digests": list(digests)})
    }
    made = {}
    for digest in digests:
        row = fetched.get(digest)
        made[digest] = Availability(
            workers=ready.get(digest, 0),
            fetching=row.workers if row else 0,
            progress=float(row.progress or 0) if row else 0.0,
            started_at=row.started_at if row else None,
        )
    missing = {digest for digest, one in made.items() if not one.workers and not one.fetching}
    if missing:
        rows = await session.execute(text(SQL["wanted"]), {"alive": _alive(lease_s)})
        made |= {row.digest: Availability(position=row.position) for row in rows if row.digest in missing}
    return made


async def wanted(
    session: AsyncSession, *, lease_s: float, cursor: str | None = None, take: int = 100
) -> Page[Wanted]:
    """What is waited for, in the order in which it is needed. Raises Invalid (`bad_cursor`)."""
    after = int(paging.decode(cursor, int)[0] or 0) if cursor else 0
    rows = (await session.execute(text(SQL["wanted"]), {"alive": _alive(lease_s)})).all()
    found = [
        Wanted(row.air, row.version_id, row.digest, row.position) for row in rows if row.position > after
    ]
    shown = found[:take]
    return Page(shown, paging.encode(shown[-1].position) if len(found) > take else None)


def _alive(lease_s: float) -> datetime:
    return clock.now() - timedelta(seconds=lease_s)
