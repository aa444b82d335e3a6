"""Background work of saved searches: looking for what is new, forgetting what was told long ago."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.site import SiteInfo
from civitas.domains.accounts import actors
from civitas.domains.accounts.types import Actor
from civitas.domains.community.searches import keeping, looking
from civitas.infra.db.readpool import ReadPool
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every
from civitas.kit import clock
from civitas.kit.errors import NotFound

BATCH: Final = 200
# A search is looked after this often; a task that comes a little early looks all the same.
PAUSE: Final = timedelta(minutes=4)


@every("5m")
async def look_for_matches(context: TaskContext) -> None:
    """Look at every subscribed search that is due: what is newer than its mark, as its person may see it."""
    reads: ReadPool = context.port(ReadPool)
    site: SiteInfo = context.port(SiteInfo)
    before = clock.now() - PAUSE
    while True:
        async with context.reading() as session:
            batch = await looking.due(session, before=before, limit=BATCH)
            people = {one.person_id for one in batch}
            known = {person: await _actor(session, person) for person in people}
            heard = {person: await keeping.heard_of(session, person) for person in people}
        for search in batch:
            actor = known[search.person_id]
            wanted = actor is not None and search.id in heard[search.person_id]
            found = (
                await looking.matches(
                    reads, actor, search.place, search.pairs, mask=actor.mask, since=search.since
                )
                if actor is not None and wanted
                else []
            )
            async with context.unit() as session:
                if actor is not None:
                    await looking.tell(session, search, actor, found, base=site.base_url.rstrip("/"))
        if len(batch) < BATCH:
            return


@every("1d")
async def forget_matches(context: TaskContext) -> None:
    """Forget what was told a month ago."""
    while True:
        async with context.unit() as session:
            if await looking.sweep(session, limit=10_000) < 10_000:
                return


async def _actor(session: AsyncSession, person_id: int) -> Actor | None:
    try:
        return await actors.actor_named(session, person_id)
    except NotFound:
        return None
