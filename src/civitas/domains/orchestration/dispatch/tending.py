"""Tending the queue: leases that lapsed, jobs that nobody can run, bytes that nobody took."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.agent_rules import AgentRules
from civitas.domains.orchestration import job_ends
from civitas.domains.orchestration.dispatch import leases
from civitas.domains.orchestration.dispatch.statements import run
from civitas.domains.orchestration.types import Reason
from civitas.infra.db.database import Units
from civitas.kit import clock

FILE: Final = "tending.sql"
BATCH: Final = 500
# Nobody uploads for so long under a claim that has ended.
UPLOAD_AGE: Final = timedelta(hours=6)


async def lapsed(units: Units) -> int:
    """Take back what is past its lease; fail what agents keep falling silent over. How many jobs failed so."""
    async with units.unit() as session:
        worn = await leases.expire(session)
    for job, agent in worn:
        async with units.unit() as session:
            await job_ends.job_failed(
                session,
                job_id=job,
                reason=Reason.TIMEOUT.value,
                blocked_reason=None,
                transient=False,
                agent_id=agent,
            )
    return len(worn)


async def unserved(units: Units, settings: AgentRules) -> int:
    """End waiting jobs that no living agent could run for `no_provider_s`; how many.

    The time runs from when this was first seen, so that nothing ends because we ourselves were away for a while.
    """
    now = clock.now()
    async with units.unit() as session:
        since = now - leases.lease(settings)
        found = [row[0] for row in await run(session, FILE, "unserved", since=since)]
        await run(session, FILE, "unmark", jobs=found)
        await run(session, FILE, "mark", jobs=found, now=now)
        before = now - timedelta(seconds=settings.no_provider_s)
        due = [row[0] for row in await run(session, FILE, "due", before=before, most=BATCH)]
    for job in due:
        async with units.unit() as session:
            await job_ends.job_failed(
                session,
                job_id=job,
                reason=Reason.NO_PROVIDER.value,
                blocked_reason=None,
                transient=False,
                agent_id=0,
            )
    return len(due)


async def stale_uploads(session: AsyncSession) -> list[str]:
    """Keys of uploads that will never be a blob; `forget_uploads` once they are deleted."""
    rows = await run(session, FILE, "stale_uploads", before=clock.now() - UPLOAD_AGE, most=BATCH)
    return [row[0] for row in rows]


async def forget_uploads(session: AsyncSession, keys: list[str]) -> None:
    """Their bytes are gone."""
    await run(session, FILE, "forget_uploads", keys=keys)
