"""Places in the queue: start-time fair queueing between people, less what a priority is worth.

A person's turn is how far they have been served. A job that comes begins where the queue is now, or where its person
is, whichever is later, and moves the person on by its work over their weight: whoever asks much waits behind whoever
asks little, and nobody who was away has saved anything up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.orchestration import pricing
from civitas.domains.orchestration.locking import Run
from civitas.domains.orchestration.tables import Job
from civitas.domains.orchestration.types import Priority
from civitas.infra.db.statements import fetch

# Where the queue is: at the first job that waits for the same capability; with nobody waiting, at whoever is furthest.
_TURN: Final = """
    INSERT INTO queue_turns AS q (person_id, turn)
    SELECT %(person)s::bigint, n.here + %(work)s::float8
      FROM (SELECT coalesce(
              (SELECT min(w.place) FROM (
                 SELECT (SELECT j.place FROM jobs j
                          WHERE j.status = 'unassigned' AND j.capability = c.capability
                          ORDER BY j.place LIMIT 1) AS place
                   FROM unnest(%(capabilities)s::text[]) AS c(capability)) w),
              (SELECT max(t.turn) FROM queue_turns t), 0) AS here) n
    ON CONFLICT (person_id) DO UPDATE
       SET turn = greatest(q.turn, excluded.turn - %(work)s::float8) + %(work)s::float8
    RETURNING q.turn - %(work)s::float8
    """


async def place(
    session: AsyncSession, jobs: Sequence[Job], *, person_id: int, weight: float, worth: Sequence[float]
) -> None:
    """Give new jobs their places, one behind the other; `worth` is what each one's priority moves it forward.

    Call it once for all jobs of a unit: it takes the lock of the person's turn.
    """
    if not jobs:
        return
    work = [max(job.complexity, 0.01) / weight for job in jobs]
    ((start,),) = await fetch(
        session,
        _TURN,
        {
            "person": person_id,
            "work": sum(work),
            "capabilities": sorted({job.capability for job in jobs}),
        },
    )
    here = float(start or 0)
    for job, cost, forward in zip(jobs, work, worth, strict=True):
        job.place = here - forward
        here += cost


async def place_new(session: AsyncSession, run: Run, jobs: Sequence[Job]) -> None:
    """Places for the new jobs of a workflow: its person's weight is by their tier."""
    if not jobs:
        return
    rules = pricing.book().queue
    member = run.member or await entitlements(session, run.workflow.person_id)
    worth = [float(rules.forward[Priority(run.step_of(job).priority).value]) for job in jobs]
    weight = float(rules.weights.get(member.key, 1))
    await place(session, jobs, person_id=run.workflow.person_id, weight=weight, worth=worth)
