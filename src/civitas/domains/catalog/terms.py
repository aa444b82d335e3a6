"""What a listed model can be found by, as numbers of 60 bits made of texts: facets, words, words of its name. Pure.

They are digests rather than numbers out of a table, so that nothing need be kept true: SQL makes them of the very columns
that it searches by itself. Among a million texts two are alike with a probability of less than one in a million.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

# Levels and people are terms by their own numbers, above all digests.
LEVEL: Final = 1 << 60
PERSON: Final = 1 << 61
LEVELS: Final = 64
# All terms of a row of the listings.
SQL: Final = (
    "(SELECT coalesce(array_agg(('x' || left(md5(t), 15))::bit(60)::bigint), '{}') "
    "FROM unnest(facets || tsvector_to_array(terms) || ('n:' || name)) t)"
)


@lru_cache(maxsize=1 << 16)
def number(text: str) -> int:
    """The term of a facet, a word, or a word of a name (`=word`)."""
    return int(hashlib.md5(text.encode(errors="replace"), usedforsecurity=False).hexdigest()[:15], 16)


def numbers(texts: Iterable[str]) -> tuple[int, ...]:
    """The terms of several, in an order of their own."""
    return tuple(sorted({number(text) for text in texts}))


def name(folded: str) -> int:
    """Models whose whole folded name is this."""
    return number(f"n:{folded}")


@lru_cache(maxsize=LEVELS)
def levels(mask: int) -> tuple[int, ...]:
    """Models with pictures of any level that the mask lets through."""
    return tuple(LEVEL + bits for bits in range(1, LEVELS) if bits & mask)
