"""How mature an output is by what is known of it before anybody looks: words, models, what it was made from.

Rooms above orchestration know words and models; the studio says its rule in its `subjects.py`, which app.wiring imports.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

LEVELS: Final = ("pg", "pg13", "r", "x", "xxx")


@dataclass(frozen=True, slots=True)
class Making:
    """What an output was made with: the step, its input with every reference replaced, for whom, by which versions."""

    step_type: str
    input: Mapping[str, Any]
    person_id: int
    versions: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Ruling:
    """How mature by rule, and why it may not be shown at all; a rule that cannot say leaves both open."""

    level: str | None = None
    blocked: str | None = None


Rule = Callable[[Any, Making], Awaitable[Ruling]]

_RULES: list[Rule] = []


def rules_maturity(rule: Rule) -> Rule:
    """Judge outputs with this function: a session, and what it was made with."""
    if _RULES:
        raise ValueError("outputs are judged by two rules")
    _RULES.append(rule)
    return rule


async def ruling(session: Any, making: Making) -> Ruling:
    """What the rule says; nothing where there is none."""
    return await _RULES[0](session, making) if _RULES else Ruling()


def stricter(*levels: str | None) -> str | None:
    """The most mature of these levels; None when nobody said any."""
    said = [level for level in levels if level in LEVELS]
    return max(said, key=LEVELS.index) if said else None
