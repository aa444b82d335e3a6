"""A statement as CSV, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from civitas.domains.buzz.ledger.statement import Movement
from civitas.domains.buzz.types import Currency
from civitas.kit import clock, money

HEAD = (
    "time", "entry", "type", "typeNumber", "what", "colour", "amount", "balance", "with", "about", "refundOf",
)  # fmt: skip
# A cell that begins with one of these is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def head() -> str:
    """The first line."""
    return _lines([HEAD])


def lines(movements: Iterable[Movement]) -> str:
    """A line for each movement; Buzz in Buzz, cash in dollars, dots as decimal points."""
    return _lines(
        (
            clock.rfc3339(one.at),
            one.entry_id,
            one.label,
            one.type.number,
            safe(one.description),
            one.currency.value,
            _number(one.amount, one.currency),
            "" if one.balance is None else _number(one.balance, one.currency),
            safe(one.other),
            safe(one.about.title) if one.about else "",
            one.reverses_id or "",
        )
        for one in movements
    )


def safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula, whatever spaces stand before it."""
    return f"'{text}" if text.lstrip(" \u00a0\ufeff").startswith(_FORMULA) else text


def _number(amount: int, currency: Currency) -> str:
    if currency is Currency.CASH:
        sign, cents = ("-" if amount < 0 else ""), abs(amount)
        return f"{sign}{cents // 100}.{cents % 100:02}"
    return money.shown(amount).replace(",", "")


def _lines(rows: Iterable[Iterable[object]]) -> str:
    outlet = io.StringIO()
    csv.writer(outlet, lineterminator="\r\n").writerows(rows)
    return outlet.getvalue()
