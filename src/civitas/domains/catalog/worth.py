"""Whether a list is found as soon by SQL as by the index in memory, which then need not be asked.

A page of common things comes soon in a walk of the order: of `t` models that a part `p` of all is like, it is complete after
some t / p rows, wherever in the order it begins. A few hundred rows are walked in the time that a question and the check of
its answer take: at 200,000 models both cost the same processor time at 220 rows for a page of 20 and at 650 for one of
100 (2.4 microseconds a row; a page by the index 1.2 ms and 5.7 ms). What part of all it is, is known from how many models
carry each facet, as if facets came independently; where that errs, the walk is bounded (see walking).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from civitas.domains.catalog.walking import Sought
from civitas.infra.db.readpool import ReadPool

# In so small a catalogue anything is found soon.
SMALL: Final = 2000
# So many rows are walked in the time of a question, and so many for each row of its answer.
WALKED: Final = 100
WALKED_EACH: Final = 6
LASTS_S: Final = 60.0
# The facets that divide the catalogue into large parts: types, base models, both, formats, and so on. Tags are many, and
# hardly one is carried by as many models as it takes; those not known here count as rare.
_KINDS: Final = ("t:", "b:", "tb:", "f:", "c:", "u:", "+")
_TYPES: Final = "t:"
_SQL: Final = (
    "SELECT w.word, w.models FROM unnest(%(lows)s::text[], %(highs)s::text[]) AS k(low, high) "
    'JOIN search_words w ON w.word >= k.low COLLATE "C" AND w.word < k.high COLLATE "C"'
)
_GIVEN: Final = {"lows": list(_KINDS), "highs": [kind[:-1] + chr(ord(kind[-1]) + 1) for kind in _KINDS]}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many models carry a facet, and how many there are."""

    facets: Mapping[str, int] = field(default_factory=dict)
    total: int = 0

    def share(self, facets: Iterable[str]) -> float:
        """What part of all models has one of these."""
        return min(1.0, sum(self.facets.get(facet, 0) for facet in facets) / max(1, self.total))


@dataclass
class Known:
    """The counts as read within the last minute. One for each process."""

    counts: Counts = field(default_factory=Counts)
    read_at: float = -LASTS_S

    async def of(self, reads: ReadPool) -> Counts:
        """The counts; read again when they are old."""
        if time.monotonic() - self.read_at >= LASTS_S:
            facets = dict(await reads.fetch(_SQL, _GIVEN))
            # Every model is of one type.
            total = sum(models for facet, models in facets.items() if facet.startswith(_TYPES))
            self.counts, self.read_at = Counts(facets, total), time.monotonic()
        return self.counts


def quick(counts: Counts, sought: Sought, take: int, *, words: bool) -> bool:
    """Whether SQL finds `take` models after few rows. Of words, people and spans of time it is not said."""
    if counts.total <= SMALL:
        return True
    if words or sought.people or sought.not_people or sought.least:
        return False
    share = 1.0 - counts.share(sought.without)
    for group in sought.groups:
        share *= counts.share(group)
    return take < (WALKED + WALKED_EACH * take) * share
