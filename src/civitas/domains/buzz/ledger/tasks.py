"""What the ledger does by itself: folding, expiring, proving."""

from __future__ import annotations

import structlog

from civitas.domains.buzz.ledger import adjusting, auditing, holds, posting, statistics
from civitas.infra.db.writepool import WritePool
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every

log = structlog.get_logger(__name__)
ROUNDS = 50


@every("1m")
async def fold_credits(context: TaskContext) -> None:
    """Add credits that found their account's row taken."""
    writes = context.port(WritePool)
    for _ in range(ROUNDS):
        if await posting.fold(writes) == 0:
            return


@every("1m")
async def expire_holds(context: TaskContext) -> None:
    """Give back what is held by holds whose time is over."""
    for _ in range(ROUNDS):
        async with context.unit() as session:
            if await holds.expire(session) < holds.EXPIRE_BATCH:
                return


@every("1m")
async def fold_days(context: TaskContext) -> None:
    """Add what was posted to the daily sums that charts and lifetimes are read from."""
    for _ in range(ROUNDS):
        async with context.unit() as session:
            if not await statistics.fold(session):
                return


@every("10m")
async def note_supply(context: TaskContext) -> None:
    """Keep what all accounts hold, for the transparency report and for metrics."""
    async with context.unit() as session:
        await statistics.note_supply(session)


@every("1h")
async def expire_adjustments(context: TaskContext) -> None:
    """Let go of adjustments for which nobody gave a second consent in time."""
    async with context.unit() as session:
        await adjusting.expire(session)


@every("40 3 * * *")
async def audit_ledger(context: TaskContext) -> None:
    """Rebuild every balance from history; what is wrong goes to the log as an error and fails the task."""
    async with context.reading() as session:
        found = await auditing.audit(session)
    log.info("buzz.audit", entries=found.entries, postings=found.postings, supply=dict(found.supply))
    if not found.sound:
        for finding in found.findings:
            log.error("buzz.audit.broken", law=finding.law, subject=finding.subject, told=finding.told)
        raise RuntimeError(f"the ledger breaks {len(found.findings)} laws; `civitas buzz audit` shows which")
