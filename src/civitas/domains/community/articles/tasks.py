"""Schedules of articles."""

from __future__ import annotations

from civitas.domains.community.articles import counting, publishing
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every


@every("1m")
async def publish_scheduled_articles(context: TaskContext) -> None:
    """Publish articles whose time has come."""
    while True:
        async with context.unit() as session:
            if await publishing.publish_due(session) == 0:
                return


@every("1m")
async def fold_article_views(context: TaskContext) -> None:
    """Count who read what."""
    while True:
        async with context.unit() as session:
            if await counting.fold(session) == 0:
                return


@every("40 3 * * *")
async def forget_article_views(context: TaskContext) -> None:
    """Let go of who read what long ago."""
    async with context.unit() as session:
        await counting.forget(session)
