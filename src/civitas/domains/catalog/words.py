"""Words for searching: how texts are split, folded, and compared with one letter wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from civitas.kit.text import fold

MAX_WORD = 32
MIN_TOLERANT = 4

MAX_PREFIX_WORDS = 8

_RUN = re.compile(r"[^\W_]+")
# Scripts without spaces: each pair of neighbouring characters is a word.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=[0-9])")


def split(text: str) -> list[str]:
    """The folded words of a text, in order; scripts without spaces give overlapping pairs of characters."""
    return [word for run in _RUN.findall(fold(text)) for word in _unspaced(run)]


def _unspaced(run: str) -> Iterator[str]:
    at = 0
    for found in _UNSPACED.finditer(run):
        if found.start() > at:
            yield run[at : found.start()][:MAX_WORD]
        chars = found[0]
        if len(chars) == 1:
            yield chars
        yield from (chars[i : i + 2] for i in range(len(chars) - 1))
        at = found.end()
    if at < len(run):
        yield run[at:][:MAX_WORD]


def prefix_query(text: str) -> str:
    """The text form of a tsquery (`simple`) for names that have these words, the last as a beginning; "" for none."""
    found = [word[:MAX_WORD] for word in _RUN.findall(text.lower())[:MAX_PREFIX_WORDS]]
    return " & ".join([*(f"'{word}'" for word in found[:-1]), f"'{found[-1]}':*"]) if found else ""


def spellings(name: str) -> set[str]:
    """Other words under which a name is looked for: its humps apart, and neighbours written as one."""
    apart = split(_HUMP.sub(" ", name))
    words = split(name)
    joined = {a + b for a, b in pairwise(words) if len(a) + len(b) <= MAX_WORD}
    return (set(apart) | joined) - set(words)


def forms(word: str) -> set[str]:
    """The word itself and, from `MIN_TOLERANT` letters on, all forms with one letter missing."""
    if len(word) < MIN_TOLERANT:
        return {word}
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def within_one(a: str, b: str) -> bool:
    """Whether one letter changed, missing, added or swapped with its neighbour makes `a` into `b`."""
    if a == b:
        return True
    if len(a) > len(b):
        a, b = b, a
    if len(b) - len(a) > 1:
        return False
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    if len(a) < len(b):
        return a[at:] == b[at + 1 :]
    swapped = a[at : at + 2] == b[at : at + 2][::-1] and a[at + 2 :] == b[at + 2 :]
    return swapped or a[at + 1 :] == b[at + 1 :]


def vector(fields: Iterable[list[str]], named: Iterable[str], also: Iterable[str]) -> str:
    """The text form of a tsvector: words of fields with positions, `=word` for those of the name.

    Positions run on within a field and jump between fields, so that a phrase never spans two.
    """
    places: dict[str, list[int]] = {}
    at = 0
    for field in fields:
        for word in field:
            at += 1
            if at < 16_000:
                places.setdefault(word, []).append(at)
        at += 20
    for word in also:
        places.setdefault(word, [])
    for word in named:
        places.setdefault(f"={word}", [])
    return " ".join(
        f"'{word}'" + (":" + ",".join(map(str, found[:200])) if found else "")
        for word, found in sorted(places.items())
    )
