"""Pictures of work under way: one look a second serves everybody who watches in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.orchestration.tables import Job
from civitas.domains.orchestration.types import Status
from civitas.kit.errors import Limited, NotFound

LOOK_S: Final = 1.0
MOST_WATCHERS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Preview:
    """The newest picture of a job, None before the first, and whether the job has ended."""

    storage_key: str | None
    ended: bool


async def newest(session: AsyncSession, job_ids: Collection[str]) -> Mapping[str, Preview]:
    """The newest picture of each of these jobs; jobs that are not there are left out."""
    rows = await session.execute(select(Job.id, Job.preview, Job.status).where(Job.id.in_(set(job_ids))))
    return {row.id: Preview(row.preview, Status(row.status).final) for row in rows}


@dataclass(slots=True, eq=False)
class _Watcher:
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    newest: Preview | None = None


class Watching:
    """Everybody who watches jobs in this process."""

    def __init__(self, units: Any, look_s: float = LOOK_S) -> None:
        """`units` opens the read-only transactions."""
        self._units = units
        self._look_s = look_s
        self._watchers: dict[str, set[_Watcher]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def watch(self, job_id: str) -> AsyncGenerator[str, None]:
        """The storage key of each new picture until the job ends. Raises NotFound (`job_not_found`), Limited."""
        if sum(map(len, self._watchers.values())) >= MOST_WATCHERS:
            raise Limited("Too many watch already; try again.", retry_after=10, code="too_many_streams")
        watcher = _Watcher()
        self._watchers.setdefault(job_id, set()).add(watcher)
        try:
            async with self._units.reading() as session:
                found = (await newest(session, [job_id])).get(job_id)
            if found is None:
                raise NotFound("There is no such job.", code="job_not_found")
            shown = None
            while True:
                if found.storage_key is not None and found.storage_key != shown:
                    shown = found.storage_key
                    yield shown
                if found.ended:
                    return
                self._keep_looking()
                await watcher.changed.wait()
                watcher.changed.clear()
                found = watcher.newest or Preview(None, True)
        finally:
            left = self._watchers[job_id] - {watcher}
            if left:
                self._watchers[job_id] = left
            else:
                del self._watchers[job_id]

    def close(self) -> None:
        """End every stream, now."""
        if self._looking is not None:
            self._looking.cancel()
        for job_id in list(self._watchers):
            self._tell(job_id, None)

    async def closed(self) -> None:
        """End every stream, and wait until the look has ended."""
        self.close()
        if self._looking is not None:
            with suppress(asyncio.CancelledError):
                await self._looking

    def _keep_looking(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        known: dict[str, Preview] = {}
        while self._watchers:
            await asyncio.sleep(self._look_s)
            async with self._units.reading() as session:
                found = await newest(session, list(self._watchers))
            for job_id in list(self._watchers):
                now = found.get(job_id)
                if now is None or now.ended or known.get(job_id) != now:
                    self._tell(job_id, now)
            known = dict(found)

    def _tell(self, job_id: str, preview: Preview | None) -> None:
        for watcher in self._watchers.get(job_id, ()):
            watcher.newest = preview
            watcher.changed.set()
