"""The score of people: parts that domains write, and their sum. What a part is made of is the writer's business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Person

_SET = text(
    """
    WITH given AS (
        SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:points AS bigint[])) AS g(id, points)
    ), changed AS (
        SELECT p.id, p.score_parts || jsonb_build_object(CAST(:part AS text), coalesce(g.points, 0)) AS parts
          FROM people p LEFT JOIN given g ON g.id = p.id
         WHERE (g.id IS NOT NULL OR (:whole AND p.score_parts ? CAST(:part AS text)))
           AND coalesce((p.score_parts ->> CAST(:part AS text))::bigint, 0) <> coalesce(g.points, 0)
    )
    UPDATE people p
       SET score_parts = c.parts,
           score = (SELECT coalesce(sum(v::bigint), 0) FROM jsonb_each_text(c.parts) AS e(k, v))
      FROM changed c WHERE c.id = p.id
    """
)


@dataclass(frozen=True, slots=True)
class Score:
    """A person's score and the parts that it is the sum of."""

    total: int
    parts: Mapping[str, int]


async def of(session: AsyncSession, person_id: int) -> Score:
    """The score of a person; nothing for somebody who is not there."""
    row = (
        await session.execute(select(Person.score, Person.score_parts).where(Person.id == person_id))
    ).first()
    return Score(0, {}) if row is None else Score(row.score, dict(row.score_parts))


async def set_part(
    session: AsyncSession, *, part: str, points: Mapping[int, int], whole: bool = False
) -> None:
    """Set one part of the score of people, by id; with `whole`, everybody who is not named has nothing of it.

    The total follows. Setting the same twice changes no row.
    """
    await session.execute(
        _SET, {"part": part, "ids": list(points), "points": list(points.values()), "whole": whole}
    )
