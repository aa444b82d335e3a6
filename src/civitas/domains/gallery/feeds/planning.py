"""How a page of a feed is found: the ways there are, what each should cost, and which are tried. Pure.

With `m` matches among `n` pictures, a page of `t` is found after walking an order for t * n / m rows, or by fetching
all m that the index of terms names. A walk reads nothing but its own index; what the index of terms names lies all over
the table and costs several times as much a row. Between both, where neither is quick, the highest ranks have an index
of terms of their own: a few in a hundred of the matches, and the first page is nearly always among them. Estimates err,
so what is bounded is followed by something that is complete.
"""

# ruff: noqa: S608 - the pieces put together are literals of this file; values are parameters

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, Final

from civitas.domains.gallery.feeds import terms
from civitas.domains.gallery.feeds.tables import TIERS
from civitas.domains.gallery.feeds.types import RECENT, SPANS, FeedFilter, ImagePeriod, ImageSort

# Microseconds a row, measured (docs/decisions/0014).
WALKED: Final = 0.45
FETCHED: Final = 3.0
# An entry of the shortest list, for each list that it is held against.
SIFTED: Final = 0.08
# From so many microseconds on an index in memory is asked: its answer and the check take one or two thousand. Measured with
# 400, too: frequent tags were slower by it, whose rows lie all over the table, than by the walk.
DEAR: Final = 1500.0
# As many rows are walked without asking what else there is.
FEW: Final = 20_000
LONGEST: Final = 1 << 16
COLUMNS: Final = {
    ImageSort.MOST_REACTIONS: "reactions",
    ImageSort.MOST_COMMENTS: "comments",
    ImageSort.MOST_COLLECTED: "collected",
    ImageSort.NEWEST: "published_at",
    ImageSort.OLDEST: "published_at",
    ImageSort.RANDOM: "shuffle",
}
WEEK_S: Final = 604_800
# Before every key of a random order.
LEAST: Final = -(2**31)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A table of rows in orders: pictures or posts."""

    table: str
    id: str
    tiers: tuple[tuple[str, int], ...] = ()
    weeks: bool = False


IMAGES: Final = Shelf("feed_images", "image_id", TIERS, weeks=True)
POSTS: Final = Shelf("feed_posts", "post_id")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A statement of (id, key) in order. `complete`: fewer rows than asked for are all there are."""

    statement: str
    complete: bool
    planned: bool = False


@dataclass
class Conditions:
    """What rows must be like: text over the alias `l`, its values, and the groups of terms in it."""

    where: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    # Each group's terms are alternatives; all groups must be met.
    groups: list[list[int]] = field(default_factory=list)
    # The same for what a column says as well: only to be found by, not to be looked at twice.
    columns: list[list[int]] = field(default_factory=list)
    # Conditions whose worth only the database knows: it plans for the very values.
    planned: bool = False
    # Of what is in `where`, what an index in memory can see to, too.
    people: list[list[int]] = field(default_factory=list)
    without: list[int] = field(default_factory=list)
    not_people: list[int] = field(default_factory=list)
    not_ids: list[int] = field(default_factory=list)
    # Whether something is in `where` that only the database can say.
    beyond: bool = False
    _numbers: count[int] = field(default_factory=count)

    def bind(self, value: Any, cast: str) -> str:
        """Make a value a parameter; its placeholder."""
        name = f"v{next(self._numbers)}"
        self.values[name] = value
        return f"CAST(%({name})s AS {cast})"

    def add(self, template: str, value: Any, cast: str) -> None:
        """Add a condition with one value in it."""
        self.where.append(template.format(self.bind(value, cast)))

    def by(self, people: list[int]) -> None:
        """Rows must be of one of these people."""
        self.add("l.person_id = ANY({})", people, "bigint[]")
        self.people.append(people)
        self.planned = True

    def require(self, *alternatives: int) -> None:
        """Rows must have one of these terms. The index of terms is not for conditions of a walk."""
        self.groups.append(list(alternatives))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: behind this key and id. `wrapped`: a random order has passed its end."""

    key: Any
    id: int
    wrapped: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked, put ready for the ways to find it."""

    shelf: Shelf
    wanted: FeedFilter
    found: Conditions
    known: Mapping[int, int]
    take: int
    now: datetime
    place: Place | None = None
    # A bounded walk goes at least so far.
    shortest: int = 2048
    # The other way round: what comes before a place.
    reverse: bool = False

    @property
    def column(self) -> str:
        """The column that orders."""
        return COLUMNS[self.wanted.sort]

    @property
    def descending(self) -> bool:
        """The direction."""
        return (self.wanted.sort not in (ImageSort.OLDEST, ImageSort.RANDOM)) is not self.reverse

    @property
    def total(self) -> int:
        """All rows, as last counted."""
        return self.known.get(terms.EVERYTHING, 0)

    @property
    def least(self) -> datetime | None:
        """When the span that is asked for begins."""
        span = SPANS.get(self.wanted.period)
        return self.now - span if span else None

    def share(self, group: Sequence[int]) -> float:
        """What part of all rows has one of these terms."""
        return min(1.0, sum(self.known.get(t, 0) for t in group) / max(1, self.total)) or 0.5 / max(
            1, self.total
        )

    def in_period(self) -> float:
        """What part of all rows lies in the span."""
        least = self.least
        if least is None:
            return 1.0
        first, last = week(least), week(self.now)
        rows = sum(self.known.get(terms.week(number), 0) for number in range(first, last + 1))
        if self.wanted.period is ImagePeriod.DAY:
            rows //= 7
        return min(1.0, max(rows, 1) / max(1, self.total))


