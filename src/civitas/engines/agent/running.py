"""One job from its claim to the word of how it ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog

from civitas.contracts.wire.jobs import Failed, Job, Rejected, Result, Succeeded
from civitas.engines.agent.board import Board, Shown
from civitas.engines.agent.client import (
    CallRefused,
    ClaimLost,
    NotRegistered,
    Orchestrator,
    ServerAway,
    TokenRefused,
)
from civitas.engines.agent.desk import JobDesk
from civitas.engines.agent.engine import Engine, JobFailed, JobRejected
from civitas.kit import clock

log = structlog.get_logger(__name__)

RESULT_PATIENCE_S: Final = 600.0

Outcome = Succeeded | Failed | Rejected


def engine_for(capability: str, engines: Sequence[Engine]) -> Engine | None:
    """The first engine that offers exactly this, or `x/*` for `x/anything`."""
    family = capability.partition("/")[0] + "/*"
    for wanted in (capability, family):
        for engine in engines:
            if wanted in engine.capabilities():
                return engine
    return None


async def outcome_of(job: Job, desk: JobDesk, engines: Sequence[Engine]) -> Outcome:
    """Run the job; whatever goes wrong in it is an outcome. Raises ClaimLost, and CancelledError when cancelled."""
    engine = engine_for(job.capability, engines)
    if engine is None:
        return Rejected(reason=f"This agent does not offer {job.capability}."[:1000])
    try:
        async with asyncio.timeout(_seconds_left(job.expires_at)) as limit:
            return await engine.run(job, desk)
    except JobFailed as failed:
        return Failed(
            reason=failed.reason[:1000] or "The job failed.",
            blocked_reason=failed.blocked_reason and failed.blocked_reason[:200],
            transient=failed.transient,
            seconds=desk.seconds,
        )
    except JobRejected as rejected:
        return Rejected(reason=rejected.reason[:1000] or "Rejected.")
    except TimeoutError:
        why = (
            "The job's time was over." if limit.expired() else "Something that the job needs did not answer."
        )
        return Failed(reason=why, transient=not limit.expired(), seconds=desk.seconds)
    except MemoryError:
        return Failed(reason="The agent ran out of memory.", transient=True, seconds=desk.seconds)
    except (ClaimLost, TokenRefused):
        raise
    except Exception:
        # An engine's own mistake fails this job and nothing else.
        log.exception("job.broke", job=job.id, capability=job.capability)
        return Failed(reason="The agent failed at this job in a way it did not foresee.", transient=True)


def _seconds_left(moment: datetime | None) -> float | None:
    return None if moment is None else max(0.0, (moment - clock.now()).total_seconds())


async def deliver_result(orchestrator: Orchestrator, claim: int, outcome: Outcome) -> None:
    """Say it until it is heard. Raises ClaimLost when it no longer counts, ServerAway after ten minutes of silence."""
    deadline, pause = time.monotonic() + RESULT_PATIENCE_S, 0.5
    while True:
        try:
            await orchestrator.result(claim, Result(result=outcome))
            return
        except (ServerAway, NotRegistered):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, 15.0)
        except CallRefused as refused:
            if isinstance(outcome, Failed):
                raise ClaimLost(str(refused)) from refused
            # What was said is not acceptable: the job must not wait for its lease to run out.
            outcome = Failed(reason=f"The result was not accepted: {refused}"[:1000], seconds=0)


def tell_board(board: Board, shown: Shown, outcome: Outcome) -> None:
    """Note on the board and in the log how the job ended."""
    reason = None if isinstance(outcome, Succeeded) else outcome.reason
    board.end(shown, outcome.outcome, reason)
    log.info(
        "job." + outcome.outcome,
        job=shown.id,
        capability=shown.capability,
        seconds=round(time.monotonic() - shown.began, 2),
        reason=reason,
    )
