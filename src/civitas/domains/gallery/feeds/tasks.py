"""Background work on feeds and counts."""

from __future__ import annotations

import structlog

from civitas.domains.gallery.feeds import auditing, counting, index_audit, rows
from civitas.domains.gallery.feeds.messages import FoldCounts, RebuildFeed
from civitas.domains.gallery.feeds.rows import Difference
from civitas.infra.db.database import driver_connection
from civitas.infra.db.readpool import BoundReads
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every, handles
from civitas.infra.search import asking, changes
from civitas.infra.search.asking import SocketIndex

log = structlog.get_logger(__name__)


@handles(FoldCounts)
async def fold_counts(_: FoldCounts, context: TaskContext) -> None:
    """Take all changes that wait into the counts, a batch a transaction."""
    while True:
        async with context.unit() as session:
            if await counting.fold(session) < counting.BATCH:
                return


@handles(RebuildFeed)
async def rebuild_feed(message: RebuildFeed, context: TaskContext) -> None:
    """Write rows of the feed anew, a batch a transaction."""
    after = message.after
    while True:
        async with context.unit() as session:
            ids = await rows.some_of(session, message.scope, message.subject_id, after)
            await rows.rebuild(session, ids)
        if len(ids) < rows.BATCH:
            return
        after = ids[-1]


@every("1m")
async def fold_counts_left_behind(context: TaskContext) -> None:
    """Fold what a lost task left waiting; fill a feed that is empty though there are pictures."""
    await fold_counts(FoldCounts(), context)
    async with context.reading() as session:
        unfilled = await rows.unfilled(session)
    if unfilled:
        await audit_feed(context)


@every("1m")
async def prune_index_changes(context: TaskContext) -> None:
    """Let go of changes that every index has heard of."""
    async with context.unit() as session:
        await changes.prune(session)


@every("1h")
async def keep_feed_fresh(context: TaskContext) -> None:
    """Take what has become old out of the orders by week, and count what plans are made by."""
    while True:
        async with context.unit() as session:
            if await rows.age(session) == 0:
                break
    async with context.unit() as session:
        await rows.count_terms(session)


@every("40 3 * * *")
async def audit_feed(context: TaskContext) -> None:
    """Hold the whole feed against the facts and put right what differs."""
    found, after = Difference(), 0
    while True:
        async with context.unit() as session:
            wrong, last = await auditing.step(session, after=after)
        found += wrong
        if last is None:
            break
        after = last
    if found.total:
        log.warning("feed_repaired", looked_at=found.looked_at, wrong=found.total)
    index = asking.current()
    if isinstance(index, SocketIndex):
        async with context.reading() as session:
            compared = await index_audit.compare(BoundReads(await driver_connection(session)), index)
        if compared.wrong:
            log.warning("index_differed", wrong=compared.wrong[:20], then="it loads anew")
