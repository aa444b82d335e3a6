"""Holding the index in memory against the feeds: how many carry some terms, and some pages number by number."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from civitas.domains.gallery.feeds import indexing
from civitas.domains.gallery.feeds.pages import Known
from civitas.domains.gallery.feeds.planning import IMAGES, POSTS, Conditions, Place, Plan, Shelf
from civitas.domains.gallery.feeds.types import FeedFilter, ImagePeriod, ImageSort
from civitas.infra.db.readpool import ReadPool
from civitas.infra.search.asking import SocketIndex
from civitas.kit import clock

# Terms that so few carry are counted in a moment.
COUNTED_BELOW: Final = 200_000
TERMS: Final = 40
PAGES: Final = 60
TAKE: Final = 50
# What differs is looked at again after this long: it may only just have changed.
AGAIN_S: Final = 1.0
TRIES: Final = 3

_Look = Callable[[], Awaitable[list[str]]]
_SAMPLE: Final = "SELECT term FROM feed_terms WHERE term >= 67108864 AND images < %(below)s ORDER BY random() LIMIT %(some)s"


@dataclass(frozen=True, slots=True)
class Compared:
    """What was held against one another, and in what it differed, in words. `away`: there was nobody to ask."""

    terms: int = 0
    pages: int = 0
    wrong: tuple[str, ...] = ()
    away: bool = False


async def compare(reads: ReadPool, index: SocketIndex, *, rng: random.Random | None = None) -> Compared:
    """Compare a sample; what differs is looked at again until it stays so, and then the index loads anew."""
    rng = rng or random.Random()  # noqa: S311 - a sample
    status = await index.status()
    if status is None or not status["answers"]:
        return Compared(away=True)
    known = await Known().of(reads)
    sample = [row[0] for row in await reads.fetch(_SAMPLE, {"below": COUNTED_BELOW, "some": TERMS})]
    looks: list[_Look] = [partial(_counts, reads, index, shelf, sample) for shelf in (IMAGES, POSTS)]
    looks += [partial(_page, reads, index, _some_plan(rng, sample, known)) for _ in range(PAGES)]
    wrong = await _lasting(looks)
    if wrong:
        await index.anew()
    return Compared(2 * len(sample), PAGES, tuple(wrong))


async def _lasting(looks: Sequence[_Look]) -> list[str]:
    """What differs, and still did when it was looked at again a few times."""
    differ = [(look, found) for look in looks if (found := await look())]
    for _ in range(TRIES):
        if not differ:
            break
        await asyncio.sleep(AGAIN_S)
        differ = [(look, found) for look, _ in differ if (found := await look())]
    return [one for _, found in differ for one in found]


async def _counts(reads: ReadPool, index: SocketIndex, shelf: Shelf, sample: list[int]) -> list[str]:
    name = indexing.collection_of(shelf)
    told = await index.counts(name, sample)
    if told is None:
        return [f"{name}: it does not count"]
    counted, every = told
    rows = await reads.fetch(
        f"SELECT s.term, (SELECT count(*) FROM {shelf.table} f WHERE f.terms @> ARRAY[s.term]) "  # noqa: S608
        "FROM unnest(%(terms)s::int[]) s (term)",
        {"terms": sample},
    )
    true = dict(rows)
    ((total,),) = await reads.fetch(f"SELECT count(*) FROM {shelf.table}")  # noqa: S608
    wrong = [
        f"{name}: {found:,} instead of {true[term]:,} carry the term {term}"
        for term, found in zip(sample, counted, strict=True)
        if true[term] != found
    ]
    return wrong if total == every else [*wrong, f"{name}: {every:,} instead of {total:,} are there"]


async def _page(reads: ReadPool, index: SocketIndex, plan: Plan) -> list[str]:
    """A page and the one behind it: numbers and keys."""
    for place in range(2):
        asked = indexing.question(plan)
        answer = await index.find(asked) if asked is not None else None
        if asked is None or answer is None:
            return [f"{plan.wanted.sort}: it does not answer"]
        by_sql = await indexing.by_sql(reads, plan)
        if [(number, indexing.key_of(plan, key)) for number, key in by_sql] != list(
            zip(answer.ids, answer.keys, strict=True)
        ):
            return [
                f"{asked.collection}: another page {place + 1} of {plan.wanted.sort}, {plan.found.groups}"
            ]
        if len(by_sql) < plan.take:
            break
        last = by_sql[-1]
        plan = replace(plan, place=Place(last[1], last[0]))
    return []


def _some_plan(rng: random.Random, sample: list[int], known: Mapping[int, int]) -> Plan:
    shelf = rng.choice([IMAGES, IMAGES, POSTS])
    sorts = [sort for sort in ImageSort if shelf is IMAGES or sort is not ImageSort.RANDOM]
    found = Conditions()
    for term in rng.sample(sample, min(len(sample), rng.choice([0, 1, 1, 2]))):
        found.require(term)
    wanted = FeedFilter(
        sort=rng.choice(sorts), period=rng.choice(list(ImagePeriod)), seed=rng.randrange(-(2**31), 2**31)
    )
    return Plan(shelf, wanted, found, known, TAKE, clock.now())
