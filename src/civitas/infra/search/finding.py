"""Pages of a collection: how a question is answered.

Where few match, all that match are found by their bitmaps and the best of them taken. Where many match, the sorted order
is walked a piece at a time and each piece held against the bitmaps; what has moved since the order was sorted is looked
at by itself. A walk that finds little goes on by whole stretches, and passes those in which nothing matches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt
from typing import Final

import numpy as np
from pyroaring import BitMap

from civitas.infra.search.collection import Collection
from civitas.infra.search.copying import Keys
from civitas.infra.search.orders import Ordering
from civitas.infra.search.postings import Slots, bitmap, slots_of
from civitas.infra.search.shape import Answer, Question

_NONE: Final = np.zeros(0, np.uint32)


@dataclass(frozen=True, slots=True)
class Limits:
    """Where one way is left for another; the defaults are measured (decision 0015)."""

    # As many matches are sorted rather than walked to; so many in any case.
    direct: int = 50_000
    sorted: int = 10_000
    # A walk takes so many slots at once, and more and more of them.
    piece: int = 2048
    least_piece: int = 64
    largest_piece: int = 16_384
    # A walk as long as this first finds out what matches at all.
    patience: int = 16_384
    # Where a stretch has fewer matches, they are sorted; else it is walked.
    sparse: int = 8192


LIMITS: Final = Limits()


def find(collection: Collection, question: Question, limits: Limits = LIMITS) -> Answer:
    """The page. Raises KeyError for an order that the collection does not have."""
    search = _Search.of(collection, question, limits)
    slots = search.page() if search is not None else _NONE
    return Answer(collection.ids[slots].tolist(), search.order.keys[slots].tolist() if search else [])


def find_each(
    collections: Mapping[str, Collection], questions: Sequence[Question], enough: int, limits: Limits = LIMITS
) -> list[Answer]:
    """The pages of several questions, one after another until there is enough; fewer pages than questions, then.

    Each is given what is wanting; how much it asks for itself does not count. Raises KeyError.
    """
    answers: list[Answer] = []
    for question in questions:
        if enough <= 0:
            break
        answers.append(find(collections[question.collection], replace(question, take=enough), limits))
        enough -= len(answers[-1].ids)
    return answers


@dataclass
class _Search:
    """A question put ready: bitmaps that all must hold, the smallest first, and one that none may be in."""

    collection: Collection
    asked: Question
    order: Ordering
    musts: list[BitMap]
    nots: BitMap
    since: tuple[Ordering, int] | None
    limits: Limits
    # What part of all should match, as if terms came independently.
    share: float = 1.0

    @classmethod
    def of(cls, collection: Collection, asked: Question, limits: Limits) -> _Search | None:
        order = collection.orders[collection.shape.place(asked.order)]
        musts = [collection.postings.any_of(group) for group in asked.groups]
        if any(not found for found in musts):
            return None
        since = None
        if asked.since is not None:
            by = collection.orders[collection.shape.place(asked.since[0])]
            since = by, asked.since[1]
            musts.append(by.tail(asked.since[1]))
        nots = collection.gone
        if asked.without:
            nots = nots | collection.postings.any_of(asked.without)
        for groups in asked.unless:
            nots = nots | _meeting_all([collection.postings.any_of(group) for group in groups])
        if asked.not_ids:
            slots = [slot for n in asked.not_ids if (slot := collection.numbers.find(n)) is not None]
            nots = nots | BitMap(slots)
        musts.sort(key=len)
        return cls(collection, asked, order, musts, nots, since, limits)

    def page(self) -> Slots:
        total = max(1, self.collection.count)
        for found in self.musts:
            self.share *= len(found) / total
        # Where many match, the order has a page within a few pieces, and sorting them all costs more.
        direct = min(self.limits.direct, max(self.limits.sorted, isqrt(5 * self.asked.take * total)))
        if self.musts and (len(self.musts[0]) <= direct or self.share * total <= direct):
            matching = self._matching()
            if len(matching) <= direct:
                return self._best(slots_of(matching))
            return self._walked(matching)
        return self._walked(None)

    def _matching(self) -> BitMap:
        found = self.musts[0]
        for other in self.musts[1:]:
            found = found & other
        return found - self.nots if self.nots else found

    def _meeting(self, slots: Slots, matching: BitMap | None) -> BitMap:
        """Those of a few slots that match."""
        found = bitmap(slots)
        if matching is not None:
            return found & matching
        for must in self.musts:
            found &= must
        found -= self.nots
        return found

    def _best(self, slots: Slots) -> Slots:
        """The first of these in order, of those that lie within the bounds, behind the place and in the span."""
        asked, order = self.asked, self.order
        if self.since is not None:
            slots = slots[self.since[0].keys[slots] >= self.since[1]]
        keys = order.keys[slots]
        within = np.ones(len(slots), bool)
        if asked.low is not None:
            within &= keys >= asked.low
        if asked.high is not None:
            within &= keys < asked.high
        if asked.behind is not None:
            key, number = asked.behind
            beyond = keys < key if asked.descending else keys > key
            same = np.flatnonzero(keys == key)
            ids = order.ids[slots[same]]
            beyond[same] = ids < number if asked.descending else ids > number
            within &= beyond
        if not within.all():
            slots, keys = slots[within], keys[within]
        if len(slots) > 4 * asked.take:
            slots, keys = self._cut(slots, keys)
        way = np.lexsort((order.ids[slots], keys))
        return slots[way[::-1] if asked.descending else way][: asked.take]

    def _cut(self, slots: Slots, keys: Keys) -> tuple[Slots, Keys]:
        """Without what cannot be among the first: worse keys, and of equal ones at the edge the later numbers."""
        take, down = self.asked.take, self.asked.descending
        place = len(keys) - take if down else take - 1
        edge = np.partition(keys, place)[place]
        better = keys > edge if down else keys < edge
        ties = slots[keys == edge]
        wanted = take - int(better.sum())
        if len(ties) > wanted:
            ids = self.order.ids[ties]
            spot = len(ids) - wanted if down else wanted - 1
            limit = np.partition(ids, spot)[spot]
            ties = ties[ids >= limit] if down else ties[ids <= limit]
        chosen = np.concatenate([slots[better], ties])
        return chosen, self.order.keys[chosen]

    def _walked(self, matching: BitMap | None) -> Slots:
        """Along the order, and what has moved."""
        found = self._along(matching)
        if found is None:
            # Fewer match than it seemed.
            return self._best(slots_of(self._matching()))
        moved = self.order.moved
        if moved:
            apart = self._meeting(slots_of(moved), matching)
            found = np.concatenate([found, self._best(slots_of(apart))])
        return self._best(found)

    def _window(self) -> tuple[int, int]:
        """From where to where the sorted order is to be walked."""
        asked, order = self.asked, self.order
        low = order.position(asked.low, -1) if asked.low is not None else 0
        high = order.position(asked.high, -1) if asked.high is not None else len(order.sorted.slots)
        if asked.behind is not None:
            key, number = asked.behind
            if asked.descending:
                high = min(high, order.position(key, number))
            else:
                low = max(low, order.position(key, number + 1))
        return low, max(low, high)

    def _along(self, matching: BitMap | None) -> Slots | None:
        """The first matches of the sorted order that have not moved; None when all had better be sorted."""
        low, high = self._window()
        slots, down, moved = self.order.sorted.slots, self.asked.descending, self.order.moved
        parts: list[Slots] = []
        found, looked = 0, 0
        expected = int(2 * self.asked.take / max(self.share, 1e-6))
        piece = min(self.limits.piece, max(self.limits.least_piece, expected))
        while low < high and found < self.asked.take:
            if matching is None and looked >= self.limits.patience and self.musts:
                matching = self._matching()
                if len(matching) <= self.limits.direct:
                    return None
            if looked >= self.limits.patience and matching is not None:
                stretch = self.order.sorted.stretch
                at = (high - 1 if down else low) // stretch
                within = matching & self.order.sorted.stretches[at]
                if len(within) < self.limits.sparse:
                    # All of the stretch that is left; what was met before is behind the place of what comes.
                    low, high = (low, at * stretch) if down else ((at + 1) * stretch, high)
                    here = self._best(slots_of(within - moved - _all(parts)))
                    parts.append(here)
                    found += len(here)
                    continue
            start, end = (max(low, high - piece), high) if down else (low, min(high, low + piece))
            meeting = self._meeting(slots[start:end], matching)
            if moved:
                meeting -= moved
            here = self._best(slots_of(meeting))
            parts.append(here)
            found += len(here)
            looked += end - start
            low, high = (low, start) if down else (end, high)
            piece = min(2 * piece, self.limits.largest_piece)
        return np.concatenate(parts) if parts else _NONE


def _meeting_all(parts: list[BitMap]) -> BitMap:
    return BitMap.intersection(*parts) if parts else BitMap()


def _all(parts: list[Slots]) -> BitMap:
    return bitmap(np.concatenate(parts)) if parts else BitMap()
