"""What a collection is made of, what can be asked of it, and what it answers. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SIGN: Final = 2**63 - 1
_TERMS: Final = {int}


@dataclass(frozen=True, slots=True)
class Order:
    """A column that orders: an `int` of 32 bits or a `long` of 64, a `moment` (microseconds since 2000, as PostgreSQL
    keeps it), or a `float` (its bits, so that they lie in order)."""

    column: str
    kind: Literal["int", "long", "moment", "float"] = "int"


@dataclass(frozen=True, slots=True)
class Shape:
    """A table of documents: a number, columns that order, an array of terms.

    `owners` are columns whose values are terms, too: the value and a number that is added to it. `terms` is a column or
    an expression; `wide` when its numbers have 64 bits. Nothing may be NULL.
    """

    name: str
    table: str
    id: str
    orders: tuple[Order, ...]
    terms: str = "terms"
    owners: tuple[tuple[str, int], ...] = ()
    wide: bool = False

    def place(self, column: str) -> int:
        """Where an order stands among the orders. Raises KeyError."""
        for place, order in enumerate(self.orders):
            if order.column == column:
                return place
        raise KeyError(column)


def moment(key: datetime) -> int:
    """A moment as an order keeps it."""
    return (key - EPOCH) // _MICROSECOND


def moment_of(key: int) -> datetime:
    """The moment that an order keeps as this."""
    return EPOCH + timedelta(microseconds=key)


def float_key(number: float) -> int:
    """A floating-point number as an order keeps it: its bits, turned so that they lie in the order of numbers."""
    (bits,) = struct.unpack(">q", struct.pack(">d", number + 0.0))
    return int(bits if bits >= 0 else bits ^ _SIGN)


def float_of(key: int) -> float:
    """The number that an order keeps as this."""
    return float(struct.unpack(">d", struct.pack(">q", key if key >= 0 else key ^ _SIGN))[0])


# A term, or all terms from one to (and without) another.
Member = int | tuple[int, int]
Group = tuple[Member, ...]


class Behind(NamedTuple):
    """Where a page begins: behind this key and number."""

    key: int
    id: int


@dataclass(frozen=True, slots=True)
class Question:
    """A page of a collection.

    All `groups` must be met, each by any of its terms; `without` names terms that must not be there, `not_ids` numbers.
    What meets all groups of one of `unless` is left out, too. Instead of a term a group may name a span of terms.
    `low` and `high` bound the key that orders (low <= key < high); `since` bounds another column from below.
    """

    collection: str
    order: str
    take: int
    descending: bool = True
    groups: tuple[Group, ...] = ()
    without: tuple[int, ...] = ()
    not_ids: tuple[int, ...] = ()
    unless: tuple[tuple[Group, ...], ...] = ()
    behind: Behind | None = None
    low: int | None = None
    high: int | None = None
    since: tuple[str, int] | None = None

    def packed(self) -> dict[str, Any]:
        """As it travels."""
        return {
            "c": self.collection, "o": self.order, "t": self.take, "d": self.descending, "g": self.groups,
            "w": self.without, "n": self.not_ids, "u": self.unless,
            "b": None if self.behind is None else list(self.behind), "l": self.low, "h": self.high, "s": self.since,
        }  # fmt: skip

    @classmethod
    def unpacked(cls, given: dict[str, Any]) -> Question:
        """What travelled. Raises KeyError, TypeError or ValueError for what is no question."""
        behind, since = given["b"], given["s"]
        return cls(
            str(given["c"]),
            str(given["o"]),
            int(given["t"]),
            bool(given["d"]),
            _groups(given["g"]),
            tuple(map(int, given["w"])),
            tuple(map(int, given["n"])),
            tuple(map(_groups, given["u"])),
            Behind(int(behind[0]), int(behind[1])) if behind is not None else None,
            int(given["l"]) if given["l"] is not None else None,
            int(given["h"]) if given["h"] is not None else None,
            (str(since[0]), int(since[1])) if since is not None else None,
        )


def _groups(given: Any) -> tuple[Group, ...]:
    return tuple(map(_group, given))


def _group(given: Any) -> Group:
    # Half a hundred terms, most of them: levels.
    if set(map(type, given)) == _TERMS:
        return tuple(given)
    return tuple((int(one[0]), int(one[1])) if isinstance(one, list | tuple) else int(one) for one in given)


@dataclass(frozen=True, slots=True)
class Answer:
    """Numbers and their keys, in order. Fewer than were asked for are all there are."""

    ids: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
