"""How far people have been served, and what places in the queue are counted from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from civitas.domains.orchestration.tables import Job

# Where the queue is: at the first job that waits for the same capability; with nobody waiting, at whoever is furthest.
TURN: Final = """
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


@dataclass(frozen=True, slots=True)
class Turn:
    """What is asked of the queue for new jobs whose `place` is still counted from where it begins."""

    person_id: int
    work: float
    capabilities: Sequence[str]

    def values(self) -> dict[str, Any]:
        """As the statement asks for it."""
        return {"person": self.person_id, "work": self.work, "capabilities": list(self.capabilities)}


def move(jobs: Sequence[Job], start: float) -> None:
    """Put jobs that were lined up behind one another to where their turn begins."""
    for job in jobs:
        job.place += start


def lined_up(jobs: Sequence[Job], person_id: int, weight: float, worth: Sequence[float]) -> Turn:
    """Give jobs their places behind one another, counted from where their person's turn begins."""
    work = [max(job.complexity, 0.01) / weight for job in jobs]
    here = 0.0
    for job, cost, forward in zip(jobs, work, worth, strict=True):
        job.place = here - forward
        here += cost
    return Turn(person_id, sum(work), sorted({job.capability for job in jobs}))
