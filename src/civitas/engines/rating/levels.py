"""From what a detector saw to a level: pure, and the same wherever it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

# What is seen less surely than this is not counted.
SURE: Final = 0.35

# The strictest of what was seen is the level (FEATURES N4); what is not named here makes nothing mature.
LEVELS: Final[Mapping[str, str]] = {
    "FEMALE_GENITALIA_EXPOSED": "x",
    "MALE_GENITALIA_EXPOSED": "x",
    "ANUS_EXPOSED": "x",
    "FEMALE_BREAST_EXPOSED": "x",
    "BUTTOCKS_EXPOSED": "r",
    "FEMALE_GENITALIA_COVERED": "r",
    "ANUS_COVERED": "r",
    "FEMALE_BREAST_COVERED": "pg13",
    "BUTTOCKS_COVERED": "pg13",
    "MALE_BREAST_EXPOSED": "pg13",
    "BELLY_EXPOSED": "pg13",
}
_ORDER: Final = ("pg", "pg13", "r", "x", "xxx")


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing in a picture, and how sure the detector is of it, from 0 to 1."""

    name: str
    score: float


def level_of(seen: Iterable[Seen]) -> str:
    """How mature a picture is in which these things were seen."""
    found = [LEVELS.get(one.name, "pg") for one in seen if one.score >= SURE]
    return max(found, key=_ORDER.index, default="pg")


def labels_of(seen: Iterable[Seen]) -> list[str]:
    """What was seen, in words, the surest first and each once."""
    sure = sorted((one for one in seen if one.score >= SURE), key=lambda one: -one.score)
    return list(dict.fromkeys(one.name.replace("_", " ").capitalize() for one in sure))
