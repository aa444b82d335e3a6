"""Documents in memory: questions answered, changes taken in. For one thread, but for what says otherwise."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from civitas.infra.search import orders
from civitas.infra.search.copying import Rows
from civitas.infra.search.numbers import Numbers
from civitas.infra.search.orders import Moved, Ordering, Sorted
from civitas.infra.search.postings import Few, Postings
from civitas.infra.search.shape import Shape

Number = TypeVar("Number", bound=np.generic)
# An order is sorted anew when so many have moved.
MOVED: Final = 16_384
# Slots that are gone are swept out of the postings from so many on, at least, and at this part of all.
GONE: Final = 20_000
GONE_PART: Final = 50
ADDED: Final = 1_000_000


@dataclass
class Folding:
    """What a fold in another thread works with: copies of what came since, and what is gone."""

    since: dict[int, array[int]]
    numbers: dict[int, int]
    gone: BitMap
    slots: int
    swept: set[int] = field(default_factory=set)


class Collection:
    """One collection, whole. Slots are places in arrays; a document whose terms change gets another slot."""

    def __init__(
        self,
        shape: Shape,
        rows: Rows | None = None,
        postings: Postings | None = None,
        *,
        used: int | None = None,
        stretch: int = orders.STRETCH,
    ) -> None:
        """With what was loaded: `rows` without their terms, which are in `postings`; the first `used` of them count."""
        rows = rows or Rows.none(shape)
        self.shape = shape
        self.used = len(rows.ids) if used is None else used
        self.ids, self.prints = rows.ids, rows.prints
        self.numbers = Numbers(rows.ids[: self.used])
        self.postings = postings or Postings()
        self.orders = [
            Ordering(keys, rows.ids, orders.first(keys[: self.used], self.numbers.by_number, stretch))
            for keys in rows.keys
        ]
        # Slots that no document has. Postings may name them still, but for those that are `free`.
        self.gone = BitMap()
        self.free: array[int] = array("I")
        self._room(self.used)

    @property
    def count(self) -> int:
        """How many documents there are."""
        return self.used - len(self.gone)

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        arrays = self.ids.nbytes + self.prints.nbytes + self.numbers.size
        return int(
            arrays
            + self.postings.size
            + sum(order.keys.nbytes + order.sorted.size for order in self.orders)
            + 120 * len(self.numbers.since)
        )

    def carried(self, term: int) -> int:
        """How many documents carry a term."""
        found = self.postings.one(term)
        return len(found) - found.intersection_cardinality(self.gone)

    # Changes

    def apply(self, rows: Rows, first: int = 0, last: int | None = None) -> int:
        """Take in documents as they are now, those of these rows from `first` on; how many differed."""
        last = len(rows.ids) if last is None else last
        ids, prints = rows.ids[first:last].tolist(), rows.prints[first:last].tolist()
        ends = rows.starts[first : last + 1].tolist()
        keys = [column[first:last].tolist() for column in rows.keys]
        return sum(
            self._put(
                ids[at], prints[at], [column[at] for column in keys], rows.terms[ends[at] : ends[at + 1]]
            )
            for at in range(len(ids))
        )

    def remove(self, numbers: Iterable[int]) -> int:
        """Documents that are no more; how many were there."""
        return sum(self._remove(number) for number in numbers)

    def _remove(self, number: int) -> bool:
        slot = self.numbers.find(number)
        if slot is None:
            return False
        self._let_go(slot)
        self.numbers.put(number, None)
        return True

    def _let_go(self, slot: int) -> None:
        for order in self.orders:
            order.mark(slot)
        self.gone.add(slot)

    def _put(self, number: int, print_: int, keys: Sequence[int], terms: NDArray[np.int64]) -> bool:
        slot = self.numbers.find(number)
        if slot is not None and int(self.prints[slot]) == print_:
            changed = False
            for order, key in zip(self.orders, keys, strict=True):
                if int(order.keys[slot]) != key:
                    order.mark(slot)
                    order.keys[slot] = key
                    changed = True
            return changed
        if slot is not None:
            self._let_go(slot)
        new = self._slot()
        for order, key in zip(self.orders, keys, strict=True):
            order.mark(new)
            order.keys[new] = key
        self.ids[new], self.prints[new] = number, print_
        self.numbers.put(number, new)
        self.postings.add(terms.tolist(), new)
        return True

    def _slot(self) -> int:
        if self.free:
            slot = self.free.pop()
            self.gone.discard(slot)
            return slot
        self._room(self.used + 1)
        self.used += 1
        return self.used - 1

    def _room(self, slots: int) -> None:
        """Let the arrays hold so many slots, and some more."""
        if slots <= len(self.ids) and len(self.ids) > 0:
            return
        size = slots + max(4096, slots // 16)
        self.ids, self.prints = _longer(self.ids, size), _longer(self.prints, size)
        for order in self.orders:
            order.keys, order.ids = _longer(order.keys, size), self.ids

    # Upkeep: begin and end here, the work between in another thread.

    def unsorted(self) -> int | None:
        """An order that should be sorted anew."""
        for place, order in enumerate(self.orders):
            if len(order.moved) >= MOVED and order.anew is None:
                return place
        return None

    def begin_sort(self, place: int) -> tuple[Ordering, Moved]:
        """What `orders.resorted` works with: the order as it stands, apart from arrays that may grow."""
        order = self.orders[place]
        return order, order.begin(self.gone)

    def end_sort(self, place: int, made: Sorted) -> None:
        """Use an order that was sorted."""
        self.orders[place].end(made)

    @property
    def untidy(self) -> bool:
        """Whether postings should be folded."""
        unswept = len(self.gone) - len(self.free)
        return unswept >= max(GONE, self.used // GONE_PART) or self.postings.added >= ADDED

    def begin_fold(self) -> Folding:
        """What `Postings.folded` and `Numbers.merged` work with."""
        since = {term: found[:] for term, found in self.postings.since.items()}
        return Folding(since, dict(self.numbers.since), self.gone - BitMap(self.free), self.used)

    def sweep(self, folding: Folding, terms: Sequence[int]) -> None:
        """Take what is gone out of the bitmaps of these terms: some at a time, questions between them."""
        for term in terms:
            self.postings.many[term] -= folding.gone
            folding.swept.add(term)

    def end_fold(self, folding: Folding, few: Few, numbers: Numbers) -> None:
        """Use what was folded. Slots that were gone when it began are free: nothing names them any more."""
        postings = self.postings
        for term, copied in folding.since.items():
            left = postings.since.get(term)
            if left is not None:
                left = left[len(copied) :]
                if left:
                    postings.since[term] = left
                else:
                    del postings.since[term]
        # What became many meanwhile was not among the swept.
        self.sweep(folding, [term for term in postings.many if term not in folding.swept])
        postings.few = few
        postings.added = sum(map(len, postings.since.values()))
        postings.clear_unions()
        numbers.since = self.numbers.since
        numbers.forget(folding.numbers)
        self.numbers = numbers
        self.free.extend(folding.gone)


def _longer(found: NDArray[Number], size: int) -> NDArray[Number]:
    made = np.zeros(size, found.dtype)
    made[: len(found)] = found
    return made
