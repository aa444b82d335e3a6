"""How alike two prompts are: what decides whether a picture still counts as a remix of another (FEATURES G11)."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Final

from civitas.domains.studio.prompt_words import plain, words
from civitas.kit.text import fold

STILL_A_REMIX: Final = 0.75
_LONGEST: Final = 20_000


def similarity(one: str, other: str) -> float:
    """0 for nothing in common, 1 for the same words: Dice's coefficient over words and pairs of neighbours.

    Weights, brackets, case and networks are no difference. Two empty prompts are alike.
    """
    first, second = _features(one), _features(other)
    total = first.total() + second.total()
    if not total:
        return 1.0
    return 2 * (first & second).total() / total


def is_remix(prompt: str, source: str) -> bool:
    """Whether a prompt is near enough to its source's to be shown as a remix of it."""
    return similarity(prompt, source) >= STILL_A_REMIX


def _features(prompt: str) -> Counter[tuple[str, ...]]:
    spoken = words(fold(plain(prompt[:_LONGEST])))
    found: Counter[tuple[str, ...]] = Counter((word,) for word in spoken)
    found.update(pairwise(spoken))
    return found
