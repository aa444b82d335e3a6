"""Whether a prompt may be made into a picture (FEATURES M9): pure rules over words, no database.

A *hard* finding is refused and counted; a *soft* one is told and may be acknowledged; some findings only force the
result to be safe. Words that were found are said as they stand in the lists, so that a person knows what to change.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from civitas.contracts.maturity import stricter
from civitas.domains.studio.prompt_rules import PromptRules
from civitas.domains.studio.prompt_words import Lookout, Phrase, readings
from civitas.kit.errors import Invalid
from civitas.kit.text import fold

_NUMBERS: Final = tuple(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "  # noqa: SIM905
    "seventeen".split()
)
_GLUED_AGE: Final = re.compile(r"^(\d{1,2})(?:yo|yrs?|years?)$")
_ADULT: Final = 18


class Category(StrEnum):
    """Why a prompt was found fault with."""

    TOO_LONG = "too_long"
    MINOR_AGE = "minor_age"
    INAPPROPRIATE_MINOR = "inappropriate_minor"
    PERSON = "poi"
    INAPPROPRIATE_PERSON = "inappropriate_poi"
    FORBIDDEN = "nsfw_blocklist"
    PROFANITY = "profanity"
    HARMFUL_COMBO = "harmful_combo"


class Weight(StrEnum):
    """What a finding does."""

    # Refused, and counted against the person.
    HARD = "hard"
    # Refused until it is changed or acknowledged; never counted.
    SOFT = "soft"
    # Not refused, but nothing mature may come of it.
    SAFE_ONLY = "safe_only"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: what kind, how heavy, and the words it was found in."""

    category: Category
    weight: Weight
    words: tuple[str, ...]

    def told(self) -> str:
        """The sentence for the person who wrote the prompt."""
        return _SENTENCES[self.category].format(
            words=", ".join(f"\u201c{word}\u201d" for word in self.words[:5])
        )


