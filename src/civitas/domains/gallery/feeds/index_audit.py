"""Holding the index in memory against the feeds: how many carry some terms, and some pages number by number."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from civitas.domains.gallery.feeds import indexing
from civitas.domains.gallery.feeds.pages import Known
from civitas.domains.gallery.feeds.planning import IMAGES, POSTS, Conditions, Place, Plan, Shelf
from civitas.domains.gallery.feeds.types import FeedFilter, ImagePeriod, ImageSort
from civitas.infra.db.readpool import ReadPool
from civitas.infra.search import comparing
from civitas.infra.search.asking import SocketIndex
from civitas.infra.search.comparing import Compared, Look, Looks
from civitas.kit import clock

# Terms that so few carry are counted in a moment.
COUNTED_BELOW: Final = 200_000
TERMS: Final = 40
PAGES: Final = 60
TAKE: Final = 50
_SAMPLE: Final = "SELECT term FROM feed_terms WHERE term >= 67108864 AND images < %(below)s ORDER BY random() LIMIT %(some)s"


async def compare(reads: ReadPool, index: SocketIndex, *, rng: random.Random | None = None) -> Compared:
    """Compare a sample of both feeds; see `comparing.compare`."""
    return await comparing.compare(index, partial(looks, reads, index, rng))


async def looks(reads: ReadPool, index: SocketIndex, rng: random.Random | None = None) -> Looks:
    """A sample of counts and pages of both feeds."""
    rng = rng or random.Random()  # noqa: S311 - a sample
    known = await Known().of(reads)
    sample = [row[0] for row in await reads.fetch(_SAMPLE, {"below": COUNTED_BELOW, "some": TERMS})]
    made: list[Look] = [
        partial(
            comparing.counts, index, indexing.collection_of(shelf), partial(_counts, reads, shelf, sample)
        )
        for shelf in (IMAGES, POSTS)
    ]
    made += [partial(_page, reads, index, _some_plan(rng, sample, known)) for _ in range(PAGES)]
    return Looks(tuple(made), 2 * len(sample), PAGES)


async def _counts(reads: ReadPool, shelf: Shelf, sample: list[int]) -> tuple[Mapping[int, int], int]:
    rows = await reads.fetch(
        f"SELECT s.term, (SELECT count(*) FROM {shelf.table} f WHERE f.terms @> ARRAY[s.term]) "  # noqa: S608
        "FROM unnest(%(terms)s::int[]) s (term)",
        {"terms": sample},
    )
    ((total,),) = await reads.fetch(f"SELECT count(*) FROM {shelf.table}")  # noqa: S608
    return dict(rows), int(total)


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
