"""Lists of models by the index in memory: what is asked of it, and what is believed.

The index only says where to look. What it names is held against the listings in the statement that fetches the page,
under the same conditions as by SQL: an index that is out of date can leave something out for a moment, and never show
what may not be seen.
"""

# ruff: noqa: S608 - the pieces put together are literals of this package; values are parameters

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import listing, pieces, search, terms, worth
from civitas.domains.catalog.conditions import DAYS, Filters, conditions
from civitas.domains.catalog.listing import Sort
from civitas.domains.catalog.search import Query, Vocabulary
from civitas.domains.catalog.shapes import MODELS
from civitas.domains.catalog.walking import Sought, Statement
from civitas.domains.catalog.worth import Known
from civitas.infra.db.readpool import ReadPool
from civitas.infra.search.asking import Index
from civitas.infra.search.shape import Behind, Question, float_key, float_of, moment, moment_of

LARGEST: Final = 2000
# So often is asked on when what was found is no longer so.
ROUNDS: Final = 4
# Some more than a page for those who hide things, and where terms stand for more than was asked for.
SPARE: Final = 4
_PEOPLE: Final = "SELECT username_folded, id FROM people WHERE username_folded = ANY(%(names)s::text[])"
_KEYS: Final[Mapping[type, tuple[Callable[[Any], int], Callable[[int], Any]]]] = {
    int: (int, int),
    float: (float_key, float_of),
    datetime: (lambda key: moment(datetime.fromisoformat(key)), moment_of),
}

_KNOWN: Final = Known()


