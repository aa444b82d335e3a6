"""Which models a list holds and in which order, as one SQL statement. Pure.

The page is chosen from narrow rows in a subquery, and only then joined with its documents: joining first makes
the planner walk the table. All text of the statements stands here; values are always parameters.
"""

# ruff: noqa: S608 - the pieces put together are literals of this file

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import pieces, search, walking
from civitas.domains.catalog.conditions import DAYS, Filters, Period, conditions
from civitas.domains.catalog.search import Query, Vocabulary
from civitas.domains.catalog.walking import Order, Reach, Statement
from civitas.kit import paging
from civitas.kit.errors import Invalid

MAX_LIMIT: Final = 200

__all__ = [
    "COLUMNS", "MAX_LIMIT", "Filters", "Page", "Period", "Sort", "cursor_at", "cursor_of", "ordered", "page_statement",
    "ranked_place", "sorted_place",
]  # fmt: skip


class Sort(StrEnum):
    """Orders of a list of models (FEATURES B35); `RELEVANCE` needs a query with words."""

    HIGHEST_RATED = "Highest Rated"
    MOST_DOWNLOADED = "Most Downloaded"
    MOST_LIKED = "Most Liked"
    MOST_DISCUSSED = "Most Discussed"
    MOST_COLLECTED = "Most Collected"
    MOST_IMAGES = "Most Images"
    NEWEST = "Newest"
    OLDEST = "Oldest"
    RELEVANCE = "Relevance"


COLUMNS: dict[Sort, tuple[str, type]] = {
    Sort.HIGHEST_RATED: ("rating", float),
    Sort.MOST_DOWNLOADED: ("downloads", int),
    Sort.MOST_LIKED: ("thumbs_up", int),
    Sort.MOST_DISCUSSED: ("comments", int),
    Sort.MOST_COLLECTED: ("collected", int),
    Sort.MOST_IMAGES: ("images", int),
    Sort.NEWEST: ("last_version_at", datetime),
    Sort.OLDEST: ("last_version_at", datetime),
    Sort.RELEVANCE: ("downloads", int),
}


@dataclass(frozen=True, slots=True)
class Page:
    """A statement and its values; `planned` when the planner should see these."""

    statement: str
    params: dict[str, Any]
    planned: bool


def page_statement(
    filters: Filters,
    actor: Actor,
    *,
    sort: Sort,
    limit: int,
    cursor: str | None = None,
    offset: int = 0,
    vocabulary: Vocabulary | None = None,
    reach: Reach = walking.USUAL,
) -> Page:
    """The statement of one page; it looks for one model more, to show that there is a next page.

    Its one row is (documents with commas between, their stats, models found, and tier, key and id of the last
    model shown). One long value arrives in fewer pieces than many rows, each of which wakes the caller up.
    Those that depend on nothing but what is asked are remembered. Raises Invalid (`bad_cursor`).
    """
    timeless = filters.period not in DAYS and not filters.early_access
    make = _remembered if actor.id is None and vocabulary is None and timeless else _made
    return make(
        filters,
        actor,
        sort=sort,
        limit=limit,
        cursor=cursor,
        offset=offset,
        vocabulary=vocabulary,
        reach=reach,
    )


def _made(
    filters: Filters,
    actor: Actor,
    *,
    sort: Sort,
    limit: int,
    cursor: str | None = None,
    offset: int = 0,
    vocabulary: Vocabulary | None = None,
    reach: Reach = walking.USUAL,
) -> Page:
    made = conditions(filters, actor, reach)
    mask, query = filters.mask & actor.mask, filters.query
    has_text = query is not None and vocabulary is not None and query.has_text
    # Numbers of rows are part of the text: a plan is made for them, and there are few different ones.
    take = limit + 1 + offset
    order = "l.key DESC, l.model_id DESC"
    if sort is Sort.RELEVANCE and has_text and query is not None and vocabulary is not None:
        inner = _tiers(made, query, vocabulary, cursor, take)
        order = f"l.tier DESC, {order}"
    else:
        rare = False
        if has_text and query is not None and vocabulary is not None:
            rare = _know_words(made, query, vocabulary, take)
            made.add("l.terms @@ {}", search.tsquery(query, vocabulary), "::tsquery")
            made.selective = True
        sort = Sort.MOST_DOWNLOADED if sort is Sort.RELEVANCE else sort
        inner = walking.select(made, ordered(made, sort, cursor), take, rare=rare)
        order = "l.key ASC, l.model_id ASC" if sort is Sort.OLDEST else order
    if offset:
        inner = f"SELECT * FROM ({inner}) o LIMIT {limit + 1} OFFSET {offset}"
    statement = pieces.statement(inner, mask, order=order, limit=str(limit), last=["tier", "key", "model_id"])
    return Page(made.prelude(take) + statement, made.params, made.planned)


