"""Which models a list holds and in which order, as one SQL statement. Pure.

The page is chosen from narrow rows in a subquery, and only then joined with its documents: joining first makes
the planner walk the table. All text of the statements stands here; values are always parameters.
"""

# ruff: noqa: S608 - the pieces put together are literals of this file

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from civitas.domains.accounts.types import SAFE_MASK, Actor
from civitas.domains.catalog import indexing, search, walking
from civitas.domains.catalog.search import Query, Vocabulary
from civitas.domains.catalog.walking import Order, Reach, Statement
from civitas.kit import clock, paging
from civitas.kit.errors import Invalid

MAX_LIMIT: Final = 200
MAX_PAIRS: Final = 64


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


class Period(StrEnum):
    """How recent a model's newest version is."""

    ALL_TIME = "AllTime"
    YEAR = "Year"
    MONTH = "Month"
    WEEK = "Week"
    DAY = "Day"


_DAYS = {Period.YEAR: 365, Period.MONTH: 30, Period.WEEK: 7, Period.DAY: 1}
_COLUMNS: dict[Sort, tuple[str, type]] = {
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
class Filters:
    """What a listed model must be. Alternatives within a field, all fields together.

    `tags` must all be there. `commercial_uses`: any of them is allowed. `mask`: levels to be shown; it never goes
    beyond what the viewer may see.
    """

    types: tuple[str, ...] = ()
    base_models: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    without_tags: tuple[str, ...] = ()
    usernames: tuple[str, ...] = ()
    ids: tuple[int, ...] = ()
    checkpoint_type: str | None = None
    file_formats: tuple[str, ...] = ()
    commercial_uses: tuple[str, ...] = ()
    allow_no_credit: bool | None = None
    allow_derivatives: bool | None = None
    allow_different_licence: bool | None = None
    from_platform: bool = False
    supports_generation: bool = False
    early_access: bool = False
    favourites: bool = False
    hidden: bool = False
    min_stars: float | None = None
    period: Period = Period.ALL_TIME
    mask: int = SAFE_MASK
    query: Query | None = None
    # Whose newest version came out after this moment.
    since: datetime | None = None


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
    timeless = filters.period not in _DAYS and not filters.early_access
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
    made = Statement(reach)
    mask = filters.mask & actor.mask
    made.add("l.level & {} <> 0", mask, "::bigint")
    _add_facets(made, filters)
    _add_columns(made, filters, actor)
    query = filters.query
    if query is not None:
        _add_query(made, query)
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
        inner = walking.select(made, _order(made, sort, cursor), take, rare=rare)
        order = "l.key ASC, l.model_id ASC" if sort is Sort.OLDEST else order
    if offset:
        inner = f"SELECT * FROM ({inner}) o LIMIT {limit + 1} OFFSET {offset}"
    body = "d.safe" if mask & ~SAFE_MASK == 0 else 'coalesce(d."full", d.safe)'
    last = f"least(count(*), {limit})"
    return Page(
        f"{made.prelude(take)}"
        f"SELECT string_agg({body}, ',' ORDER BY l.n), string_agg(d.stats, chr(1) ORDER BY l.n), count(*), "
        f"(array_agg(l.tier ORDER BY l.n))[{last}], (array_agg(l.key ORDER BY l.n))[{last}], "
        f"(array_agg(l.model_id ORDER BY l.n))[{last}] "
        f"FROM (SELECT l.*, row_number() OVER (ORDER BY {order}) AS n FROM ({inner}) l) l "
        f"LEFT JOIN model_documents d ON d.model_id = l.model_id AND l.n <= {limit}",
        made.params,
        made.planned,
    )


_remembered = lru_cache(maxsize=2000)(_made)


def cursor_of(
    sort: Sort, tier: bytes | None, key: bytes | None, model_id: bytes | None, *, relevance: bool
) -> str:
    """The cursor that continues after this model, whose place is as the database wrote it."""
    read = _COLUMNS[sort][1]
    text = (key or b"").decode()
    place = datetime.fromisoformat(text) if read is datetime else read(text)
    if relevance:
        return paging.encode(Sort.RELEVANCE.value, int(tier or b"0"), place, int(model_id or b"0"))
    return paging.encode(sort.value, place, int(model_id or b"0"))


def _order(made: Statement, sort: Sort, cursor: str | None) -> Order:
    column, kind = _COLUMNS[sort]
    descending = sort is not Sort.OLDEST
    if not cursor:
        return Order(column, descending)
    named, key, model_id = paging.decode(cursor, str, kind, int)
    if named != sort.value:
        raise _of_another_order()
    cast = {int: "::bigint", float: "::float8", datetime: "::timestamptz"}[kind]
    return Order(column, descending, f"({made.bind(key, cast)}, {made.bind(model_id, '::bigint')})")


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
    if cursor:
        code, at, key, model_id = paging.decode(cursor, str, int, int, int)
        if code != Sort.RELEVANCE.value or at not in tiers:
            raise _of_another_order()
        reached = int(str(at))
        tiers = {tier: extra for tier, extra in tiers.items() if tier <= reached}
        after = f"({made.bind(key, '::bigint')}, {made.bind(model_id, '::bigint')})"
        orders[reached] = Order("downloads", after=after)
    parts = [
        walking.select(made, orders[tier], take, tier=tier, extra=extra, rare=rare or tier == 2)
        for tier, extra in tiers.items()
    ]
    return f"SELECT * FROM ({' UNION ALL '.join(f'({part})' for part in parts)}) u LIMIT {take}"


def _add_facets(made: Statement, filters: Filters) -> None:
    query = filters.query or Query("")
    every = [indexing.tag_facet(tag) for tag in (*filters.tags, *query.wanted.tags)]
    none = [indexing.tag_facet(tag) for tag in (*filters.without_tags, *query.unwanted.tags)]
    none += [indexing.type_facet(t) for t in query.unwanted.types]
    none += [indexing.base_facet(b) for b in query.unwanted.bases]
    groups = _type_and_base(filters.types, filters.base_models)
    groups += [[indexing.type_facet(t) for t in query.wanted.types]]
    groups += [[indexing.base_facet(b)] for b in query.wanted.bases]
    groups += [[indexing.format_facet(f) for f in filters.file_formats]]
    groups += [[indexing.use_facet(u) for u in filters.commercial_uses]]
    if filters.checkpoint_type:
        every.append(indexing.checkpoint_facet(filters.checkpoint_type))
    for wanted, facet in (
        (filters.allow_no_credit, indexing.CREDIT),
        (filters.allow_derivatives, indexing.DERIVE),
        (filters.allow_different_licence, indexing.RELICENSE),
        (filters.from_platform or None, indexing.MADE_HERE),
        (filters.supports_generation or None, indexing.GENERATES),
    ):
        if wanted is not None:
            (every if wanted else none).append(facet)
    every += [group[0] for group in groups if len(group) == 1]
    if every:
        made.add_facets(sorted(set(every)), all_of=True)
    for group in groups:
        if len(group) > 1:
            made.add_facets(group, all_of=False)
    if none:
        made.add("NOT l.facets && {}", sorted(set(none)), "::text[]")
        made.selective = True


def _type_and_base(types: tuple[str, ...], base_models: tuple[str, ...]) -> list[list[str]]:
    if types and base_models and len(types) * len(base_models) <= MAX_PAIRS:
        return [[indexing.pair_facet(t, b) for t in types for b in base_models]]
    return [[indexing.type_facet(t) for t in types], [indexing.base_facet(b) for b in base_models]]


def _add_columns(made: Statement, filters: Filters, actor: Actor) -> None:
    people = "(SELECT id FROM people WHERE username_folded = ANY({}))"
    if filters.usernames:
        made.add(f"l.person_id = ANY(ARRAY{people})", [u.lower() for u in filters.usernames], "::text[]")
    if filters.ids:
        made.add("l.model_id = ANY({})", list(filters.ids), "::bigint[]")
    if filters.min_stars is not None:
        made.add("l.stars >= {}", filters.min_stars, "::float8")
    if filters.period in _DAYS:
        made.add("l.last_version_at >= {}", clock.now() - timedelta(days=_DAYS[filters.period]))
    if filters.since is not None:
        made.add("l.last_version_at > {}", filters.since)
    if filters.early_access:
        made.add("l.early_access_until > {}", clock.now())
    made.planned |= filters.since is not None or bool(
        filters.usernames
        or filters.ids
        or filters.early_access
        or filters.favourites
        or filters.hidden
        or filters.min_stars is not None
        or filters.period in _DAYS
    )
    if actor.id is None:
        return
    viewer = made.bind(actor.id, "::bigint")
    engaged = "SELECT FROM model_engagements e WHERE e.model_id = l.model_id AND e.person_id = " + viewer
    if filters.favourites:
        mine = f"SELECT e.model_id FROM model_engagements e WHERE e.person_id = {viewer}"
        made.where.append(f"l.model_id IN ({mine} AND e.kind = 'favourite')")
    if filters.hidden:
        mine = f"SELECT e.model_id FROM model_engagements e WHERE e.person_id = {viewer}"
        made.where.append(f"l.model_id IN ({mine} AND e.kind = 'hide')")
        return
    made.where.append(f"NOT EXISTS ({engaged} AND e.kind = 'hide')")
    made.where.append(
        f"NOT EXISTS (SELECT FROM follows f WHERE f.person_id = {viewer} AND f.target_id = l.person_id "
        "AND f.kind IN ('hide', 'block'))"
    )


def _add_query(made: Statement, query: Query) -> None:
    people = "(SELECT id FROM people WHERE username_folded = ANY({}))"
    hashed = (
        "(SELECT d.model_id FROM file_hashes h JOIN version_documents d ON d.version_id = h.version_id "
        "WHERE h.value = {})"
    )
    if query.wanted.users:
        made.add(f"l.person_id = ANY(ARRAY{people})", [u.lower() for u in query.wanted.users], "::text[]")
    if query.unwanted.users:
        made.add(f"l.person_id <> ALL(ARRAY{people})", [u.lower() for u in query.unwanted.users], "::text[]")
    for value in query.wanted.hashes:
        made.add(f"l.model_id = ANY(ARRAY{hashed})", value)
    for value in query.unwanted.hashes:
        made.add(f"l.model_id <> ALL(ARRAY{hashed})", value)
    if query.model_ids:
        made.add("l.model_id = ANY({})", list(query.model_ids), "::bigint[]")
    unwanted = search.unwanted_tsquery(query)
    if unwanted:
        made.add("NOT l.terms @@ {}", unwanted, "::tsquery")
        made.selective = True
    made.planned |= bool(query.wanted.users or query.wanted.hashes or query.model_ids)
