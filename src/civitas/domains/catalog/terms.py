"""What a listed model can be found by, as numbers of 62 bits made of texts: facets, words, words of its name. Pure.

They are digests rather than numbers out of a table, so that nothing need be kept true: SQL makes them of the very columns
that it searches by itself. The first bytes of a word come before its digest, so that words with the same beginning lie
together, and all words that begin like what was typed are a span of numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from civitas.infra.search.shape import Group, Member

_KIND: Final = 1 << 60
_WORD, _NAMED, _OTHER = _KIND, 2 * _KIND, 3 * _KIND
# Levels and people are terms by their own numbers.
LEVEL: Final = _OTHER
PERSON: Final = _OTHER + (1 << 40)
LEVELS: Final = 64
# So many bytes of a word stand before the 28 bits of its digest.
BEGINNING: Final = 4
# All terms of a row of the listings.
SQL: Final = f"""(SELECT coalesce(array_agg(x), '{{}}')
  FROM (SELECT ('x' || left(md5(t), 15))::bit(60)::bigint FROM unnest(facets || ('n:' || name)) t
        UNION ALL
        SELECT ('x' || rpad(left(encode(convert_to(w, 'UTF8'), 'hex'), {2 * BEGINNING}), {2 * BEGINNING}, '0')
                    || left(md5(w), 7))::bit(60)::bigint
               + CASE WHEN left(t, 1) = '=' THEN {_NAMED} ELSE {_WORD} END
          FROM (SELECT t, ltrim(t, '=') AS w FROM unnest(tsvector_to_array(terms)) t) words) numbers (x))"""  # noqa: S608


def _digest(text: str, digits: int) -> int:
    return int(hashlib.md5(text.encode(errors="replace"), usedforsecurity=False).hexdigest()[:digits], 16)


@lru_cache(maxsize=1 << 16)
def facet(text: str) -> int:
    """Models with a facet."""
    return _digest(text, 15)


def name(folded: str) -> int:
    """Models whose whole folded name is this."""
    return facet(f"n:{folded}")


@lru_cache(maxsize=1 << 16)
def word(text: str) -> int:
    """Models with a word, or (`=word`) with it in their name."""
    plain = text.removeprefix("=")
    beginning = plain.encode(errors="replace")[:BEGINNING].ljust(BEGINNING, b"\0")
    return (_WORD if plain == text else _NAMED) + (int.from_bytes(beginning) << 28) + _digest(plain, 7)


def spans(beginning: str) -> bool:
    """Whether all words that begin like this are a span."""
    return len(beginning.encode(errors="replace")) <= BEGINNING


def beginning(text: str) -> tuple[int, int]:
    """The span of words that begin like this (`=` as in `word`), which is short enough: see `spans`."""
    plain = text.removeprefix("=")
    found = plain.encode(errors="replace")
    low = int.from_bytes(found.ljust(BEGINNING, b"\0"))
    kind, step = (_WORD if plain == text else _NAMED), 1 << 8 * (BEGINNING - len(found))
    return kind + (low << 28), kind + (low + step << 28)


def facets(texts: Iterable[str]) -> tuple[int, ...]:
    """The terms of several facets, in an order of their own."""
    return tuple(sorted({facet(text) for text in texts}))


def words(texts: Iterable[str]) -> Group:
    """The terms of several words; of those with `*` at the end, all that begin so."""
    made: list[Member] = [
        beginning(text.removesuffix("*")) if text.endswith("*") else word(text) for text in sorted(set(texts))
    ]
    return tuple(made)


@lru_cache(maxsize=LEVELS)
def levels(mask: int) -> tuple[int, ...]:
    """Models with pictures of any level that the mask lets through."""
    return tuple(LEVEL + bits for bits in range(1, LEVELS) if bits & mask)
