"""Words of a prompt as a reader would take them: syntax out, look-alikes and spacing undone, places remembered."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from civitas.kit.text import fold

_NETWORK: Final = re.compile(r"<[a-z]+:[^<>\n]{1,300}>", re.IGNORECASE)
_WEIGHT: Final = re.compile(r":\s*[+-]?\d*\.?\d+\s*(?=[)\]])")
_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*", re.UNICODE)
# A word spelled out: single letters with one and the same thing between them, four or more of them.
_SPELLED: Final = re.compile(r"(?<![^\W_])(?:[^\W_]([ .\-_*|/]))(?:[^\W_]\1){2,}[^\W_](?![^\W_])")
_LOOK_ALIKE: Final = str.maketrans(
    {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i", "|": "l"}
)
_SYMBOLS: Final = re.compile(r"(?<=[^\W\d_])[@$!|](?=[^\W\d_])|(?<![^\s(,])[@$](?=[^\W\d_]{2})")
_REPEATED: Final = re.compile(r"(.)\1{2,}")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that are looked for in a row; the last may have any ending."""

    words: tuple[str, ...]
    open_end: bool = False

    @classmethod
    def read(cls, text: str) -> Phrase:
        """A phrase as the lists write it: `little girl*`."""
        open_end = text.endswith("*")
        return cls(tuple(_WORD.findall(fold(text.rstrip("*")))), open_end)

    def __str__(self) -> str:
        return " ".join(self.words) + ("*" if self.open_end else "")


def plain(prompt: str) -> str:
    """The prompt without what is syntax to generators: networks, weights, brackets that only weigh."""
    text = _WEIGHT.sub(" ", _NETWORK.sub(" , ", prompt))
    return re.sub(r"[()\[\]{}\\]", " ", text)


def readings(prompt: str) -> tuple[tuple[str, ...], ...]:
    """The words of a prompt, folded, in each way in which they may be meant.

    As written; with spelled-out words put together; with look-alike digits and signs read as letters, and letters that
    are drawn out read once or twice. Linear in the length of the prompt.
    """
    text = fold(plain(prompt))
    joined = _SPELLED.sub(lambda found: found.group().replace(found.group(1), ""), text)
    signs = _SYMBOLS.sub(lambda found: found.group().translate(_LOOK_ALIKE), joined)
    once, twice = _REPEATED.sub(r"\1", signs), _REPEATED.sub(r"\1\1", signs)
    return tuple(dict.fromkeys((words(text), words(joined), _as_letters(once), _as_letters(twice))))


def _as_letters(text: str) -> tuple[str, ...]:
    return tuple(
        word.translate(_LOOK_ALIKE) if any(ch.isalpha() for ch in word) else word for word in words(text)
    )


def words(text: str) -> tuple[str, ...]:
    """The words of a folded text, in order."""
    return tuple(_WORD.findall(text))


class Lookout:
    """Finds phrases in words, in one pass whatever their number."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self._exact: dict[str, list[Phrase]] = {}
        self._open: dict[str, list[Phrase]] = {}
        self._shortest = 64
        self._longest = 0
        for phrase in phrases:
            if not phrase.words:
                continue
            first = phrase.words[0]
            if len(phrase.words) == 1 and phrase.open_end:
                self._open.setdefault(first, []).append(phrase)
                self._shortest = min(self._shortest, len(first))
                self._longest = max(self._longest, len(first))
            else:
                self._exact.setdefault(first, []).append(phrase)

    def find(self, spoken: tuple[str, ...]) -> list[tuple[int, int, Phrase]]:
        """Every phrase that occurs: its first word, the word after its last, and itself."""
        found = []
        for at, word in enumerate(spoken):
            for phrase in self._exact.get(word, ()):
                if self._matches(spoken, at, phrase):
                    found.append((at, at + len(phrase.words), phrase))
            for size in range(self._shortest, min(len(word), self._longest) + 1):
                found.extend((at, at + 1, phrase) for phrase in self._open.get(word[:size], ()))
        return found

    @staticmethod
    def _matches(spoken: tuple[str, ...], at: int, phrase: Phrase) -> bool:
        end = at + len(phrase.words)
        if end > len(spoken):
            return False
        *most, last = phrase.words
        if tuple(most) != spoken[at : end - 1]:
            return False
        return spoken[end - 1].startswith(last) if phrase.open_end else spoken[end - 1] == last

    def without(self, spoken: tuple[str, ...]) -> tuple[str, ...]:
        """The words with every phrase taken out; what stood beside it is not neighbours afterwards."""
        gone = {at for start, end, _ in self.find(spoken) for at in range(start, end)}
        return tuple("\u2022" if at in gone else word for at, word in enumerate(spoken))