def week(moment: datetime) -> int:
    """The number of a moment's week, counted from 1970."""
    return int(moment.timestamp() // WEEK_S)


def attempts(plan: Plan) -> list[Attempt]:
    """What to try, one after another, until a page is full or an attempt was complete."""
    if plan.found.planned:
        return [Attempt(_plain(plan), complete=True, planned=True)]
    if plan.total <= FEW:
        return [Attempt(_walk(plan, None), complete=True)]
    met, walked, scope, gin = _estimated(plan)
    made: list[Attempt] = []
    if walked * WALKED <= gin:
        made.append(Attempt(_walk(plan, _rounded(4 * walked, plan.shortest)), complete=False))
    else:
        made += _tiered(plan, met, gin)
    # What is left is everything: along the order, or all that the index of terms names.
    rest = _walk(plan, _whole(scope)) if scope * WALKED <= gin else _indexed(plan)
    # Within a span only the planner knows which of both indexes says more, so it sees the values.
    return [*made, Attempt(rest, complete=True, planned=plan.least is not None)]


def dear(plan: Plan) -> bool:
    """Whether finding the page here takes so long that an index in memory had better be asked."""
    if plan.found.planned:
        return True
    if plan.total <= FEW:
        return False
    _, walked, _, gin = _estimated(plan)
    return min(walked * WALKED, gin) > DEAR


def _estimated(plan: Plan) -> tuple[float, float, float, float]:
    """What part of the rows matches, how many a walk looks at, how many there are to walk, what the index of terms costs."""
    shares = [plan.share(group) for group in (*plan.found.groups, *plan.found.columns)]
    met = max(0.3 / plan.total, _product(shares))
    by_week = _by_week(plan)
    period = 1.0 if by_week or plan.column == "published_at" else plan.in_period()
    walked = plan.take / (met * period)
    scope = plan.total * (plan.in_period() if by_week else 1.0)
    driving = [plan.share(group) for group in _driving(plan)]
    fetched = plan.total * _product(driving)
    gin = FETCHED * fetched + SIFTED * plan.total * min(driving, default=1.0) * len(driving)
    return met, walked, scope, gin


def _by_week(plan: Plan) -> bool:
    return plan.shelf.weeks and plan.wanted.period in RECENT and plan.column in _RANKED


_RANKED: Final = frozenset({"reactions", "comments", "collected"})


def _product(shares: Any) -> float:
    made = 1.0
    for share in shares:
        made *= share
    return made


def _rounded(rows: float, shortest: int) -> int:
    """A power of two: bounds are part of the text, and each text is planned once."""
    return max(shortest, min(LONGEST, 1 << int(max(rows, 1)).bit_length()))


def _whole(scope: float) -> int:
    """More than there is. Without any bound the planner would sort all matches rather than walk."""
    return max(1 << 20, 1 << int(4 * scope).bit_length())


def _tiered(plan: Plan, met: float, gin: float) -> list[Attempt]:
    """Among the highest ranks only, where that holds a page and saves something."""
    if not plan.descending or plan.column not in _RANKED or gin < 3000:
        return []
    for column, least in plan.shelf.tiers:
        if column != plan.column or (plan.place is not None and plan.place.key < least):
            continue
        if met * plan.known.get(terms.tier(column, least), 0) >= 2 * plan.take:
            return [Attempt(_indexed(plan, f"f.{column} >= {least}"), complete=False)]
    return []


def _direction(plan: Plan) -> str:
    return "DESC" if plan.descending else "ASC"


def _starts(plan: Plan, alias: str, column: str) -> list[str]:
    """Behind the place of the page before."""
    if plan.place is None:
        return []
    cast = {"published_at": "timestamptz", "shuffle": "int"}.get(plan.column, "int")
    key, number = plan.found.bind(plan.place.key, cast), plan.found.bind(plan.place.id, "bigint")
    sign = "<" if plan.descending else ">"
    return [f"({alias}.{column}, {alias}.{plan.shelf.id}) {sign} ({key}, {number})"]


def _terms_of(plan: Plan, alias: str = "l", *, indexed: bool = False) -> list[str]:
    """Conditions on terms. In a walk they must not call for the index of terms, which `IS TRUE` sees to."""
    every = sorted({group[0] for group in plan.found.groups if len(group) == 1})
    made = [f"{alias}.terms @> {plan.found.bind(every, 'int[]')}"] if every else []
    made += [
        f"{alias}.terms && {plan.found.bind(sorted(group), 'int[]')}"
        for group in plan.found.groups
        if len(group) > 1
    ]
    return made if indexed else [f"({one}) IS TRUE" for one in made]


def _since(plan: Plan) -> list[str]:
    return [f"l.published_at >= {plan.found.bind(plan.least, 'timestamptz')}"] if plan.least else []


def _columns(plan: Plan) -> str:
    return f"{plan.shelf.id}, {plan.column} AS key, published_at, person_id, level, terms"


def _end(plan: Plan) -> str:
    way = _direction(plan)
    return f"ORDER BY l.key {way}, l.{plan.shelf.id} {way} LIMIT {plan.take}"


def _walk(plan: Plan, bound: int | None) -> str:
    """Along the order; with a bound, no further than so many rows of it (of each week)."""
    shelf, way = plan.shelf, _direction(plan)
    start = _starts(plan, "f", plan.column)
    if plan.least and plan.column == "published_at":
        start.append(f"f.published_at >= {plan.found.bind(plan.least, 'timestamptz')}")
    start += _rotated(plan)
    limit = f" LIMIT {bound}" if bound else ""
    if _by_week(plan) and plan.least:
        parts = []
        for number in range(week(plan.least), week(plan.now) + 1):
            of = " AND ".join(["f.fresh", f"f.week = {plan.found.bind(number, 'smallint')}", *start])
            parts.append(
                f"(SELECT {_columns(plan)} FROM {shelf.table} f WHERE {of} "
                f"ORDER BY f.week {way}, f.{plan.column} {way}, f.{shelf.id} {way}{limit})"
            )
        rows = " UNION ALL ".join(parts)
    else:
        of = " AND ".join(start) or "true"
        rows = (
            f"SELECT {_columns(plan)} FROM {shelf.table} f WHERE {of} "
            f"ORDER BY f.{plan.column} {way}, f.{shelf.id} {way}{limit}"
        )
    where = " AND ".join([*plan.found.where, *_terms_of(plan), *_since(plan)]) or "true"
    return f"SELECT l.{shelf.id}, l.key FROM ({rows}) l WHERE {where} {_end(plan)}"


def _rotated(plan: Plan) -> list[str]:
    """A random order begins at the seed, and goes round once."""
    if plan.wanted.sort is not ImageSort.RANDOM:
        return []
    start = plan.found.bind(plan.wanted.seed, "int")
    wrapped = plan.place is not None and plan.place.wrapped
    return [f"f.shuffle {'<' if wrapped else '>='} {start}"]


def _indexed(plan: Plan, tier: str | None = None) -> str:
    """All matches by the index of terms, then their order. The fence keeps the planner from walking after all."""
    driving = _driving(plan)
    singles = sorted({group[0] for group in driving if len(group) == 1})
    inner = [f"f.terms @> {plan.found.bind(singles, 'int[]')}"] if singles else []
    if not singles and driving:
        inner.append(f"f.terms && {plan.found.bind(sorted(driving[0]), 'int[]')}")
    inner += [tier] if tier else []
    inner += _rotated(plan)
    inner += [one.replace("l.", "f.", 1) for one in _since(plan)]
    where = [*plan.found.where, *_terms_of(plan), *_starts(plan, "l", "key")]
    rows = f"SELECT {_columns(plan)} FROM {plan.shelf.table} f WHERE {' AND '.join(inner) or 'true'} OFFSET 0"
    return (
        f"SELECT l.{plan.shelf.id}, l.key FROM ({rows}) l WHERE {' AND '.join(where) or 'true'} {_end(plan)}"
    )


def _driving(plan: Plan) -> list[list[int]]:
    """What the index of terms is asked for: all single terms that are not everywhere, else the rarest group."""
    groups = sorted([*plan.found.groups, *plan.found.columns], key=plan.share)
    return [group for group in groups if len(group) == 1 and plan.share(group) < 0.5][:6] or groups[:1]


def _plain(plan: Plan) -> str:
    """One statement that the database plans for these values."""
    where = [*plan.found.where, *_terms_of(plan, indexed=True), *_since(plan)]
    where += [one.replace("f.", "l.") for one in _rotated(plan)]
    where += _starts(plan, "l", plan.column)
    way, shelf = _direction(plan), plan.shelf
    return (
        f"SELECT l.{shelf.id}, l.{plan.column} AS key FROM {shelf.table} l WHERE {' AND '.join(where) or 'true'} "
        f"ORDER BY l.{plan.column} {way}, l.{shelf.id} {way} LIMIT {plan.take}"
    )
