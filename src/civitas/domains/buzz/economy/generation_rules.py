"""The price book of generation and training (FEATURES G9, G22), and how the queue is shared.

A price is a sum of terms. A term is an amount of Buzz for so much of something: `by = { area = 262144, steps = 20 }`
costs the amount at 512 by 512 pixels and 20 steps, and in proportion otherwise. `blocks` counts begun units whole.
What can be measured is told in `domains/orchestration/measuring.py`; every number in an input can, by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from civitas.domains.buzz.economy.rule_types import Buzz, Rules

Amount = Annotated[Decimal, Field(ge=0, le=10**9)]
Unit = Annotated[Decimal, Field(gt=0, le=10**12)]
# What a field of the input must say: texts with * for anything, in any case; `true`, `false`, and numbers as texts.
When = Mapping[str, tuple[str, ...]]


class Term(Rules):
    """One part of a price."""

    amount: Amount
    by: Mapping[str, Unit] = Field(default_factory=dict)
    blocks: Mapping[str, Unit] = Field(default_factory=dict)


class Factor(Rules):
    """What makes a price higher or lower by a factor."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    when: When = Field(default_factory=dict)
    times: Amount = Decimal(1)
    # Multiplied by a measure, too, when one is named.
    measure: str | None = None


class Extra(Rules):
    """What comes on top, in whole Buzz."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    when: When = Field(default_factory=dict)
    amount: Buzz


class Price(Rules):
    """What steps of some types cost, when their input is as told. The price with the most conditions counts."""

    steps: tuple[str, ...] = Field(min_length=1)
    when: When = Field(default_factory=dict)
    terms: tuple[Term, ...] = ()
    factors: tuple[Factor, ...] = ()
    extras: tuple[Extra, ...] = ()
    least: Buzz = Decimal(0)
    round: Literal["up", "nearest"] = "up"
    # In whole multiples of so much.
    multiple: Buzz = Field(default=Decimal(1), gt=0)
    # What was used, when that is known at the end and is less (`usage.total_tokens` for `tokens`).
    used: Mapping[str, str] = Field(default_factory=dict)


class Queue(Rules):
    """How the queue is shared: what a tier counts more than Free, and what a priority is worth in units of work."""

    weights: Mapping[str, Unit]
    forward: Mapping[Literal["high", "normal", "low"], Decimal]
    # Whoever submits more than their tier allows is told to wait; staff may have as many as they like.
    limited: bool = True


class Generation(Rules):
    """All of it."""

    queue: Queue
    priority: Mapping[Literal["high", "normal", "low"], Buzz]
    # Members with this perk have the high priority for nothing.
    free_priority_perk: str
    # Whether the site's usual tips are added for programs that say nothing of tips; the site's own pages always do.
    usual_tips: bool
    cached_days: int = Field(ge=0)
    extras: tuple[Extra, ...] = ()
    prices: Mapping[str, Price]
