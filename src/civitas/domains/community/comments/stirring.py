"""What was said since somebody looked: asked every second for everybody who looks, so past the mapped classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from civitas.contracts.subjects import Subject
from civitas.infra.db.readpool import ReadPool
from civitas.kit.sql import statements

_SQL = statements("civitas.domains.community.comments", "stirring.sql")
# Nobody counts further.
MOST_NEW: Final = 99


async def newest(reads: ReadPool, things: Sequence[Subject]) -> Mapping[Subject, int]:
    """The newest comment on each of these things, 0 where nothing was said; one statement for a hot path."""
    found = dict.fromkeys(things, 0)
    rows = await reads.fetch(_SQL["newest"], ([one.kind for one in things], [one.id for one in things]))
    for kind, subject_id, comment_id in rows:
        found[Subject(kind, subject_id)] = comment_id
    return found


async def new_for(reads: ReadPool, person_id: int, subject: Subject, *, after: int) -> int:
    """How much others said on a thing after a comment that this person is shown; `MOST_NEW` and more are one."""
    rows = await reads.fetch(
        _SQL["new_for"], (subject.kind, subject.id, after, person_id, person_id, person_id, MOST_NEW)
    )
    return int(rows[0][0])
