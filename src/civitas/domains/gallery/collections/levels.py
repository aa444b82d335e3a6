"""Copies of facts: what a collection's items are, and what all of them make of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject, SubjectFacts, resolve_all
from civitas.domains.accounts.types import PG, Actor, R

# How many collections one transaction counts anew.
COUNTED = 200

_KEEP = text(
    """
    UPDATE collection_items i
       SET owner_id = f.owner_id, level = f.level, shown = f.shown
      FROM unnest(CAST(:ids AS bigint[]), CAST(:owners AS bigint[]), CAST(:levels AS bigint[]),
                  CAST(:shown AS boolean[])) AS f(id, owner_id, level, shown)
     WHERE i.kind = :kind AND i.subject_id = f.id
       AND (i.owner_id, i.level, i.shown) IS DISTINCT FROM (f.owner_id, f.level, f.shown)
    RETURNING i.collection_id
    """
)
# One pass over each collection's own items, by their index.
_COUNT = text(
    """
    UPDATE collections c
       SET level = n.level, counts = n.counts, waiting = n.waiting
      FROM (SELECT c.id, coalesce(a.level, 0) AS level, coalesce(a.counts, '{}'::jsonb) AS counts,
                   coalesce(w.waiting, 0) AS waiting
              FROM unnest(CAST(:ids AS bigint[])) AS c(id)
              LEFT JOIN LATERAL (
                    SELECT bit_or(p.level) AS level, jsonb_object_agg(p.level, p.n) AS counts
                      FROM (SELECT i.level, count(*) AS n FROM collection_items i
                             WHERE i.collection_id = c.id AND i.state = 'accepted' AND i.shown
                             GROUP BY i.level) p) a ON true
              LEFT JOIN LATERAL (
                    SELECT count(*) AS waiting FROM collection_items i
                     WHERE i.collection_id = c.id AND i.state = 'review') w ON true) n
     WHERE c.id = n.id
       AND (c.level, c.counts, c.waiting) IS DISTINCT FROM (n.level, n.counts, n.waiting)
    """
)


def level_of(facts: SubjectFacts) -> int:
    """The bits of a thing's levels; of what tells only whether it is mature, R or PG."""
    return facts.level or (R if facts.mature else PG)


def meets(actor: Actor, facts: SubjectFacts) -> bool:
    """Whether lists may show a thing to the actor: one's own, and what is public and of a level that they asked for."""
    own = actor.id is not None and facts.owner_id == actor.id
    return own or (facts.public and bool(level_of(facts) & actor.mask))


async def facts_of(session: AsyncSession, kind: str, ids: Iterable[int]) -> Mapping[int, SubjectFacts]:
    """The facts of things of one kind that are there at all."""
    found = await resolve_all(session, [Subject(kind, number) for number in ids])
    return {subject.id: facts for subject, facts in found.items()}


async def keep(session: AsyncSession, kind: str, ids: Sequence[int]) -> list[int]:
    """Copy the facts of these things to wherever they are collected; the ids of collections that changed."""
    facts = await facts_of(session, kind, ids)
    await session.flush()
    changed = await session.execute(
        _KEEP,
        {
            "kind": kind,
            "ids": list(ids),
            "owners": [facts[number].owner_id if number in facts else None for number in ids],
            "levels": [level_of(facts[number]) if number in facts else 0 for number in ids],
            "shown": [number in facts and facts[number].public for number in ids],
        },
    )
    return sorted({row[0] for row in changed})


async def count(session: AsyncSession, collection_ids: Sequence[int]) -> None:
    """Count anew what these collections show and how mature it is; counting twice changes nothing."""
    await session.flush()
    await session.execute(_COUNT, {"ids": list(collection_ids)})
