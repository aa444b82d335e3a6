"""The arithmetic of the creator programme: caps, fees, pools, shares. Pure; Buzz in quarters, cash in cents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from civitas.domains.buzz.economy.programme_rules import PayoutFee, Programme
from civitas.domains.buzz.economy.rule_types import UNLIMITED, quarters
from civitas.domains.buzz.types import Currency
from civitas.kit import money


def _floor(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_FLOOR))


def cap(rules: Programme, *, tier: str, best_month: int) -> int:
    """How much a tier may bank in a month, with so much earned in the best month; 0 for a tier outside the programme."""
    found = rules.caps.get(tier)
    floor = quarters(rules.cap_floor)
    if found is None:
        return 0
    allowed = _floor(best_month * found.best_month_factor)
    if found.most != UNLIMITED:
        allowed = min(allowed, money.buzz(found.most))
    return max(allowed, floor)


def extraction_fee(rules: Programme, total: int) -> int:
    """The fee on taking back `total` quarters: each step's rate on what lies above it, rounded down to a quarter."""
    steps = rules.extraction_fees
    fee = Decimal(0)
    for place, step in enumerate(steps):
        lower = quarters(step.least)
        upper = quarters(steps[place + 1].least) if place + 1 < len(steps) else None
        above = max(0, (total if upper is None else min(total, upper)) - lower)
        fee += above * step.rate
    return _floor(fee)


def fee_by_colour(fee: int, amounts: Mapping[Currency, int]) -> dict[Currency, int]:
    """A fee parted over colours in the proportion of their amounts, rounded down; the last takes the remainder.

    No colour is charged more than it holds.
    """
    total = sum(amounts.values())
    parts: dict[Currency, int] = {}
    left = fee
    colours = [colour for colour, amount in amounts.items() if amount]
    for colour in colours[:-1]:
        parts[colour] = fee * amounts[colour] // total
        left -= parts[colour]
    if colours:
        parts[colours[-1]] = left
    return parts


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """What the pool of a month is made of. `income` is the previous month's, in quarters."""

    income: int
    taxes: Decimal
    portion: Decimal
    override_cents: int | None
    fallback_cents: int
    buzz_per_dollar: int

    @property
    def from_fallback(self) -> bool:
        """Whether there was no income, so that the fallback counts."""
        return self.income <= 0

    @property
    def cents(self) -> int:
        """The value: what staff set, or (income / Buzz per dollar - taxes) x portion, or the fallback."""
        if self.override_cents is not None:
            return self.override_cents
        if self.from_fallback:
            return self.fallback_cents
        gross = Decimal(self.income * 100) / (money.QUARTERS * self.buzz_per_dollar)
        return _floor(gross * (1 - self.taxes) * self.portion)


def most_for(rules: Programme, banked: int) -> int:
    """The most that so much banked Buzz can be worth, in cents."""
    return banked * rules.most_cents_per_1000 // (1000 * money.QUARTERS)


def shares(rules: Programme, *, pool_cents: int, banked: Mapping[int, int]) -> dict[int, int]:
    """What each person gets of a pool, in cents: the proportion of what they banked, nobody more than the limit.

    The shares sum to the pool exactly, or, where the limits sum to less, to those. What rounding leaves goes cent by
    cent to the largest remainders; equal ones in the order of the ids.
    """
    total = sum(banked.values())
    limits = {person: most_for(rules, amount) for person, amount in banked.items()}
    if total == 0 or pool_cents >= sum(limits.values()):
        return limits
    given = {person: pool_cents * amount // total for person, amount in banked.items()}
    left = pool_cents - sum(given.values())
    order = sorted(banked, key=lambda person: (-(pool_cents * banked[person] % total), person))
    while left:
        for person in order:
            if left and given[person] < limits[person]:
                given[person] += 1
                left -= 1
    return given


def estimate(rules: Programme, *, pool_cents: int, mine: int, total: int) -> int:
    """What `mine` of `total` banked quarters would get of a pool, in cents, rounded down."""
    if total <= 0 or mine <= 0:
        return 0
    return min(pool_cents * mine // total, most_for(rules, mine))


def withdrawal_fee(fee: PayoutFee, cents: int) -> int:
    """What a way of paying out costs, in cents, never more than what is withdrawn."""
    return min(cents, fee.cents + _floor(cents * fee.share))


def in_order(colours: Sequence[Currency], amounts: Mapping[Currency, int]) -> dict[Currency, int]:
    """The amounts that are not nothing, in the order of `colours`."""
    return {colour: amounts[colour] for colour in colours if amounts.get(colour)}
