"""What is known of the words of a query, looked up in one statement and remembered for a moment."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final
from weakref import WeakKeyDictionary

from civitas.domains.catalog import search, terms
from civitas.domains.catalog.search import Query, Vocabulary
from civitas.infra.db.readpool import PooledReads, ReadPool
from civitas.kit.sql import statements

_SQL: Final = statements("civitas.domains.catalog", "reads.sql")["known_words"]

# So many words that begin like what was typed are counted for a plan of SQL; the index need only know whether there are any.
COUNTED: Final = 2000
# So many are named to the index one by one, where they are no span of its terms.
NAMED: Final = 100
# Words are counted once a minute, so that no answer is older by much for this.
LASTS_S: Final = 10.0
REMEMBERED: Final = 4000

_Asked = tuple[tuple[str, ...], str | None, int]


class _Recent:
    """Of one pool: the same words are the same object, so that what is made of them can be remembered, too."""

    def __init__(self) -> None:
        self._found: OrderedDict[_Asked, tuple[float, Vocabulary]] = OrderedDict()

    def get(self, asked: _Asked) -> Vocabulary | None:
        found = self._found.get(asked)
        return found[1] if found is not None and time.monotonic() - found[0] < LASTS_S else None

    def put(self, asked: _Asked, vocabulary: Vocabulary) -> None:
        self._found[asked] = time.monotonic(), vocabulary
        self._found.move_to_end(asked)
        if len(self._found) > REMEMBERED:
            self._found.popitem(last=False)


_RECENT: Final[WeakKeyDictionary[ReadPool, _Recent]] = WeakKeyDictionary()


async def vocabulary_of(reads: ReadPool, query: Query, most: int) -> Vocabulary:
    """What is known of a query's words, at most `LASTS_S` ago; of those that begin with the last one up to `most` are counted.

    One statement, or none. What a transaction of its owner's reads (`BoundReads`) is always as it is now.
    """
    if not query.wanted.words:
        return search.judge(query, [])
    asked = query.wanted.words, search.going_on(query), most
    recent = _RECENT.setdefault(reads, _Recent()) if isinstance(reads, PooledReads) else None
    known = recent.get(asked) if recent is not None else None
    if known is None:
        known = search.judge(query, await _rows(reads, *asked))
        if recent is not None:
            recent.put(asked, known)
    return known


async def _rows(
    reads: ReadPool, found: tuple[str, ...], last: str | None, most: int
) -> list[tuple[str | None, str | None, int, str | None]]:
    pairs = search.near_forms(found)
    given = {
        "words": [word for word, _ in pairs],
        "forms": [form for _, form in pairs],
        "last": last,
        "most": most,
        "named": 0 if last is None or terms.spans(last) else NAMED,
    }
    return [(asked, word, models, named) for asked, word, models, named in await reads.fetch(_SQL, given)]
