"""What a person typed into the search box, taken apart: pure, bounded, and never an error for odd input.

Words stand for themselves, the last one also for words that begin with it. `"a phrase"` stands in that order.
`#tag`, `@user`, `type:LORA`, `base:"SDXL 1.0"`, `hash:2E2B1F`, an AIR, `civitai:4384@128713` and the address of a
model's page narrow the search; `-` or `!` before any of them (or before a word) excludes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from civitas.domains.catalog import air, terms, words
from civitas.kit.errors import Invalid

MAX_QUERY: Final = 300
MAX_PARTS: Final = 16
HASH_LENGTHS: Final = frozenset({8, 10, 12, 64})
MAX_GUESSES: Final = 8
MAX_NAME: Final = 200

_PART = re.compile(
    r"""(?P<not>[-!]?)
        (?:(?P<sign>[#@])|(?P<key>tag|user|creator|type|base|basemodel|hash|sha256)\s*:\s*)?
        (?:"(?P<quoted>[^"]*)"?|(?P<bare>[^\s"]+))""",
    re.IGNORECASE | re.VERBOSE,
)
_NAMED = re.compile(r"(?:urn:)?air:\S+|civitai:\d+(?:@\d+)?\S*", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s/]+/(?:[^\s?#]*/)?models/(\d{1,18})")
_HEX = re.compile(r"[0-9A-Fa-f]+")
_BARE_HASH = re.compile(r"(?=[0-9A-Fa-f]*[0-9])(?:[0-9A-Fa-f]{10}|[0-9A-Fa-f]{12}|[0-9A-Fa-f]{64})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One side of a query: what must be, or what must not be."""

    words: tuple[str, ...] = ()
    phrases: tuple[tuple[str, ...], ...] = ()
    tags: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """A query taken apart. `model_ids` are those named by AIR or address; `open_end`: the last word may go on."""

    text: str
    wanted: Wanted = field(default_factory=Wanted)
    unwanted: Wanted = field(default_factory=Wanted)
    model_ids: tuple[int, ...] = ()
    open_end: bool = False

    @property
    def has_text(self) -> bool:
        """Whether there are words that decide an order, beside what only filters."""
        return bool(self.wanted.words or self.wanted.phrases)


class _Side:
    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}
        self.phrases: list[tuple[str, ...]] = []

    def add(self, kind: str, value: str) -> None:
        values = self.found.setdefault(kind, [])
        if value and value not in values:
            values.append(value)

    def done(self) -> Wanted:
        kinds = {kind: tuple(values) for kind, values in self.found.items()}
        return Wanted(phrases=tuple(dict.fromkeys(self.phrases)), **kinds)


_KINDS = {
    "#": "tags", "tag": "tags", "@": "users", "user": "users", "creator": "users", "type": "types",
    "base": "bases", "basemodel": "bases", "hash": "hashes", "sha256": "hashes",
}  # fmt: skip


def parse(text: str) -> Query:
    """Take a query apart. Raises Invalid (`query_too_long`) above `MAX_QUERY` characters, nothing else.

    Parts beyond the sixteenth are left out; a hash that cannot be one finds nothing rather than being ignored.
    """
    if len(text) > MAX_QUERY:
        raise Invalid(
            f"A search has at most {MAX_QUERY} characters.",
            code="query_too_long",
            fields={"query": "too long"},
        )
    text = text.replace("\x00", " ")
    ids: list[int] = []
    rest = _ADDRESS.sub(lambda found: _take(ids, int(found[1])), text)
    rest = _NAMED.sub(lambda found: _take(ids, _model_of(found[0])), rest)
    sides = (_Side(), _Side())
    open_end = False
    for part in list(_PART.finditer(rest))[:MAX_PARTS]:
        open_end = _add(part, sides[bool(part["not"])]) and not part["not"] and part.end() == len(rest)
    return Query(text.strip(), sides[0].done(), sides[1].done(), tuple(ids), open_end)


def _take(ids: list[int], model_id: int) -> str:
    ids.append(model_id)
    return " "


def _model_of(text: str) -> int:
    """The model that an AIR names; 0, which none has, when it names none of ours."""
    try:
        return air.parse(text).model_id or 0
    except Invalid:
        return 0


def _add(part: re.Match[str], side: _Side) -> bool:
    """Put one part where it belongs; whether it was a plain word that may go on."""
    quoted, bare = part["quoted"], part["bare"]
    value = quoted if quoted is not None else bare
    key = (part["sign"] or part["key"] or "").lower()
    if key:
        kind = _KINDS[key]
        side.add(kind, value.strip().upper() if kind == "hashes" else value.strip())
        return False
    found = words.split(value)
    if quoted is not None:
        if found:
            side.phrases.append(tuple(found))
        return False
    if _BARE_HASH.fullmatch(value):
        side.add("hashes", value.upper())
        return False
    for word in found:
        side.add("words", word)
    return bool(found)


def is_hash(value: str) -> bool:
    """Whether this can be a hash of a kind that we know, by its letters and length."""
    return len(value) in HASH_LENGTHS and bool(_HEX.fullmatch(value))


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """What is known about the words of a query, each its own: by how many models those that exist are carried, and those near.

    `beginnings` is the same for words that begin with the last one, of many the first; None when none does. `endings` are
    those words, where they were asked for and few enough to be named. `total`: all models.
    """

    known: Mapping[str, int]
    near: Mapping[str, Sequence[tuple[str, int]]]
    beginnings: int | None = None
    total: float = 1.0
    endings: tuple[str, ...] | None = None


