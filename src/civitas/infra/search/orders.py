"""One order of a collection: all slots sorted by a key and the document's number, and what has moved since.

The sorted array is made in another thread while pages are answered. What changes stands in `moved`: it is left out where
the array is walked, and looked at by itself. Stretches of the array are kept as bitmaps, too, so that a walk can pass a
stretch in which nothing matches, and a span of time is a union of a few of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from civitas.infra.search.copying import Keys
from civitas.infra.search.postings import Slots, bitmap, slots_of

Int64s = NDArray[np.int64]

STRETCH: Final = 1 << 17
# Beginnings of spans are rounded to so many places, so that the same bitmap serves for a while.
ROUNDED: Final = 1 << 12
TAILS: Final = 8


@dataclass
class Sorted:
    """Slots by (key, number), ascending, and its stretches as bitmaps."""

    slots: Slots
    stretches: list[BitMap] = field(default_factory=list)
    stretch: int = STRETCH

    @classmethod
    def of(cls, slots: Slots, stretch: int = STRETCH) -> Sorted:
        """With its stretches made."""
        starts = range(0, len(slots), stretch)
        return cls(slots, [bitmap(np.sort(slots[at : at + stretch])) for at in starts], stretch)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.slots.nbytes + 2 * len(self.slots)


@dataclass
class Ordering:
    """An order as it is now: `keys` by slot are always true; `sorted` is true of all but `moved`."""

    keys: Keys
    ids: Int64s
    sorted: Sorted = field(default_factory=lambda: Sorted(np.zeros(0, np.uint32)))
    moved: BitMap = field(default_factory=BitMap)
    # What moved since a new array is being made; None when none is.
    anew: BitMap | None = None
    _tails: dict[int, BitMap] = field(default_factory=dict)

    def mark(self, slot: int) -> None:
        """Its key is about to change, or it comes or goes. Before the key is written: `resorted` relies on it."""
        self.moved.add(slot)
        if self.anew is not None:
            self.anew.add(slot)

    def position(self, key: int, number: int) -> int:
        """How many of the sorted come before (key, number), as if the moved ones were not there."""
        slots, low, high = self.sorted.slots, 0, len(self.sorted.slots)
        while low < high:
            middle = at = (low + high) // 2
            while at < high and int(slots[at]) in self.moved:
                at += 1
            if at == high:
                high = middle
                continue
            slot = slots[at]
            if (int(self.keys[slot]), int(self.ids[slot])) < (key, number):
                low = at + 1
            else:
                high = middle
        return low

    def tail(self, least: int) -> BitMap:
        """All whose key is at least this, and some more. Not to be changed."""
        rounded = min(ROUNDED, self.sorted.stretch)
        start = self.position(least, -1) // rounded * rounded
        found = self._tails.get(start)
        if found is None:
            whole = -(-start // STRETCH)
            found = bitmap(np.sort(self.sorted.slots[start : whole * STRETCH]))
            found |= (
                BitMap.union(*self.sorted.stretches[whole:]) if self.sorted.stretches[whole:] else BitMap()
            )
            if len(self._tails) >= TAILS:
                self._tails.pop(next(iter(self._tails)))
            self._tails[start] = found
        return found | self.moved

    def begin(self, gone: BitMap) -> Moved:
        """Begin to sort anew: what has moved, with its keys as they are now."""
        self.anew = BitMap()
        slots = slots_of(self.moved - gone)
        return Moved(self.moved.copy(), slots, self.keys[slots].astype(np.int64), self.ids[slots])

    def end(self, made: Sorted) -> None:
        """Use what was sorted; only what moved meanwhile is still to be looked at by itself."""
        self.sorted, self.moved, self.anew = made, self.anew or BitMap(), None
        self._tails = {}

    def give_up(self) -> None:
        """What was sorted is not to be used."""
        self.anew = None


@dataclass(frozen=True)
class Moved:
    """What moved until a moment: all slots, those that are still there, and their keys and numbers then."""

    every: BitMap
    slots: Slots
    keys: Int64s
    ids: Int64s


def first(keys: Keys, by_number: Slots, stretch: int = STRETCH) -> Sorted:
    """All slots sorted, for a collection that was just loaded; `by_number` are its slots in the order of numbers."""
    way = np.argsort(keys[by_number], kind="stable")
    return Sorted.of(by_number[way], stretch)


def resorted(ordering: Ordering, moved: Moved) -> Sorted:
    """The order with what has moved put in its place. In a thread of its own, while keys change under it.

    Keys are written after `mark`, so what changes while they are read here is in `anew` afterwards, and is left out.
    """
    slots, keys, ids = ordering.sorted.slots, ordering.keys, ordering.ids
    out = np.zeros(len(ids), bool)
    out[slots_of(moved.every)] = True
    kept = slots[~out[slots]]
    key = keys[kept]
    number = ids[kept]
    meanwhile = ordering.anew.copy() if ordering.anew is not None else BitMap()
    if len(meanwhile):
        out[:] = False
        late = slots_of(meanwhile)
        out[late[late < len(out)]] = True
        still = ~out[kept]
        kept, key, number = kept[still], key[still], number[still]
    way = np.lexsort((moved.ids, moved.keys))
    slots, wanted, numbers = moved.slots[way], moved.keys[way], moved.ids[way]
    low, high = np.searchsorted(key, wanted, "left"), np.searchsorted(key, wanted, "right")
    while (low < high).any():
        middle = (low + high) // 2
        open_ = low < high
        less = np.zeros(len(low), bool)
        less[open_] = number[middle[open_]] < numbers[open_]
        low = np.where(open_ & less, middle + 1, low)
        high = np.where(open_ & ~less, middle, high)
    return Sorted.of(np.insert(kept, low, slots), ordering.sorted.stretch)
