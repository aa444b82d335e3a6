"""How the page of a list is found: by walking the order, or by intersecting what is rare. Pure.

A walk of the order is quick when matches are common, the index when they are rare. With `m` matches among `n` models
a page of `t` is found after walking t * n / m rows, or by fetching all m: the index wins below m = sqrt(t * n), so a list
costs at most about that many rows. How many match is estimated from the counts of facets and words, as if they were
independent. Estimates err (two common things may exclude each other), so a walk is bounded, and the index has the rest.
The plan is the same for all values, so it is made once and kept; which branch runs is decided when it runs.
"""

# ruff: noqa: S608 - the pieces put together are literals of this package; values are parameters

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a walk goes. `stretch`: rows that it looks at, at most. `rare`: how dear a row of the index is beside a
    walked one; 0 always walks first."""

    stretch: int = 12_000
    rare: float = 0.7

    def is_rare(self, matches: float, take: int, total: float) -> bool:
        """Whether fetching all matches is cheaper than walking the order until a page is full."""
        return matches * matches < self.rare * take * total


USUAL: Final = Reach()


@dataclass
class Sought:
    """Conditions as an index of terms knows them: texts of terms (see `terms`), names of people, the earliest moment.

    All of `groups` and `people` must be met, each by any of its members. `beyond`: there is a condition that only the
    database can judge by; `loose`: there is one that it judges more strictly.
    """

    mask: int = 0
    groups: list[tuple[str, ...]] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    people: list[tuple[str, ...]] = field(default_factory=list)
    not_people: list[str] = field(default_factory=list)
    least: datetime | None = None
    beyond: bool = False
    loose: bool = False

    def since(self, moment: datetime) -> None:
        """Nothing from before this moment."""
        self.least = max(self.least, moment) if self.least else moment

    @property
    def narrow(self) -> bool:
        """Whether anything is asked for that is not a matter of course."""
        return bool(self.groups or self.without or self.people or self.not_people or self.least)


@dataclass
class Statement:
    """Conditions and parameters as they come together.

    `shares` are expressions of how large a part of all models meets a condition (`t.n` are all); `share` is the same
    for words, whose counts are known, and `total` the number of models when it is. `planned`: the best plan depends on
    the values, so the planner should see them.
    """

    reach: Reach = USUAL
    where: list[str] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    shares: list[str] = field(default_factory=list)
    share: float = 1.0
    total: float = 0.0
    # How many times rarer than all matches those are that are wanted first: names, in an order by relevance.
    first: float = 1.0
    selective: bool = False
    planned: bool = False
    sought: Sought = field(default_factory=Sought)
    _numbers: count[int] = field(default_factory=count)

    def bind(self, value: Any, cast: str = "") -> str:
        """Make a value a parameter; its placeholder."""
        name = f"p{next(self._numbers)}"
        self.params[name] = value
        return f"%({name})s{cast}"

    def add(self, template: str, value: Any, cast: str = "") -> None:
        """Add a condition with one value in it."""
        self.where.append(template.format(self.bind(value, cast)))

    def add_facets(self, facets: list[str], *, all_of: bool) -> None:
        """Models must have all, or one, of these facets."""
        names = self.bind(facets, "::text[]")
        self.where.append(f"l.facets {'@>' if all_of else '&&'} {names}")
        self.selective = True
        self.sought.groups += [(facet,) for facet in facets] if all_of else [tuple(sorted(facets))]
        # Facets are counted with the words; one that nothing has is in neither.
        n = "coalesce(w.models, 0)"
        share = f"exp(sum(ln(greatest({n}, 0.5) / t.n)))" if all_of else f"least(1, sum({n}) / t.n)"
        self.shares.append(f"(SELECT {share} FROM unnest({names}) f LEFT JOIN search_words w ON w.word = f)")

    @property
    def few(self) -> str | None:
        """The condition that few models are to be found, None when nothing can be known or it is known already."""
        return "(SELECT few FROM rarity)" if self.shares else None

    def prelude(self, take: int) -> str:
        """What goes before a statement that asks for `few`."""
        if not self.shares:
            return ""
        limit = self.reach.rare * self.first**2 * take
        matches = " * ".join(["t.n", repr(self.share), *self.shares])
        return (
            f"WITH rarity AS MATERIALIZED (SELECT power({matches}, 2) < {limit!r} * t.n AS few "
            "FROM (SELECT greatest(reltuples, 1)::float8 AS n FROM pg_class "
            "WHERE oid = 'model_listings'::regclass) t) "
        )

    def stretch(self, take: int) -> int:
        """How far a walk goes: a good deal further than a page should need, when that is known."""
        if not self.total or self.shares:
            return self.reach.stretch
        return max(1, min(self.reach.stretch, int(3 * take * self.first**2 / self.share)))


@dataclass(frozen=True, slots=True)
class Order:
    """A column of the listings and its direction; the id decides between equals. `after` is where to go on."""

    column: str
    descending: bool = True
    after: str | None = None

    @property
    def sign(self) -> str:
        """What compares a row with one before it."""
        return "<" if self.descending else ">"

    def by(self, key: str) -> str:
        """The ORDER BY list, over this name of the column."""
        direction = "DESC" if self.descending else "ASC"
        return f"l.{key} {direction}, l.model_id {direction}"

    def beyond(self, place: str, key: str | None = None) -> str:
        """The condition of rows behind a place, over another name of the column if there is one."""
        return f"(l.{key or self.column}, l.model_id) {self.sign} {place}"


def select(
    made: Statement,
    order: Order,
    take: int,
    *,
    tier: int = 0,
    extra: tuple[str, ...] = (),
    rare: bool = False,
) -> str:
    """The statement of (tier, key, model_id) of up to `take` models in order.

    `rare`: the caller knows that few models meet the conditions.
    """
    columns = f"{tier} AS tier, l.{order.column} AS key, l.model_id"
    start = (order.beyond(order.after),) if order.after else ()
    where = " AND ".join((*made.where, *extra))
    if made.planned or not (made.selective or extra):
        whole = " AND ".join((where, *start))
        return f"SELECT {columns} FROM model_listings l WHERE {whole} ORDER BY {order.by(order.column)} LIMIT {take}"
    if rare:
        return _indexed(columns, where, _starting(order), order, take)
    # What the gate says is known before the first row is read, and shuts out the whole walk.
    few, length = made.few, made.stretch(take)
    gate = (f"NOT {few}",) if few else ()
    stretch = f"FROM model_listings l WHERE {' AND '.join((*start, *gate)) or 'true'} ORDER BY {order.by(order.column)}"
    walked = (
        f"SELECT {columns} FROM (SELECT l.* {stretch} LIMIT {length}) l WHERE {where} "
        f"ORDER BY {order.by(order.column)} LIMIT {take}"
    )
    end = f"(SELECT l.{order.column}, l.model_id {stretch} OFFSET {length - 1} LIMIT 1)"
    behind = order.beyond(end, "key")
    if few:
        behind = f"({few} OR {behind})"
    rest = _indexed(columns, where, (*_starting(order), behind), order, take)
    return f"SELECT * FROM (({walked}) UNION ALL ({rest})) u LIMIT {take}"


def _starting(order: Order) -> tuple[str, ...]:
    return (order.beyond(order.after, "key"),) if order.after else ()


def _indexed(columns: str, where: str, places: tuple[str, ...], order: Order, take: int) -> str:
    """All matches, then their order.

    The fence (OFFSET 0) keeps the planner from walking the order after all, and from reading half of its index
    only to know which matches lie behind a place.
    """
    found = f"SELECT {columns} FROM model_listings l WHERE {where} OFFSET 0"
    behind = f"WHERE {' AND '.join(places)} " if places else ""
    return f"SELECT l.* FROM ({found}) l {behind}ORDER BY {order.by('key')} LIMIT {take}"