_remembered = lru_cache(maxsize=2000)(_made)


def cursor_of(
    sort: Sort, tier: bytes | None, key: bytes | None, model_id: bytes | None, *, relevance: bool
) -> str:
    """The cursor that continues after this model, whose place is as the database wrote it."""
    read = COLUMNS[sort][1]
    text = (key or b"").decode()
    place = datetime.fromisoformat(text) if read is datetime else read(text)
    return cursor_at(sort, int(tier or b"0"), place, int(model_id or b"0"), relevance=relevance)


def cursor_at(sort: Sort, tier: int, key: Any, model_id: int, *, relevance: bool) -> str:
    """The cursor that continues after this place. By relevance, `sort` is what orders within a tier."""
    if relevance:
        return paging.encode(Sort.RELEVANCE.value, tier, key, model_id)
    return paging.encode(sort.value, key, model_id)


def ordered(made: Statement, sort: Sort, cursor: str | None) -> Order:
    """The order of a list, going on at a cursor. Raises Invalid (`bad_cursor`)."""
    column, kind = COLUMNS[sort]
    descending = sort is not Sort.OLDEST
    place = sorted_place(sort, cursor)
    if place is None:
        return Order(column, descending)
    key, model_id = place
    cast = {int: "::bigint", float: "::float8", datetime: "::timestamptz"}[kind]
    return Order(column, descending, f"({made.bind(key, cast)}, {made.bind(model_id, '::bigint')})")


def sorted_place(sort: Sort, cursor: str | None) -> tuple[Any, int] | None:
    """Key and model where a page of an order goes on; None at the beginning. Raises Invalid (`bad_cursor`)."""
    if not cursor:
        return None
    named, key, model_id = paging.decode(cursor, str, COLUMNS[sort][1], int)
    if named != sort.value:
        raise _of_another_order()
    return key, int(str(model_id))


def ranked_place(cursor: str | None) -> tuple[int, int, int] | None:
    """Tier, key and model where a page by relevance goes on; None at the beginning. Raises Invalid (`bad_cursor`)."""
    if not cursor:
        return None
    code, tier, key, model_id = paging.decode(cursor, str, int, int, int)
    if code != Sort.RELEVANCE.value or tier not in (0, 1, 2):
        raise _of_another_order()
    return int(str(tier)), int(str(key)), int(str(model_id))


def _of_another_order() -> Invalid:
    return Invalid(
        "This cursor belongs to another order; start again from the first page.", code="bad_cursor"
    )


def _know_words(made: Statement, query: Query, vocabulary: Vocabulary, take: int) -> bool:
    """Take over what is known of the words; whether few models can meet them, whatever else is asked."""
    made.share = search.share(query, vocabulary)
    # Of phrases only the words are known, so a walk for one may have to go far.
    made.total = 0.0 if query.wanted.phrases else vocabulary.total
    return made.reach.is_rare(made.share * vocabulary.total, take, vocabulary.total * made.first**2)


def _tiers(made: Statement, query: Query, vocabulary: Vocabulary, cursor: str | None, take: int) -> str:
    """Exact names first, then names with all the words, then everything else that has them; popular ones first.

    Each tier is a search of its own that stops when the page is full. The outer LIMIT takes the tiers in order,
    for an Append runs its parts one after another; parallel plans are turned off for these connections.
    """
    whole = made.bind(search.tsquery(query, vocabulary), "::tsquery")
    named = made.bind(search.tsquery(query, vocabulary, named=True), "::tsquery")
    names = made.bind(search.exact_names(query, vocabulary), "::text[]")
    made.first = 6.0
    rare = _know_words(made, query, vocabulary, take)
    tiers: dict[int, tuple[str, ...]] = {
        2: (f"l.name = ANY({names})",),
        1: (f"l.terms @@ {named}", f"l.name <> ALL({names})"),
        0: (f"l.terms @@ {whole}", f"NOT l.terms @@ {named}", f"l.name <> ALL({names})"),
    }
    orders = dict.fromkeys(tiers, Order("downloads"))
    place = ranked_place(cursor)
    if place is not None:
        reached, key, model_id = place
        tiers = {tier: extra for tier, extra in tiers.items() if tier <= reached}
        after = f"({made.bind(key, '::bigint')}, {made.bind(model_id, '::bigint')})"
        orders[reached] = Order("downloads", after=after)
    parts = [
        walking.select(made, orders[tier], take, tier=tier, extra=extra, rare=rare or tier == 2)
        for tier, extra in tiers.items()
    ]
    return f"SELECT * FROM ({' UNION ALL '.join(f'({part})' for part in parts)}) u LIMIT {take}"
