"""Which slots carry which term: roaring bitmaps for what many carry, one array for all that few carry.

A bitmap costs some hundred bytes however little is in it, and most terms are carried by a handful: these stand
behind one another in one array of slots, found by a sorted array of terms. What is added later is kept beside it until
`folded` makes a new array.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from civitas.infra.search.shape import Member

Int64s = NDArray[np.int64]
Slots = NDArray[np.uint32]

# From so many slots on a term has a bitmap.
MANY: Final = 2048
# A term that so many of a batch carry goes to its bitmap at once while postings are put together.
COMMON: Final = 64
# Unions as large as this are kept.
KEPT_FROM: Final = 20_000
UNIONS: Final = 64
SPANS: Final = 16
NEW_KEYS: Final = 1024


def bitmap(slots: Slots) -> BitMap:
    """A bitmap of an array; by its bytes, ten times as fast as by its elements."""
    made = array("I")
    made.frombytes(np.ascontiguousarray(slots, np.uint32).tobytes())
    return BitMap(made)


def slots_of(found: BitMap) -> Slots:
    """The slots of a bitmap, ascending."""
    return np.frombuffer(found.to_array(), np.uint32)


@dataclass
class Few:
    """Terms that few carry: `slots[starts[i]:starts[i + 1]]` carry `terms[i]`."""

    terms: Int64s = field(default_factory=lambda: np.zeros(0, np.int64))
    starts: Int64s = field(default_factory=lambda: np.zeros(1, np.int64))
    slots: Slots = field(default_factory=lambda: np.zeros(0, np.uint32))

    def within(self, low: int, high: int) -> Slots:
        """The slots of all terms from `low` to (and without) `high`, one after another."""
        start, end = np.searchsorted(self.terms, (low, high))
        return self.slots[self.starts[start] : self.starts[end]]

    def of(self, term: int) -> Slots:
        """The slots of a term."""
        at = int(np.searchsorted(self.terms, term))
        if at < len(self.terms) and self.terms[at] == term:
            return self.slots[self.starts[at] : self.starts[at + 1]]
        return self.slots[:0]

    def of_each(self, terms: Sequence[int]) -> list[Slots]:
        """The slots of each of these terms that anything carries."""
        asked = np.array(terms, np.int64)
        at = np.searchsorted(self.terms, asked)
        inside = at < len(self.terms)
        at, asked = at[inside], asked[inside]
        at = at[self.terms[at] == asked]
        starts, ends = self.starts[at].tolist(), self.starts[at + 1].tolist()
        return [self.slots[start:end] for start, end in zip(starts, ends, strict=True)]


class Spans:
    """Which of the keys of a dictionary lie in a span: a sorted array, and a few that came since."""

    def __init__(self, keys: Iterable[int] = ()) -> None:
        self._sorted = np.array(sorted(keys), np.int64)
        self._new: list[int] = []

    def add(self, key: int) -> None:
        """A key that was not there."""
        self._new.append(key)
        if len(self._new) >= NEW_KEYS:
            self._sorted, self._new = np.sort(np.append(self._sorted, np.array(self._new, np.int64))), []

    def within(self, low: int, high: int) -> list[int]:
        """Those from `low` to (and without) `high`; some may be there no more, and one twice."""
        start, end = np.searchsorted(self._sorted, (low, high))
        found: list[int] = self._sorted[start:end].tolist()
        return found + [key for key in self._new if low <= key < high]


class Postings:
    """All terms of a collection. For one thread; `folded` is for another."""

    def __init__(
        self, many: dict[int, BitMap] | None = None, few: Few | None = None, *, many_from: int = MANY
    ) -> None:
        self.many_from = many_from
        self.many = many or {}
        self._many_keys, self._since_keys = Spans(self.many), Spans()
        self.few = few or Few()
        self.since: dict[int, array[int]] = {}
        self.added = 0
        self._unions: OrderedDict[tuple[Member, ...], BitMap] = OrderedDict()
        self._spans: OrderedDict[tuple[int, int], BitMap] = OrderedDict()
        self._within: dict[Member, list[BitMap]] = {}

    def one(self, term: int) -> BitMap:
        """Who carries a term. Not to be changed."""
        found = self.many.get(term)
        if found is not None:
            return found
        made = bitmap(self.few.of(term))
        since = self.since.get(term)
        if since is not None:
            made.update(since)
        return made

    def any_of(self, group: Sequence[Member]) -> BitMap:
        """Who carries one of these. Not to be changed."""
        key = tuple(group)
        kept = self._unions.get(key)
        if kept is not None:
            self._unions.move_to_end(key)
            return kept
        spans = [one for one in key if isinstance(one, tuple)]
        terms = tuple([one for one in key if isinstance(one, int)])
        if not spans:
            return self._any_of_terms(terms)
        parts = [self._within_span(*span) for span in spans]
        return parts[0] if len(key) == 1 else BitMap.union(*parts, self.any_of(terms))

    def _within_span(self, low: int, high: int) -> BitMap:
        kept = self._spans.get((low, high))
        if kept is not None:
            self._spans.move_to_end((low, high))
            return kept
        made = bitmap(self.few.within(low, high))
        large = [self.many[term] for term in self._many_keys.within(low, high) if term in self.many]
        if large:
            made |= BitMap.union(*large)
        for term in self._since_keys.within(low, high):
            if term in self.since:
                made.update(self.since[term])
        if len(made) >= KEPT_FROM:
            self._spans[low, high] = made
            if len(self._spans) > SPANS:
                self._spans.popitem(last=False)
        return made

    def _any_of_terms(self, key: tuple[int, ...]) -> BitMap:
        if len(key) == 1:
            return self.one(key[0])
        terms = key
        large = [self.many[term] for term in terms if term in self.many]
        small = [term for term in terms if term not in self.many]
        made = BitMap.union(*large) if large else BitMap()
        parts = self.few.of_each(small)
        if parts:
            made |= bitmap(np.concatenate(parts))
        for term in small:
            if term in self.since:
                made.update(self.since[term])
        if len(made) >= KEPT_FROM and len(terms) <= UNIONS:
            self._keep(key, made)
        return made

    def _keep(self, key: tuple[int, ...], made: BitMap) -> None:
        self._unions[key] = made
        if len(self._unions) > UNIONS:
            self._unions.popitem(last=False)
        self._within = {}
        for terms, union in self._unions.items():
            for term in terms:
                self._within.setdefault(term, []).append(union)

    def add(self, terms: Iterable[int], slot: int) -> None:
        """A slot carries these from now on."""
        for term in terms:
            found = self.many.get(term)
            if found is not None:
                found.add(slot)
            else:
                self._add_to_few(term, slot)
            for union in self._within.get(term, ()):
                union.add(slot)
            for (low, high), span in self._spans.items():
                if low <= term < high:
                    span.add(slot)
            self.added += 1

    def _add_to_few(self, term: int, slot: int) -> None:
        since = self.since.get(term)
        if since is None:
            since = self.since[term] = array("I")
            self._since_keys.add(term)
        since.append(slot)
        if len(since) >= self.many_from:
            self.many[term] = self.one(term)
            self._many_keys.add(term)
            del self.since[term]

    def clear_unions(self) -> None:
        """Forget what is kept of other parts: slots were taken out of them, and terms that came since were folded."""
        self._unions.clear()
        self._spans.clear()
        self._within = {}
        self._since_keys = Spans(self.since)

    def folded(self, since: dict[int, array[int]], gone: BitMap, slots: int) -> Few:
        """What few carry, without the slots that are gone and with what came since. `since` is a copy of another thread."""
        few = self.few
        out = np.zeros(slots + 1, bool)
        out[slots_of(gone)] = True
        kept = ~out[few.slots]
        counts = np.add.reduceat(kept, few.starts[:-1], dtype=np.int64) if len(few.terms) else few.starts[:0]
        ends = np.cumsum(counts)
        terms, places = few.terms, few.slots[kept]
        added = [(term, found[~out[found]]) for term, found in _sorted(since)]
        added = [(term, found) for term, found in added if len(found)]
        if added:
            new = np.array([term for term, _ in added], np.int64)
            sizes = np.array([len(found) for _, found in added], np.int64)
            at = np.searchsorted(terms, new)
            known = np.zeros(len(new), bool)
            inside = at < len(terms)
            known[inside] = terms[at[inside]] == new[inside]
            # Behind the slots of the same term, or where the term would begin.
            where = np.where(known, at + 1, at)
            places = np.insert(places, np.repeat(np.concatenate([[0], ends])[where], sizes),
                               np.concatenate([found for _, found in added]))  # fmt: skip
            counts[at[known]] += sizes[known]
            terms = np.insert(terms, at[~known], new[~known])
            counts = np.insert(counts, at[~known], sizes[~known])
        left = counts > 0
        return Few(terms[left], np.concatenate([[0], np.cumsum(counts[left])]).astype(np.int64), places)

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        bitmaps = sum(400 + found.get_statistics()["n_bytes_bitset_containers"]
                      + found.get_statistics()["n_bytes_array_containers"]
                      + found.get_statistics()["n_bytes_run_containers"] for found in self.many.values())  # fmt: skip
        few = self.few.terms.nbytes + self.few.starts.nbytes + self.few.slots.nbytes
        return bitmaps + few + 5 * self.added + 200 * len(self.since)


def _sorted(since: dict[int, array[int]]) -> list[tuple[int, Slots]]:
    return [(term, np.array(since[term], np.uint32)) for term in sorted(since)]


class Gathering:
    """Puts postings together from batches of pairs, in bounded memory: what is common in a batch goes to its bitmap."""

    def __init__(self, *, common: int = COMMON, many_from: int = MANY) -> None:
        self._common, self._many_from = common, many_from
        self._many: dict[int, BitMap] = {}
        self._runs: list[tuple[Int64s, Int64s, Slots]] = []

    def add(self, terms: Int64s, slots: Slots) -> None:
        """Pairs of a batch, in any order."""
        way = np.argsort(terms)
        terms, slots = terms[way], slots[way]
        every, first = np.unique(terms, return_index=True)
        counts = np.diff(np.append(first, len(terms)))
        common = counts >= self._common
        for term, start, count in zip(
            every[common].tolist(), first[common].tolist(), counts[common].tolist(), strict=True
        ):
            found = bitmap(slots[start : start + count])
            if term in self._many:
                self._many[term] |= found
            else:
                self._many[term] = found
        rest = ~common
        self._runs.append((every[rest], counts[rest].astype(np.int64), slots[np.repeat(rest, counts)]))

    def finished(self) -> Postings:
        """All of it; the batches are let go one by one."""
        if not self._runs:
            return Postings(many_from=self._many_from)
        every = np.unique(np.concatenate([run[0] for run in self._runs]))
        counts = np.zeros(len(every), np.int64)
        for terms, numbers, _ in self._runs:
            counts[np.searchsorted(every, terms)] += numbers
        starts = np.concatenate([[0], np.cumsum(counts)])
        slots, filled = np.zeros(int(starts[-1]), np.uint32), starts[:-1].copy()
        self._runs.reverse()
        while self._runs:
            terms, numbers, found = self._runs.pop()
            at = np.searchsorted(every, terms)
            within = np.arange(len(found)) - np.repeat(np.cumsum(numbers) - numbers, numbers)
            slots[np.repeat(filled[at], numbers) + within] = found
            filled[at] += numbers
        return self._split(every, counts, starts, slots)

    def _split(self, every: Int64s, counts: Int64s, starts: Int64s, slots: Slots) -> Postings:
        """Terms that have a bitmap, or are many after all, leave the array."""
        known = np.fromiter(self._many.keys(), np.int64, len(self._many))
        out = (counts >= self._many_from) | np.isin(every, known)
        for at in np.flatnonzero(out).tolist():
            term, found = int(every[at]), bitmap(slots[starts[at] : starts[at + 1]])
            self._many[term] = self._many[term] | found if term in self._many else found
        for found in self._many.values():
            found.run_optimize()
            found.shrink_to_fit()
        left = counts[~out]
        kept = slots[np.repeat(~out, counts)]
        few = Few(every[~out], np.concatenate([[0], np.cumsum(left)]).astype(np.int64), kept)
        return Postings(self._many, few, many_from=self._many_from)
