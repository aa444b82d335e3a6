"""How the page of a list is found: by walking the order, or by intersecting what is rare. Pure.

A walk of the order is quick when matches are common, the index when they are rare; how common a combination is
nobody knows beforehand, and for two common things that exclude each other a walk would pass a million rows to find
nothing. So a list with conditions walks a bounded stretch first, and then asks the index for the rest; when one
condition is known to be rare, the index only. The plan is the same for all values, so it is made once and kept.
"""

# ruff: noqa: S608 - the pieces put together are literals of this package; values are parameters

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a walk goes. `stretch`: rows that it looks at, some milliseconds' worth. `rare`: with fewer matches
    than this the index alone is quicker than any walk."""

    stretch: int = 4000
    rare: int = 4000


USUAL: Final = Reach()


@dataclass
class Statement:
    """Conditions and parameters as they come together.

    `gates` are conditions that know whether few models meet them. `planned`: the best plan depends on the values,
    so the planner should see them.
    """

    reach: Reach = USUAL
    where: list[str] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    gates: list[str] = field(default_factory=list)
    selective: bool = False
    planned: bool = False
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
        # Facets are counted with the words; one that nothing has is in neither.
        of_each = (
            f"SELECT coalesce(w.models, 0) AS n FROM unnest({names}) f LEFT JOIN search_words w ON w.word = f"
        )
        count_ = "min" if all_of else "sum"
        self.gates.append(f"(SELECT {count_}(g.n) < {self.reach.rare} FROM ({of_each}) g)")

    @property
    def rare(self) -> str | None:
        """The condition that few models are to be found, None when nothing can be known."""
        return f"({' OR '.join(self.gates)})" if self.gates else None


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
    # What a gate says is known before the first row is read, and shuts out the whole walk.
    gate = (f"NOT {made.rare}",) if made.rare else ()
    stretch = f"FROM model_listings l WHERE {' AND '.join((*start, *gate)) or 'true'} ORDER BY {order.by(order.column)}"
    walked = (
        f"SELECT {columns} FROM (SELECT l.* {stretch} LIMIT {made.reach.stretch}) l WHERE {where} "
        f"ORDER BY {order.by(order.column)} LIMIT {take}"
    )
    end = f"(SELECT l.{order.column}, l.model_id {stretch} OFFSET {made.reach.stretch - 1} LIMIT 1)"
    behind = order.beyond(end, "key")
    behind = f"({made.rare} OR {behind})" if made.rare else behind
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
