"""What waits and what runs, by capability: the operators' look at the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.orchestration.dispatch.matching import EVERY
from civitas.kit import clock
from civitas.kit.sql import statements

_SQL = statements("civitas.domains.orchestration.dispatch", "queues.sql")


@dataclass(frozen=True, slots=True)
class Queue:
    """One capability: jobs that wait, since when the oldest does, jobs that run, and agents that could run them.

    `lately` counts the jobs of the last hour that ended, `failed` those of them that failed.
    """

    capability: str
    waiting: int
    oldest: datetime | None
    running: int
    agents: int
    lately: int
    failed: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """A job that failed: of which workflow, at which agent, and why."""

    job_id: str
    workflow_id: str
    capability: str
    agent_id: int | None
    reason: str | None
    ended_at: datetime


async def queues(session: AsyncSession, actor: Actor, *, lease_s: float) -> list[Queue]:
    """Every capability with something waiting, running or ended within the hour, the fullest first. Raises Forbidden."""
    actor.require_moderator()
    rows = await session.execute(
        text(_SQL["queues"]), {"now": clock.now(), "lease": lease_s, "every": f"/{EVERY}"}
    )
    return [Queue(*row) for row in rows]


async def troubles(session: AsyncSession, actor: Actor, *, most: int = 20) -> Sequence[Trouble]:
    """The jobs that failed last, within a day. Raises Forbidden."""
    actor.require_moderator()
    rows = await session.execute(text(_SQL["troubles"]), {"now": clock.now(), "most": most})
    return [Trouble(*row) for row in rows]