_SENTENCES: Final = {
    Category.TOO_LONG: "The prompt is longer than may be checked; shorten it.",
    Category.MINOR_AGE: "The prompt speaks of somebody under age ({words}), so only safe results are made from it.",
    Category.INAPPROPRIATE_MINOR: "The prompt puts somebody under age into a sexual context ({words}). "
    "That is never made here.",
    Category.PERSON: "The prompt names a real person ({words}), so only safe results are made from it.",
    Category.INAPPROPRIATE_PERSON: "The prompt puts a real person into a sexual context ({words}). "
    "That is never made here.",
    Category.FORBIDDEN: "The prompt asks for something that is never made here ({words}).",
    Category.PROFANITY: "The prompt has words that this site does not use ({words}); choose others.",
    Category.HARMFUL_COMBO: "The prompt puts words together that are not made here ({words}).",
}


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything that was found in a prompt."""

    findings: tuple[Finding, ...]

    @property
    def hard(self) -> tuple[Finding, ...]:
        """What refuses it and is counted."""
        return tuple(one for one in self.findings if one.weight is Weight.HARD)

    @property
    def soft(self) -> tuple[Finding, ...]:
        """What wants to be acknowledged."""
        return tuple(one for one in self.findings if one.weight is Weight.SOFT)

    @property
    def safe_only(self) -> bool:
        """Whether nothing mature may come of it."""
        return bool(self.findings)


class Auditor:
    """The rules made ready for looking: build it once, use it for every prompt."""

    def __init__(self, rules: PromptRules) -> None:
        self.rules = rules
        self._benign = _lookout(rules.benign)
        self._minors = _lookout(rules.minors)
        self._sexual = _lookout(rules.sexual)
        self._persons = _lookout(rules.persons)
        self._forbidden = _lookout(rules.forbidden)
        self._profanity = _lookout(rules.profanity)
        self._revealing = _lookout(rules.revealing)
        self._suggestive = _lookout(rules.suggestive)
        self._together = [(_lookout(one), _lookout(other)) for one, other in rules.together]

    def audit(
        self, prompt: str, negative: str = "", *, safe_site: bool = False, allowed: Sequence[str] = ()
    ) -> Audit:
        """Look at a prompt. `allowed` are phrases that were cleared for this person.

        The negative prompt says what shall not be seen, so only its length is looked at: "child" is a good word there.
        """
        if len(prompt) + len(negative) > self.rules.longest:
            return Audit((Finding(Category.TOO_LONG, Weight.SOFT, ()),))
        cleared = _lookout(allowed) if allowed else None
        found: dict[Category, Finding] = {}
        for spoken in readings(prompt):
            left = self._benign.without(spoken)
            if cleared is not None:
                left = cleared.without(left)
            for finding in self._look(left, safe_site=safe_site):
                known = found.get(finding.category)
                told = tuple(dict.fromkeys((known.words if known else ()) + finding.words))
                found[finding.category] = Finding(finding.category, finding.weight, told)
        return Audit(tuple(found[category] for category in Category if category in found))

    def level(self, prompt: str) -> str:
        """How mature a picture of these words is: `pg`, `pg13`, `r` or `x`."""
        found = "pg"
        for spoken in readings(prompt[: self.rules.longest]):
            left = self._benign.without(spoken)
            for level, lookout in (
                ("pg13", self._suggestive),
                ("r", self._revealing),
                ("x", self._sexual),
                ("x", self._forbidden),
            ):
                if lookout.find(left):
                    found = stricter(found, level) or level
                    left = lookout.without(left)
        return found

    def _look(self, spoken: tuple[str, ...], *, safe_site: bool) -> list[Finding]:
        found: list[Finding] = []
        sexual = _named(self._sexual, spoken)
        minors = _named(self._minors, spoken) + ages(spoken)
        persons = _named(self._persons, spoken)
        if minors and sexual:
            found.append(Finding(Category.INAPPROPRIATE_MINOR, Weight.HARD, minors + sexual))
        elif minors:
            found.append(Finding(Category.MINOR_AGE, Weight.SAFE_ONLY, minors))
        if persons and sexual:
            found.append(Finding(Category.INAPPROPRIATE_PERSON, Weight.HARD, persons + sexual))
        elif persons:
            found.append(Finding(Category.PERSON, Weight.SAFE_ONLY, persons))
        if forbidden := _named(self._forbidden, spoken):
            found.append(Finding(Category.FORBIDDEN, Weight.HARD, forbidden))
        if safe_site and (profane := _named(self._profanity, spoken)):
            found.append(Finding(Category.PROFANITY, Weight.SOFT, profane))
        for one, other in self._together:
            if (first := _named(one, spoken)) and (second := _named(other, spoken)):
                found.append(Finding(Category.HARMFUL_COMBO, Weight.HARD, first + second))
        return found


@lru_cache(maxsize=4)
def auditor(rules: PromptRules) -> Auditor:
    """The auditor of these rules, kept."""
    return Auditor(rules)


def check_length(text: str, most: int) -> None:
    """Raise Invalid (`prompt_too_long`) for a prompt longer than a generator takes."""
    if len(text) > most:
        raise Invalid(
            f"The prompt has {len(text):,} characters; {most:,} is the most.",
            code="prompt_too_long",
            fields={"prompt": f"At most {most:,} characters."},
        )


def ages(spoken: tuple[str, ...]) -> tuple[str, ...]:
    """Ages below eighteen, in figures or words: `16 yo`, `16yo`, `aged 9`, `twelve years old`."""
    found = []
    for at, word in enumerate(spoken):
        glued = _GLUED_AGE.match(word)
        number = int(glued.group(1)) if glued else _number(word)
        if number is None or not 0 < number < _ADULT:
            continue
        after = spoken[at + 1] if at + 1 < len(spoken) else ""
        further = spoken[at + 2] if at + 2 < len(spoken) else ""
        before = spoken[at - 1] if at else ""
        by_age = after in {"yo", "y"} or (after in {"year", "years", "yr", "yrs"} and further == "old")
        if glued or by_age or before in {"age", "aged"}:
            found.append(f"{word} {after}".strip() if not glued and by_age else word)
    return tuple(found)


def _number(word: str) -> int | None:
    if word.isdecimal() and word.isascii() and len(word) <= 2:
        return int(word)
    return _NUMBERS.index(word) + 1 if word in _NUMBERS else None


def _lookout(phrases: Sequence[str]) -> Lookout:
    return Lookout(Phrase.read(fold(one)) for one in phrases)


def _named(lookout: Lookout, spoken: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(" ".join(spoken[start:end]) for start, end, _ in lookout.find(spoken)))
