"""What a collection is made of, what can be asked of it, and what it answers. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple


@dataclass(frozen=True, slots=True)
class Order:
    """A column that orders: an `int`, or a `moment` (microseconds since 2000, as PostgreSQL keeps it)."""

    column: str
    kind: Literal["int", "moment"] = "int"


@dataclass(frozen=True, slots=True)
class Shape:
    """A table of documents: a number, columns that order, an array of terms.

    `owners` are columns whose values are terms, too: the value and a number that is added to it. Nothing may be NULL.
    """

    name: str
    table: str
    id: str
    orders: tuple[Order, ...]
    terms: str = "terms"
    owners: tuple[tuple[str, int], ...] = ()

    def place(self, column: str) -> int:
        """Where an order stands among the orders. Raises KeyError."""
        for place, order in enumerate(self.orders):
            if order.column == column:
                return place
        raise KeyError(column)


class Behind(NamedTuple):
    """Where a page begins: behind this key and number."""

    key: int
    id: int


@dataclass(frozen=True, slots=True)
class Question:
    """A page of a collection.

    All `groups` must be met, each by any of its terms; `without` names terms that must not be there, `not_ids` numbers.
    `low` and `high` bound the key that orders (low <= key < high); `since` bounds another column from below.
    """

    collection: str
    order: str
    take: int
    descending: bool = True
    groups: tuple[tuple[int, ...], ...] = ()
    without: tuple[int, ...] = ()
    not_ids: tuple[int, ...] = ()
    behind: Behind | None = None
    low: int | None = None
    high: int | None = None
    since: tuple[str, int] | None = None

    def packed(self) -> dict[str, Any]:
        """As it travels."""
        return {
            "c": self.collection, "o": self.order, "t": self.take, "d": self.descending, "g": self.groups,
            "w": self.without, "n": self.not_ids,
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
            tuple(tuple(map(int, group)) for group in given["g"]),
            tuple(map(int, given["w"])),
            tuple(map(int, given["n"])),
            Behind(int(behind[0]), int(behind[1])) if behind is not None else None,
            int(given["l"]) if given["l"] is not None else None,
            int(given["h"]) if given["h"] is not None else None,
            (str(since[0]), int(since[1])) if since is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """Numbers and their keys, in order. Fewer than were asked for are all there are."""

    ids: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
