"""From the number of a document to its slot, the place that it has in every array of a collection."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Slots = NDArray[np.uint32]


class Numbers:
    """A sorted array of what was loaded, and a dictionary of what came since. Twelve bytes a document."""

    def __init__(self, ids: Int64s, slots: Slots | None = None) -> None:
        """`ids` by slot; or sorted ids with the slot of each."""
        if slots is None:
            way = np.argsort(ids, kind="stable").astype(np.uint32)
            ids, slots = ids[way], way
        self._ids, self._slots = ids, slots
        self.since: dict[int, int] = {}

    @property
    def by_number(self) -> Slots:
        """The slots of what was loaded, in the order of numbers."""
        return self._slots

    def find(self, number: int) -> int | None:
        """Its slot; None when it is not there."""
        slot = self.since.get(number)
        if slot is not None:
            return slot if slot >= 0 else None
        at = int(np.searchsorted(self._ids, number))
        if at < len(self._ids) and self._ids[at] == number:
            return int(self._slots[at])
        return None

    def put(self, number: int, slot: int | None) -> None:
        """It is at this slot now; or (None) nowhere."""
        self.since[number] = -1 if slot is None else slot

    def merged(self, since: dict[int, int]) -> Numbers:
        """With what came since sorted in. `since` is a copy: this may run in another thread."""
        if not since:
            return self
        changed = np.fromiter(since.keys(), np.int64, len(since))
        places = np.fromiter(since.values(), np.int64, len(since))
        kept = ~np.isin(self._ids, changed)
        there = places >= 0
        ids = np.concatenate([self._ids[kept], changed[there]])
        slots = np.concatenate([self._slots[kept], places[there].astype(np.uint32)])
        way = np.argsort(ids, kind="stable")
        return Numbers(ids[way], slots[way])

    def forget(self, merged: dict[int, int]) -> None:
        """Drop from what came since what was merged and has not changed again."""
        for number, slot in merged.items():
            if self.since.get(number) == slot:
                del self.since[number]

    @property
    def size(self) -> Any:
        """Bytes of the arrays."""
        return self._ids.nbytes + self._slots.nbytes
