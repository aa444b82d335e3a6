"""Holding the index in memory against the listings: how many carry some terms, and some pages number by number."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from civitas.domains.accounts.types import ALL_MASK, ANONYMOUS, PG, SAFE_MASK
from civitas.domains.catalog import from_index, listing, terms, walking
from civitas.domains.catalog.conditions import Filters, Period, conditions
from civitas.domains.catalog.listing import Sort
from civitas.domains.catalog.shapes import MODELS
from civitas.infra.db.readpool import ReadPool
from civitas.infra.search import comparing
from civitas.infra.search.asking import SocketIndex
from civitas.infra.search.comparing import Compared, Look, Looks
from civitas.infra.search.shape import Behind

# Terms that so few carry are counted in a moment.
COUNTED_BELOW: Final = 20_000
# So many words, and as many facets.
TERMS: Final = 20
PAGES: Final = 60
TAKE: Final = 50
_VIEWER: Final = replace(ANONYMOUS, mask=ALL_MASK)
# The more often, the more models there are: pages of a random word have one model.
_SAMPLE: Final = """
SELECT word FROM search_words WHERE models < %(below)s AND {} ORDER BY -ln(1 - random()) / sqrt(greatest(models, 1))
 LIMIT %(some)s"""
_FACETS: Final = _SAMPLE.format("(word ~ '^[#+]' OR position(':' IN word) > 0)")
_WORDS: Final = _SAMPLE.format("word !~ '^[#+]' AND position(':' IN word) = 0")
_ALIKE: Final = """
SELECT a.word, w.word FROM unnest(%(words)s::text[], %(lows)s::text[], %(highs)s::text[]) AS a(word, low, high)
  JOIN search_words w ON w.word >= a.low COLLATE "C" AND w.word < a.high COLLATE "C"
   AND left(md5(w.word), 4) = left(md5(a.word), 4)"""
_COUNTED: Final = """
SELECT s.term, (SELECT count(*) FROM model_listings l WHERE l.facets @> ARRAY[s.facet])
  FROM unnest(%(facets)s::bigint[], %(named)s::text[]) s (term, facet)
UNION ALL
SELECT s.term, (SELECT count(*) FROM model_listings l WHERE l.terms @@ s.query::tsquery)
  FROM unnest(%(words)s::bigint[], %(queries)s::text[]) s (term, query)"""


@dataclass(frozen=True, slots=True)
class _Sample:
    """Facets by their terms, and the searches of words by theirs."""

    facets: Mapping[int, str]
    words: Mapping[int, str]

    def __len__(self) -> int:
        return len(self.facets) + len(self.words)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a list is asked for."""

    sort: Sort
    filters: Filters
    facets: tuple[str, ...]
    word: tuple[int, str] | None


async def compare(reads: ReadPool, index: SocketIndex, *, rng: random.Random | None = None) -> Compared:
    """Compare a sample; see `comparing.compare`."""
    return await comparing.compare(index, partial(looks, reads, index, rng))


async def looks(reads: ReadPool, index: SocketIndex, rng: random.Random | None = None) -> Looks:
    """A sample of counts and pages of the catalogue."""
    rng = rng or random.Random()  # noqa: S311 - a sample
    sample = await _sample(reads)
    made: list[Look] = [partial(comparing.counts, index, MODELS.name, partial(_counts, reads, sample))]
    made += [partial(_page, reads, index, _some_list(rng, sample)) for _ in range(PAGES)]
    return Looks(tuple(made), len(sample), PAGES)


async def _sample(reads: ReadPool) -> _Sample:
    given = {"below": COUNTED_BELOW, "some": TERMS}
    facets = [row[0] for row in await reads.fetch_planned(_FACETS, given)]
    words = [row[0] for row in await reads.fetch_planned(_WORDS, given)]
    return _Sample({terms.facet(one): one for one in facets}, await _searches(reads, words))


async def _searches(reads: ReadPool, words: Sequence[str]) -> dict[int, str]:
    """The search for each term. Words whose digests happen to be the same are one term, and searched for together."""
    lows = [terms.apart(one) for one in words]
    given = {"words": list(words), "lows": lows, "highs": [low + chr(0x10FFFF) for low in lows]}
    alike: dict[int, set[str]] = {terms.word(one): {one} for one in words}
    for word, other in await reads.fetch_planned(_ALIKE, given):
        if terms.word(other) == terms.word(word):
            alike[terms.word(word)].add(other)
    return {term: " | ".join(f"'{one}'" for one in sorted(found)) for term, found in alike.items()}


async def _counts(reads: ReadPool, sample: _Sample) -> tuple[Mapping[int, int], int]:
    given = {
        "facets": list(sample.facets),
        "named": list(sample.facets.values()),
        "words": list(sample.words),
        "queries": list(sample.words.values()),
    }
    rows = await reads.fetch(_COUNTED, given)
    ((total,),) = await reads.fetch("SELECT count(*) FROM model_listings")
    return dict(rows), int(total)


async def _page(reads: ReadPool, index: SocketIndex, wanted: _Wanted) -> list[str]:
    """A page and the one behind it: numbers and keys."""
    sort, cursor = wanted.sort, None
    for place in range(2):
        made = conditions(wanted.filters, _VIEWER)
        if wanted.facets:
            made.add_facets(list(wanted.facets), all_of=True)
        asked = replace(from_index.question(made.sought, sort), take=TAKE)
        if wanted.word is not None:
            term, query = wanted.word
            made.add("l.terms @@ {}", query, "::tsquery")
            made.selective = True
            asked = replace(asked, groups=(*asked.groups, (term,)))
        begins = listing.sorted_place(sort, cursor)
        if begins is not None:
            asked = replace(asked, behind=Behind(from_index.key_of(sort, begins[0]), begins[1]))
        answer = await index.find(asked)
        if answer is None:
            return [f"{MODELS.name}: it does not answer"]
        statement = walking.select(made, listing.ordered(made, sort, cursor), TAKE)
        rows = await reads.fetch_planned(made.prelude(TAKE) + statement, made.params)
        rows.sort(key=lambda row: row[1:], reverse=sort is not Sort.OLDEST)
        by_sql = [(number, from_index.key_of(sort, _told(key))) for _, key, number in rows]
        if by_sql != list(zip(answer.ids, answer.keys, strict=True)):
            return [f"{MODELS.name}: another page {place + 1} of {sort}, {wanted.facets}, {wanted.word}"]
        if len(rows) < TAKE:
            break
        cursor = listing.cursor_at(sort, 0, rows[-1][1], rows[-1][2], relevance=False)
    return []


def _told(key: object) -> object:
    """A key as a cursor has it."""
    return key.isoformat() if hasattr(key, "isoformat") else key


def _some_list(rng: random.Random, sample: _Sample) -> _Wanted:
    facets, words = list(sample.facets.values()), list(sample.words.items())
    some = rng.sample(facets, min(len(facets), rng.choice([0, 1, 1, 2])))
    return _Wanted(
        rng.choice([sort for sort in Sort if sort is not Sort.RELEVANCE]),
        Filters(mask=rng.choice([PG, SAFE_MASK, ALL_MASK]), period=rng.choice(list(Period))),
        tuple(some),
        rng.choice(words) if words and rng.random() < 0.3 else None,
    )
