"""What a listed model must be: filters and queries as conditions on the listings. Pure.

Each condition is told twice: as SQL, and in the words of the index in memory where that knows it (`Sought`).
"""

# ruff: noqa: S608 - the pieces put together are literals of this file

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from civitas.domains.accounts.types import SAFE_MASK, Actor
from civitas.domains.catalog import hidden_tags, indexing, search
from civitas.domains.catalog.search import Query
from civitas.domains.catalog.walking import USUAL, Reach, Statement
from civitas.kit import clock

MAX_PAIRS: Final = 64
# Moments have no parts smaller than this.
JUST_AFTER: Final = timedelta(microseconds=1)
_PEOPLE: Final = "(SELECT id FROM people WHERE username_folded = ANY({}))"


class Period(StrEnum):
    """How recent a model's newest version is."""

    ALL_TIME = "AllTime"
    YEAR = "Year"
    MONTH = "Month"
    WEEK = "Week"
    DAY = "Day"


DAYS: Final = {Period.YEAR: 365, Period.MONTH: 30, Period.WEEK: 7, Period.DAY: 1}


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


def conditions(filters: Filters, actor: Actor, reach: Reach = USUAL) -> Statement:
    """All conditions but those of a query's words."""
    made = Statement(reach)
    mask = filters.mask & actor.mask
    made.sought.mask = mask
    made.add("l.level & {} <> 0", mask, "::bigint")
    _add_facets(made, filters, actor)
    _add_columns(made, filters, actor)
    if filters.query is not None:
        _add_query(made, filters.query)
    return made


def _add_facets(made: Statement, filters: Filters, actor: Actor) -> None:
    query = filters.query or Query("")
    every = [indexing.tag_facet(tag) for tag in (*filters.tags, *query.wanted.tags)]
    none = [indexing.tag_facet(tag) for tag in (*filters.without_tags, *query.unwanted.tags)]
    if not filters.hidden:
        none += hidden_tags.theme_facets(actor)
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
        made.sought.without += sorted(set(none))
        made.selective = True


def _type_and_base(types: tuple[str, ...], base_models: tuple[str, ...]) -> list[list[str]]:
    if types and base_models and len(types) * len(base_models) <= MAX_PAIRS:
        return [[indexing.pair_facet(t, b) for t in types for b in base_models]]
    return [[indexing.type_facet(t) for t in types], [indexing.base_facet(b) for b in base_models]]


def _add_columns(made: Statement, filters: Filters, actor: Actor) -> None:
    sought = made.sought
    if filters.usernames:
        _add_people(made, filters.usernames)
    if filters.ids:
        made.add("l.model_id = ANY({})", list(filters.ids), "::bigint[]")
    if filters.min_stars is not None:
        made.add("l.stars >= {}", filters.min_stars, "::float8")
    if filters.period in DAYS:
        begins = clock.now() - timedelta(days=DAYS[filters.period])
        made.add("l.last_version_at >= {}", begins)
        sought.since(begins)
    if filters.since is not None:
        made.add("l.last_version_at > {}", filters.since)
        sought.since(filters.since + JUST_AFTER)
    if filters.early_access:
        made.add("l.early_access_until > {}", clock.now())
    made.planned |= filters.since is not None or bool(
        filters.usernames
        or filters.ids
        or filters.early_access
        or filters.favourites
        or filters.hidden
        or filters.min_stars is not None
        or filters.period in DAYS
    )
    sought.beyond |= bool(
        filters.ids
        or filters.early_access
        or filters.favourites
        or filters.hidden
        or filters.min_stars is not None
    )
    if actor.id is None:
        return
    # What somebody hides is little, and seen to when what the index names is held against the listings.
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
    made.where.append(f"NOT l.facets && {hidden_tags.FACETS.format(viewer)}")
    made.where.append(
        f"NOT EXISTS (SELECT FROM follows f WHERE f.person_id = {viewer} AND f.target_id = l.person_id "
        "AND f.kind IN ('hide', 'block'))"
    )


def _add_people(made: Statement, usernames: tuple[str, ...]) -> None:
    names = [name.lower() for name in usernames]
    made.add(f"l.person_id = ANY(ARRAY{_PEOPLE})", names, "::text[]")
    made.sought.people.append(tuple(names))


def _add_query(made: Statement, query: Query) -> None:
    hashed = (
        "(SELECT d.model_id FROM file_hashes h JOIN version_documents d ON d.version_id = h.version_id "
        "WHERE h.value = {})"
    )
    if query.wanted.users:
        _add_people(made, query.wanted.users)
    if query.unwanted.users:
        names = [name.lower() for name in query.unwanted.users]
        made.add(f"l.person_id <> ALL(ARRAY{_PEOPLE})", names, "::text[]")
        made.sought.not_people += names
    for value in query.wanted.hashes:
        made.add(f"l.model_id = ANY(ARRAY{hashed})", value)
    for value in query.unwanted.hashes:
        made.add(f"l.model_id <> ALL(ARRAY{hashed})", value)
    if query.model_ids:
        made.add("l.model_id = ANY({})", list(query.model_ids), "::bigint[]")
    unwanted = search.unwanted_tsquery(query)
    if unwanted:
        made.add("NOT l.terms @@ {}", unwanted, "::tsquery")
        made.sought.loose = True
        made.selective = True
    made.sought.beyond |= bool(query.wanted.hashes or query.unwanted.hashes or query.model_ids)
    made.planned |= bool(query.wanted.users or query.wanted.hashes or query.model_ids)
