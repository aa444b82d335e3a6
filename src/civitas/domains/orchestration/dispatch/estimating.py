"""What can be told to those who wait: how many are before them, when it begins, how far it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.agent_rules import AgentRules
from civitas.domains.orchestration.dispatch.statements import PACKAGE, run
from civitas.domains.orchestration.types import Status
from civitas.infra.db.readpool import ReadPool
from civitas.kit import clock, sql

FILE: Final = "estimating.sql"
MOST_AHEAD: Final = 10_000
# What is not done is never told to be.
ALMOST: Final = 0.99
LONGEST: Final = timedelta(days=30)


class Support(StrEnum):
    """Whether anybody can do a job: nobody ever could, somebody could who is away, somebody can."""

    UNSUPPORTED = "unsupported"
    UNAVAILABLE = "unavailable"
    AVAILABLE = "available"


@dataclass(frozen=True, slots=True)
class Outlook:
    """How an open job stands. Times are estimates from measured throughput; None where nothing was measured yet."""

    support: Support
    # Waiting jobs before it; None once it runs.
    preceding: int | None
    start_at: datetime | None
    complete_at: datetime | None
    # From 0 to 1; None while it waits or nothing is known.
    progress: float | None


async def outlooks(session: AsyncSession, jobs: Sequence[str], *, rules: AgentRules) -> Mapping[str, Outlook]:
    """The outlook of every one of these jobs that is open, in one statement."""
    if not jobs:
        return {}
    rows = await run(session, FILE, "jobs", **_asked(jobs, rules))
    return {row[0]: _outlook(*row[1:]) for row in rows}


async def outlooks_now(reads: ReadPool, jobs: Sequence[str], *, rules: AgentRules) -> Mapping[str, Outlook]:
    """The same without a transaction."""
    if not jobs:
        return {}
    rows = await reads.fetch(_JOBS, _asked(jobs, rules))
    return {row[0]: _outlook(*row[1:]) for row in rows}


_JOBS: Final = sql.statements(PACKAGE, FILE)["jobs"]


def _asked(jobs: Sequence[str], rules: AgentRules) -> dict[str, Any]:
    since = clock.now() - timedelta(seconds=rules.lease_s)
    return {"jobs": list(jobs), "since": since, "most": MOST_AHEAD}


def _outlook(
    status: str,
    complexity: float,
    told: float | None,
    started_at: datetime | None,
    known: int,
    alive: int,
    throughput: float | None,
    speed: float | None,
    ahead: int | None,
    work: float | None,
) -> Outlook:
    support = Support.AVAILABLE if alive else Support.UNAVAILABLE if known else Support.UNSUPPORTED
    takes = _seconds(complexity, speed)
    if status == Status.UNASSIGNED:
        start = _later(clock.now(), _seconds(float(work or 0), throughput))
        return Outlook(support, ahead, start, _later(start, takes), None)
    progress = told
    if progress is None and started_at is not None and speed:
        elapsed = (clock.now() - started_at).total_seconds()
        progress = min(ALMOST, max(0.0, elapsed * speed / complexity)) if complexity > 0 else None
    left = takes * (1 - (progress or 0.0)) if takes is not None else None
    return Outlook(support, None, started_at, _later(clock.now(), left), progress)


def _seconds(work: float, speed: float | None) -> float | None:
    return work / speed if speed else None


def _later(moment: datetime | None, seconds: float | None) -> datetime | None:
    if moment is None or seconds is None or seconds > LONGEST.total_seconds():
        return None
    return moment + timedelta(seconds=seconds)