def going_on(query: Query) -> str | None:
    """The last word where it also stands for words that begin with it."""
    last = query.wanted.words[-1] if query.open_end and query.wanted.words else ""
    return last if len(last) > 1 or not last.isascii() else None


def near_forms(found: Iterable[str]) -> list[tuple[str, str]]:
    """(word, form) pairs to look up in `search_forms`."""
    return [(word, form) for word in found for form in sorted(words.forms(word))]


def judge(query: Query, rows: Iterable[tuple[str | None, str | None, int, str | None]]) -> Vocabulary:
    """Sort out what the lookup of `near_forms` found: (word of the query, word found, models with it, None).

    A row without a word found is for all words that begin with the query's last one, which stand in its last column if
    they are not too many; one with neither is for all models.
    """
    known: dict[str, int] = {}
    near: dict[str, set[tuple[int, str]]] = {}
    beginnings, endings, total = None, None, 1.0
    for asked, found, models, named in rows:
        if asked is None:
            total = max(1.0, models)
        elif found is None:
            beginnings, endings = models, tuple(named.split(" ")) if named else None
        elif asked == found:
            known[asked] = models
        elif len(asked) >= words.MIN_TOLERANT and words.within_one(asked, found):
            near.setdefault(asked, set()).add((-models, found))
    best = {
        asked: [(word, -less) for less, word in sorted(found)[:MAX_GUESSES]] for asked, found in near.items()
    }
    return Vocabulary(known, best, beginnings, total, endings)


@dataclass(frozen=True, slots=True)
class _Choice:
    """What one word of a query stands for, and at most how many models that is."""

    word: str
    goes_on: bool
    instead: tuple[str, ...]
    models: int


def _choices(query: Query, vocabulary: Vocabulary) -> Iterable[_Choice]:
    for i, word in enumerate(query.wanted.words):
        goes_on = i == len(query.wanted.words) - 1 and going_on(query) is not None
        models = (vocabulary.beginnings or 0) if goes_on else vocabulary.known.get(word, 0)
        near = () if models else vocabulary.near.get(word, ())
        yield _Choice(
            word, goes_on, tuple(found for found, _ in near), models or sum(count for _, count in near)
        )


def share(query: Query, vocabulary: Vocabulary) -> float:
    """The part of all models that the words of a query should find, as if words came independently."""
    found = 1.0
    for choice in _choices(query, vocabulary):
        found *= min(1.0, max(choice.models, 0.5) / vocabulary.total)
    return found


def tsquery(query: Query, vocabulary: Vocabulary, *, named: bool = False) -> str | None:
    """The text form of a tsquery of what must be; with `named`, every word must stand in the name.

    None when there are no words. Words unknown here also match words one letter away.
    """
    sign = "=" if named else ""
    parts = []
    for choice in _choices(query, vocabulary):
        options = [f"'{sign}{choice.word}'{':*' if choice.goes_on else ''}"]
        options += [f"'{sign}{word}'" for word in choice.instead]
        parts.append(options[0] if len(options) == 1 else f"({' | '.join(options)})")
    for phrase in query.wanted.phrases:
        if named:
            parts += [f"'={word}'" for word in phrase]
        else:
            parts.append("(" + " <-> ".join(f"'{word}'" for word in phrase) + ")")
    return " & ".join(parts) or None


def word_groups(query: Query, vocabulary: Vocabulary, *, named: bool = False) -> list[tuple[str, ...]]:
    """What `tsquery` asks for as terms: one of each group must be there. Of a phrase its words, in whatever order.

    `word*` stands for all words that begin so: where they are no span of terms (see `terms.spans`) and too many to be named,
    for some others, too.
    """
    sign = "=" if named else ""
    groups = []
    for choice in _choices(query, vocabulary):
        options = {choice.word, *choice.instead}
        if choice.goes_on and vocabulary.beginnings:
            if terms.spans(choice.word) or vocabulary.endings is None:
                options = {f"{choice.word}*"}
            else:
                options.update(vocabulary.endings)
        groups.append(tuple(f"{sign}{word}" for word in sorted(options)))
    groups += [(f"{sign}{word}",) for phrase in query.wanted.phrases for word in phrase]
    return groups


def exact_names(query: Query, vocabulary: Vocabulary) -> list[str]:
    """What a name must fold to in order to be what was typed: as typed, and with each unknown word put right."""
    typed = query.wanted.words or query.wanted.phrases[0]
    right = []
    for word in typed:
        near = () if word in vocabulary.known else vocabulary.near.get(word, ())
        right.append(near[0][0] if near else word)
    return list(dict.fromkeys("".join(made)[:MAX_NAME] for made in (typed, right)))


def unwanted_tsquery(query: Query) -> str | None:
    """The text form of a tsquery of what must not be; None when nothing is excluded by words."""
    parts = [f"'{word}'" for word in query.unwanted.words]
    parts += ["(" + " <-> ".join(f"'{w}'" for w in phrase) + ")" for phrase in query.unwanted.phrases]
    return " | ".join(parts) or None
