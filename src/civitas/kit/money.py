"""Amounts of Buzz as whole numbers of quarters, and how they are read and shown."""

from __future__ import annotations

import re
from decimal import Decimal

from civitas.kit.errors import Invalid

QUARTERS = 4
# A signed 64-bit number holds it with room for sums over everybody.
MOST_BUZZ = 10**12
_PLAIN = re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?")


def buzz(amount: int) -> int:
    """Whole Buzz in quarters: `buzz(50) == 200`."""
    return amount * QUARTERS


def parse(given: str | int | float, *, name: str = "amount") -> int:
    """Quarters of an amount that somebody typed or sent: `1`, `0.25`, `1,000`. Never negative.

    Raises Invalid (`bad_amount`) for anything that is not a multiple of 0.25 from 0 to a trillion.
    """
    if isinstance(given, bool):
        raise _bad(name)
    written = repr(given) if isinstance(given, int | float) else given.strip().replace(",", "")
    if not _PLAIN.fullmatch(written):
        raise _bad(name)
    quarters = Decimal(written) * QUARTERS
    if quarters != int(quarters) or quarters > buzz(MOST_BUZZ):
        raise _bad(name)
    return int(quarters)


def as_number(quarters: int) -> int | float:
    """For JSON: a whole number where it is one, else with its quarter."""
    return quarters // QUARTERS if quarters % QUARTERS == 0 else quarters / QUARTERS


def shown(quarters: int) -> str:
    """For people: `1,250`, `-0.25`."""
    sign, quarters = ("-" if quarters < 0 else ""), abs(quarters)
    fraction = {0: "", 1: ".25", 2: ".5", 3: ".75"}[quarters % QUARTERS]
    return f"{sign}{quarters // QUARTERS:,}{fraction}"


def dollars(cents: int) -> str:
    """For people: `$1,234.50`."""
    sign, cents = ("-" if cents < 0 else ""), abs(cents)
    return f"{sign}${cents // 100:,}.{cents % 100:02}"


def _bad(name: str) -> Invalid:
    return Invalid(
        "Give an amount of Buzz as a number such as 50 or 0.25, in steps of a quarter.",
        code="bad_amount",
        fields={name: "Not an amount."},
    )