@dataclass(frozen=True, slots=True)
class Found:
    """A page: documents and their stats as they lie in the database, how many are shown, where the next one begins."""

    text: bytes = b""
    stats: bytes = b""
    count: int = 0
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a page asks of the index, tier by tier, and the statement that takes what it names."""

    sort: Sort
    relevance: bool
    limit: int
    tiers: tuple[int, ...]
    questions: tuple[Question, ...]
    enough: int
    people: tuple[tuple[str, ...], ...]
    not_people: tuple[str, ...]
    statement: str
    params: Mapping[str, Any]
    # Whether it had better be asked at all hangs on these, and on how many models carry what.
    sought: Sought
    need: int
    words: bool


async def page(
    reads: ReadPool,
    index: Index,
    filters: Filters,
    actor: Actor,
    *,
    sort: Sort,
    limit: int,
    cursor: str | None = None,
    offset: int = 0,
    vocabulary: Vocabulary | None = None,
    known: Known | None = None,
) -> Found | None:
    """A page by the index; None when it does not answer, does not know a condition, or SQL alone is quick.

    Raises Invalid (`bad_cursor`).
    """
    timeless = actor.id is None and filters.period not in DAYS
    asked = (_remembered if timeless else _prepared)(
        filters, actor, sort=sort, limit=limit, cursor=cursor, offset=offset, vocabulary=vocabulary
    )
    if asked is None or worth.quick(
        await (known or _KNOWN).of(reads), asked.sought, asked.need, words=asked.words
    ):
        return None
    if asked.people or asked.not_people:
        asked = await _with_people(reads, asked)
    rest, enough = list(zip(asked.tiers, asked.questions, strict=True)), asked.enough
    # A model that may belong to one of two tiers is named for both.
    places: dict[tuple[int, int], int] = {}
    for _ in range(ROUNDS):
        answers = await index.find_each([question for _, question in rest], enough)
        if answers is None:
            return None
        for (tier, _), answer in zip(rest, answers, strict=False):
            for number, key in zip(answer.ids, answer.keys, strict=True):
                places.setdefault((number, tier), key)
        complete = sum(len(answer.ids) for answer in answers) < enough
        found = await _held(reads, asked, places) if places else Found()
        if complete or found.next_cursor is not None:
            return found
        tier, question = rest[len(answers) - 1]
        behind = Behind(answers[-1].keys[-1], answers[-1].ids[-1])
        rest = [(tier, replace(question, behind=behind)), *rest[len(answers) :]]
        enough = min(LARGEST, 2 * enough)
    return None


async def _held(reads: ReadPool, asked: _Asked, places: Mapping[tuple[int, int], int]) -> Found:
    """The page that is left of what the index named. Its last place is as the index knows it, so that pages join."""
    named = list(places)
    params = {
        **asked.params,
        "ids": [number for number, _ in named],
        "tiers": [tier for _, tier in named],
    }
    held = pieces.gathered(await reads.fetch_bytes(asked.statement, params))
    if held is None:
        return Found()
    if held.found <= asked.limit:
        return Found(held.text, held.stats, held.count)
    number, tier = place = named[int(held.last[0] or b"0") - 1]
    back = _KEYS[listing.COLUMNS[asked.sort][1]][1]
    cursor = listing.cursor_at(asked.sort, tier, back(places[place]), number, relevance=asked.relevance)
    return Found(held.text, held.stats, held.count, cursor)


async def _with_people(reads: ReadPool, asked: _Asked) -> _Asked:
    """People are known to the index by number."""
    names = sorted({name for group in (*asked.people, asked.not_people) for name in group})
    known = dict(await reads.fetch(_PEOPLE, {"names": names}))

    def of(group: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(sorted(terms.PERSON + known[name] for name in group if name in known))

    groups, without = tuple(map(of, asked.people)), of(asked.not_people)
    return replace(
        asked,
        questions=tuple(
            replace(one, groups=(*one.groups, *groups), without=(*one.without, *without))
            for one in asked.questions
        ),
    )


def _prepared(
    filters: Filters,
    actor: Actor,
    *,
    sort: Sort,
    limit: int,
    cursor: str | None,
    offset: int,
    vocabulary: Vocabulary | None,
) -> _Asked | None:
    """What to ask; None when SQL must find the page, or nothing is asked for but the order."""
    need = limit + 1 + offset
    made, query = conditions(filters, actor), filters.query
    sought = made.sought
    has_text = query is not None and vocabulary is not None and query.has_text
    if sought.beyond or need > LARGEST or not (sought.narrow or has_text):
        return None
    whole: list[tuple[str, ...]] = []
    named: list[tuple[str, ...]] = []
    if has_text and query is not None and vocabulary is not None:
        whole, named = (search.word_groups(query, vocabulary, named=only) for only in (False, True))
        sought.loose |= bool(query.wanted.phrases)
    relevance = sort is Sort.RELEVANCE and has_text
    sort = Sort.MOST_DOWNLOADED if sort is Sort.RELEVANCE else sort
    base = question(sought, sort)
    if relevance and query is not None and vocabulary is not None:
        tiers, questions = _tiers(base, cursor, whole, named, search.exact_names(query, vocabulary))
        _hold_tiers(made, query, vocabulary)
    else:
        place = listing.sorted_place(sort, cursor)
        base = replace(base, behind=Behind(key_of(sort, place[0]), place[1]) if place else None)
        tiers, questions = [0], [_also(base, whole)]
        if has_text and query is not None and vocabulary is not None:
            made.add("l.terms @@ {}", search.tsquery(query, vocabulary), "::tsquery")
    spare = actor.id is not None or any(map(terms.wide, chain(*whole)))
    enough = need * (2 if sought.loose else 1) + (SPARE if spare else 0)
    params = {**made.params, "shown": limit + 1, "page": limit, "beginning": offset}
    return _Asked(
        sort, relevance, limit, tuple(tiers), tuple(questions), min(enough, LARGEST), tuple(sought.people),
        tuple(sought.not_people), _statement(made, sought.mask), params, sought, need, has_text,
    )  # fmt: skip


_remembered = lru_cache(maxsize=2000)(_prepared)


def key_of(sort: Sort, key: Any) -> int:
    """A key of an order, as a cursor has it, as the index keeps it."""
    return _KEYS[listing.COLUMNS[sort][1]][0](key)


def question(sought: Sought, sort: Sort) -> Question:
    """What conditions ask in an order, without words, people and a place."""
    column = listing.COLUMNS[sort][0]
    least = moment(sought.least) if sought.least else None
    orders = column == "last_version_at"
    return Question(
        collection=MODELS.name,
        order=column,
        take=1,
        descending=sort is not Sort.OLDEST,
        groups=(terms.levels(sought.mask), *map(terms.facets, sought.groups)),
        without=terms.facets(sought.without),
        low=least if orders else None,
        since=("last_version_at", least) if least is not None and not orders else None,
    )


def _also(question: Question, groups: list[tuple[str, ...]]) -> Question:
    return replace(question, groups=(*question.groups, *map(terms.words, groups)))


def _tiers(
    base: Question,
    cursor: str | None,
    whole: list[tuple[str, ...]],
    named: list[tuple[str, ...]],
    names: list[str],
) -> tuple[list[int], list[Question]]:
    """The tiers of `listing._tiers`, from the place of the cursor on."""
    exact = tuple(sorted(map(terms.name, names)))
    others = replace(base, without=(*base.without, *exact))
    tiers = {
        2: replace(base, groups=(*base.groups, exact)),
        1: _also(others, named),
        0: replace(_also(others, whole), unless=(tuple(map(terms.surely, named)),)),
    }
    place = listing.ranked_place(cursor)
    if place is not None:
        reached, key, number = place
        tiers = {tier: question for tier, question in tiers.items() if tier <= reached}
        tiers[reached] = replace(tiers[reached], behind=Behind(key, number))
    return list(tiers), list(tiers.values())


def _hold_tiers(made: Statement, query: Query, vocabulary: Vocabulary) -> None:
    """What is named for a tier must belong there."""
    whole = made.bind(search.tsquery(query, vocabulary), "::tsquery")
    named = made.bind(search.tsquery(query, vocabulary, named=True), "::tsquery")
    names = made.bind(search.exact_names(query, vocabulary), "::text[]")
    made.where.append(
        f"CASE l.tier WHEN 2 THEN l.name = ANY({names}) WHEN 1 THEN l.terms @@ {named} AND l.name <> ALL({names}) "
        f"ELSE l.terms @@ {whole} AND NOT l.terms @@ {named} AND l.name <> ALL({names}) END"
    )


def _statement(made: Statement, mask: int) -> str:
    """The page of what is named (`ids`, `tiers`) and meets the conditions. The fence makes it begin with the names."""
    rows = (
        "SELECT c.place, c.tier, l.* FROM unnest(%(ids)s::bigint[], %(tiers)s::int[]) WITH ORDINALITY "
        "AS c(number, tier, place) JOIN model_listings l ON l.model_id = c.number OFFSET 0"
    )
    shown = (
        f"SELECT l.place, l.model_id FROM ({rows}) l WHERE {' AND '.join(made.where)} "
        "ORDER BY l.place LIMIT %(shown)s OFFSET %(beginning)s"
    )
    return pieces.statement(shown, mask, order="l.place", limit="%(page)s::bigint", last=["place"])
