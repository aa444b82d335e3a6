"""Places in the queue: start-time fair queueing between people, less what a priority is worth.

A person's turn is how far they have been served. A job that comes begins where the queue is now, or where its person
is, whichever is later, and moves the person on by its work over their weight: whoever asks much waits behind whoever
asks little, and nobody who was away has saved anything up.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.orchestration import pricing, turns
from civitas.domains.orchestration.locking import Run
from civitas.domains.orchestration.tables import Job
from civitas.domains.orchestration.types import Priority
from civitas.infra.db.statements import fetch


async def place(
    session: AsyncSession, jobs: Sequence[Job], *, person_id: int, weight: float, worth: Sequence[float]
) -> None:
    """Give new jobs their places, one behind the other; `worth` is what each one's priority moves it forward.

    Call it once for all jobs of a unit: it takes the lock of the person's turn.
    """
    if not jobs:
        return
    turn = turns.lined_up(jobs, person_id, weight, worth)
    ((start,),) = await fetch(session, turns.TURN, turn.values())
    turns.move(jobs, float(start or 0))


async def place_new(session: AsyncSession, run: Run, jobs: Sequence[Job]) -> None:
    """Places for the new jobs of a workflow: its person's weight is by their tier."""
    turn = await lined_up(session, run, jobs)
    if turn is not None:
        ((start,),) = await fetch(session, turns.TURN, turn.values())
        turns.move(jobs, float(start or 0))


async def lined_up(session: AsyncSession, run: Run, jobs: Sequence[Job]) -> turns.Turn | None:
    """The same for a caller that asks for the turn and moves the jobs there as it writes them. None without jobs."""
    if not jobs:
        return None
    rules = pricing.book().queue
    member = run.member or await entitlements(session, run.workflow.person_id)
    worth = [float(rules.forward[Priority(run.step_of(job).priority).value]) for job in jobs]
    weight = float(rules.weights.get(member.key, 1))
    return turns.lined_up(jobs, run.workflow.person_id, weight, worth)
