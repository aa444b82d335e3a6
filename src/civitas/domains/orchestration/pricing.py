"""What a step costs by the price book: the one function behind what-if, the pages and the charge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from fnmatch import fnmatchcase
from typing import Any

from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.generation_rules import Generation, Price, Term
from civitas.domains.buzz.economy.rules import quarters
from civitas.domains.buzz.memberships.entitlements import Entitlements
from civitas.domains.orchestration.kinds.kind import Kind
from civitas.domains.orchestration.measuring import Measured
from civitas.domains.orchestration.types import Priority
from civitas.kit import money

MOST = money.buzz(10**9)


@dataclass(frozen=True, slots=True)
class Priced:
    """A step's price in quarters, a whole number of Buzz; `work` is how much work it is, in Buzz unrounded."""

    base: int
    work: float
    factors: Mapping[str, float] = field(default_factory=dict)
    fixed: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """With what comes on top."""
        return self.base + sum(self.fixed.values())


def book() -> Generation:
    """The price book in force."""
    return economy.current().generation


def price(
    kind: Kind, measured: Measured, *, priority: Priority | None = None, member: Entitlements | None = None
) -> Priced:
    """What a step of this input costs. A kind that the book does not know costs nothing."""
    rules = book()
    found = rule_for(kind.type, measured, rules)
    if found is None:
        return Priced(0, 1.0)
    factors = _factors(found, measured)
    amount = sum((_term(term, measured) for term in found.terms), Decimal(0))
    for factor in factors.values():
        amount *= Decimal(factor)
    base = _rounded(max(amount, found.least), found)
    fixed = {extra.name: quarters(extra.amount) for extra in found.extras if _fits(extra.when, measured)}
    if kind.rushed:
        fixed |= {extra.name: quarters(extra.amount) for extra in rules.extras if _fits(extra.when, measured)}
        free = member is not None and rules.free_priority_perk in member.tier.perks
        if priority is not None and not free and (extra_fee := quarters(rules.priority[priority.value])):
            fixed["priority"] = extra_fee
    shown = {name: float(factor) for name, factor in factors.items()} | _shown(found, measured)
    return Priced(min(base, MOST), max(float(amount), 0.05), shown, fixed)


def used(kind: Kind, measured: Measured, output: Mapping[str, Any], quoted: int) -> int:
    """What a step's base price is by what it used, where the book and the output say; never more than quoted."""
    found = rule_for(kind.type, measured, book())
    if found is None or not found.used:
        return quoted
    numbers = dict(measured.numbers)
    for name, path in found.used.items():
        value: Any = output
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            return quoted
        numbers[name] = float(value)
    return min(quoted, price(kind, Measured(numbers, measured.words)).base)


def rule_for(type: str, measured: Measured, rules: Generation) -> Price | None:
    """The price with the most conditions among those that fit; the first of equals."""
    best: Price | None = None
    for one in rules.prices.values():
        if (
            type in one.steps
            and _fits(one.when, measured)
            and (best is None or len(one.when) > len(best.when))
        ):
            best = one
    return best


def _fits(when: Mapping[str, tuple[str, ...]], measured: Measured) -> bool:
    return all(
        (word := measured.words.get(name)) is not None
        and any(fnmatchcase(word, form.lower()) for form in forms)
        for name, forms in when.items()
    )


def _factors(found: Price, measured: Measured) -> dict[str, Decimal]:
    made = {}
    for factor in found.factors:
        if _fits(factor.when, measured):
            by = Decimal(str(measured.number(factor.measure))) if factor.measure else Decimal(1)
            made[factor.name] = factor.times * by
    return made


def _term(term: Term, measured: Measured) -> Decimal:
    amount = term.amount
    for name, unit in term.by.items():
        amount *= Decimal(str(measured.number(name))) / unit
    for name, unit in term.blocks.items():
        amount *= max(1, math.ceil(Decimal(str(measured.number(name))) / unit))
    return amount


def _rounded(amount: Decimal, found: Price) -> int:
    """Whole multiples, in quarters. A hair above a whole number, which fractions make, is that number."""
    steps = (amount / found.multiple).quantize(Decimal("1e-9"))
    whole = steps.to_integral_value(ROUND_CEILING if found.round == "up" else ROUND_HALF_UP)
    return quarters(max(whole * found.multiple, found.least).to_integral_value(ROUND_CEILING))


def _shown(found: Price, measured: Measured) -> dict[str, float]:
    """What the first term multiplies, for the breakdown: `size`, `steps`, `quantity`."""
    if not found.terms:
        return {}
    first = found.terms[0]
    made = {name: measured.number(name) / float(unit) for name, unit in first.by.items()}
    made |= {
        name: float(math.ceil(measured.number(name) / float(unit))) for name, unit in first.blocks.items()
    }
    return {("size" if name == "area" else name): round(value, 4) for name, value in made.items()}
