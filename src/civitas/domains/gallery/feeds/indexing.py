"""The feeds as collections of an index in memory: what is asked of it, and what is believed.

The index only says where to look. Every page's rows are read from the feed again, with the same conditions as by SQL:
an index that is out of date can leave something out for a moment, and never show what may not be seen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from civitas.domains.gallery.feeds import planning
from civitas.domains.gallery.feeds.planning import IMAGES, Plan, Shelf
from civitas.domains.gallery.feeds.shapes import PERSON
from civitas.domains.gallery.feeds.types import ImageSort
from civitas.infra.db.readpool import ReadPool
from civitas.infra.search import asking
from civitas.infra.search.asking import Index
from civitas.infra.search.shape import Behind, Question, moment, moment_of

LARGEST: Final = 2000
# More people than that are found sooner by their pictures' own index.
MOST_PEOPLE: Final = 1000
# So often is asked on when what was found is no longer so.
ROUNDS: Final = 4


def collection_of(shelf: Shelf) -> str:
    """The name of a shelf's collection."""
    return "images" if shelf is IMAGES else "posts"


def key_of(plan: Plan, key: Any) -> int:
    """A key of a plan's order as the index keeps it."""
    return moment(key) if plan.column == "published_at" else int(key)


def question(plan: Plan) -> Question | None:
    """What a plan asks; None when the index does not know all of its conditions."""
    found, column = plan.found, plan.column
    people = [tuple(PERSON + one for one in group) for group in found.people]
    if found.beyond or plan.take > LARGEST or any(len(group) > MOST_PEOPLE for group in people):
        return None
    by_moment = column == "published_at"
    low = moment(plan.least) if plan.least and by_moment else None
    high = None
    if plan.wanted.sort is ImageSort.RANDOM:
        wrapped = plan.place is not None and plan.place.wrapped
        low, high = (None, plan.wanted.seed) if wrapped else (plan.wanted.seed, None)
    place = plan.place
    return Question(
        collection=collection_of(plan.shelf),
        order=column,
        take=plan.take,
        descending=plan.descending,
        groups=tuple(sorted(tuple(sorted(group)) for group in (*found.groups, *found.columns, *people))),
        without=tuple(sorted({*found.without, *(PERSON + one for one in found.not_people)})),
        not_ids=tuple(found.not_ids),
        behind=Behind(key_of(plan, place.key), place.id) if place else None,
        low=low,
        high=high,
        since=("published_at", moment(plan.least)) if plan.least and not by_moment else None,
    )


async def rows(reads: ReadPool, index: Index, plan: Plan) -> list[tuple[Any, ...]] | None:
    """The (id, key) rows of a plan by the index, each held against the feed; None when SQL must find them.

    Keys are those of the index: places of pages lie in one order, whatever has changed since.
    """
    asked = question(plan)
    if asked is None:
        return None
    statement, values = _recheck(plan)
    by_moment = plan.column == "published_at"
    kept: list[tuple[Any, ...]] = []
    for _ in range(ROUNDS):
        answer = await index.find(asked)
        if answer is None:
            return None
        if answer.ids:
            there = {row[0] for row in await reads.fetch(statement, {**values, "ids": answer.ids})}
            kept += [
                (number, moment_of(key) if by_moment else key)
                for number, key in zip(answer.ids, answer.keys, strict=True)
                if number in there
            ]
        if len(kept) >= plan.take or len(answer.ids) < asked.take:
            return kept[: plan.take]
        behind = Behind(answer.keys[-1], answer.ids[-1])
        asked = replace(asked, behind=behind, take=min(LARGEST, 2 * asked.take))
    return None


def _recheck(plan: Plan) -> tuple[str, dict[str, Any]]:
    """The statement that holds numbers (`ids`) against the feed. The fence makes it begin with them."""
    shelf, found = plan.shelf, plan.found
    values: dict[str, Any] = dict(found.values)
    where = list(found.where)
    every = sorted({group[0] for group in found.groups if len(group) == 1})
    if every:
        values["every"] = every
        where.append("l.terms @> CAST(%(every)s AS int[])")
    for number, group in enumerate(group for group in found.groups if len(group) > 1):
        values[f"any{number}"] = sorted(group)
        where.append(f"l.terms && CAST(%(any{number})s AS int[])")
    if plan.least:
        values["least"] = plan.least
        where.append("l.published_at >= CAST(%(least)s AS timestamptz)")
    inner = (
        f"SELECT {shelf.id}, published_at, person_id, level, terms FROM {shelf.table} "  # noqa: S608 - literals
        f"WHERE {shelf.id} = ANY(CAST(%(ids)s AS bigint[])) OFFSET 0"
    )
    return f"SELECT l.{shelf.id} FROM ({inner}) l WHERE {' AND '.join(where) or 'true'}", values  # noqa: S608


async def found_by(reads: ReadPool, plan: Plan, index: Index | None) -> list[tuple[Any, ...]]:
    """The rows of a plan: by the index where SQL would take its time and the index answers, else by SQL.

    By SQL it is the first attempt that is full or complete.
    """
    index = index or asking.current()
    if index is not None and planning.dear(plan):
        found = await rows(reads, index, plan)
        if found is not None:
            return found
    return await by_sql(reads, plan)


async def by_sql(reads: ReadPool, plan: Plan) -> list[tuple[Any, ...]]:
    """The rows of a plan by SQL alone."""
    for attempt in planning.attempts(plan):
        fetch = reads.fetch_planned if attempt.planned else reads.fetch
        made = await fetch(attempt.statement, plan.found.values)
        if attempt.complete or len(made) >= plan.take:
            return made
    return []
