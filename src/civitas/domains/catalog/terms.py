"""What a listed model can be found by, as numbers of 62 bits made of texts: facets, words, words of its name. Pure.

They are digests rather than numbers out of a table, so that nothing need be kept true: SQL makes them of the very columns
that it searches by itself. The first letters of a word come before its digest, so that words with the same beginning lie
together, and all words that begin like what was typed are a span of numbers. A letter or digit of English takes six bits
(as in base64, which SQL is quick with), any other character eighteen; 42 bits in all. Words that begin alike for longer
share a span, and are told apart by the 18 bits of their digests.
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
# So many letters of a word stand before its digest.
LETTERS: Final = 7
_DIGIT, _WIDE, _DIGEST = 6, 3, 18
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_OF_LETTER: Final = {letter: digit for digit, letter in enumerate(_ALPHABET)}
_NO_LETTER: Final = 63
# The letters of a word (as `w`) with their digest's bits behind them still empty; seldom one at a time.
_LETTERS_SQL: Final = f"""CASE WHEN w ~ '[^a-z0-9]' THEN
    (SELECT left(rpad(string_agg(CASE WHEN ascii(c) < 128 THEN (strpos('{_ALPHABET}', c) - 1)::bit({_DIGIT})::text
                                      ELSE ascii(c)::bit({_DIGIT * _WIDE})::text END, '' ORDER BY n), 42, '0'), 42)
       FROM string_to_table(left(w, {LETTERS}), NULL) WITH ORDINALITY c (c, n))::bit(42)::bigint << {_DIGEST}
    ELSE ('x' || encode(decode(rpad(left(w, {LETTERS}), 8, 'A'), 'base64'), 'hex'))::bit(48)::bigint << {_DIGEST - _DIGIT} END"""  # noqa: S608
# All terms of a row of the listings.
SQL: Final = f"""(SELECT coalesce(array_agg(x), '{{}}')
  FROM (SELECT ('x' || left(md5(t), 15))::bit(60)::bigint FROM unnest(facets || ('n:' || name)) t
        UNION ALL
        SELECT ({_LETTERS_SQL}) + (('x' || left(md5(w), 5))::bit({_DIGEST})::bigint)
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
    letters, digits = _letters(plain)
    digest = _digest(plain, 5) >> (20 - _DIGEST)
    return (_WORD if plain == text else _NAMED) + (letters << _DIGIT * (LETTERS - digits) + _DIGEST) + digest


def spans(beginning: str) -> bool:
    """Whether all words that begin like this, and no others, are a span."""
    return sum(1 if letter.isascii() else _WIDE for letter in beginning) <= LETTERS


def apart(plain: str) -> str:
    """As much of a word's beginning as tells it from others before its digest does."""
    while not spans(plain):
        plain = plain[:-1]
    return plain


def beginning(text: str) -> tuple[int, int]:
    """A span of words that begin like this (`=` as in `word`): of those alone if it `spans`, else of some more."""
    plain = text.removeprefix("=")
    letters, digits = _letters(plain)
    kind, free = (_WORD if plain == text else _NAMED), _DIGIT * (LETTERS - digits) + _DIGEST
    return kind + (letters << free), kind + (letters + 1 << free)


def _letters(plain: str) -> tuple[int, int]:
    """The first letters as a number, and how many digits that is, at most `LETTERS`."""
    made = digits = 0
    for letter in plain:
        if digits >= LETTERS:
            break
        if letter.isascii():
            made, digits = (made << _DIGIT) + _OF_LETTER.get(letter, _NO_LETTER), digits + 1
        else:
            wide = _DIGIT * _WIDE
            made, digits = (made << wide) + (ord(letter) & (1 << wide) - 1), digits + _WIDE
    over = max(0, digits - LETTERS)
    return made >> _DIGIT * over, digits - over


def facets(texts: Iterable[str]) -> tuple[int, ...]:
    """The terms of several facets, in an order of their own."""
    return tuple(sorted({facet(text) for text in texts}))


def words(texts: Iterable[str]) -> Group:
    """The terms of several words; of those with `*` at the end, all that begin so."""
    made: list[Member] = [
        beginning(text.removesuffix("*")) if text.endswith("*") else word(text) for text in sorted(set(texts))
    ]
    return tuple(made)


def wide(text: str) -> bool:
    """Whether this (`word*`) stands for more than it says."""
    return text.endswith("*") and not spans(text.removeprefix("=").removesuffix("*"))


def surely(texts: Iterable[str]) -> Group:
    """Of what `words` would give only terms that are meant: of a beginning that shares its span the word itself."""
    return words(text.removesuffix("*") if wide(text) else text for text in texts)


@lru_cache(maxsize=LEVELS)
def levels(mask: int) -> tuple[int, ...]:
    """Models with pictures of any level that the mask lets through."""
    return tuple(LEVEL + bits for bits in range(1, LEVELS) if bits & mask)
