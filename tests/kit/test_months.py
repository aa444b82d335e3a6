"""Months are counted from the first day, so that the 31st comes back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from civitas.kit import months


def at(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("anchor", "count", "expected"),
    [
        (at(2027, 1, 31), 1, at(2027, 2, 28)),
        (at(2027, 1, 31), 2, at(2027, 3, 31)),
        (at(2028, 1, 31), 1, at(2028, 2, 29)),
        (at(2027, 12, 31), 2, at(2028, 2, 29)),
        (at(2028, 2, 29), 12, at(2029, 2, 28)),
        (at(2028, 2, 29), 48, at(2032, 2, 29)),
        (at(2026, 11, 30), 3, at(2027, 2, 28)),
        (at(2026, 11, 30), 0, at(2026, 11, 30)),
        (at(2026, 1, 15), -1, at(2025, 12, 15)),
    ],
)
def test_later(anchor: datetime, count: int, expected: datetime) -> None:
    assert months.later(anchor, count) == expected


def test_whole_months_are_over_when_their_last_day_has_come() -> None:
    anchor = at(2027, 1, 31)
    assert months.whole_between(anchor, at(2027, 2, 27)) == 0
    assert months.whole_between(anchor, at(2027, 2, 28)) == 1
    assert months.whole_between(anchor, at(2027, 3, 30)) == 1
    assert months.whole_between(anchor, at(2027, 3, 31)) == 2
    assert months.whole_between(anchor, at(2026, 3, 31)) == 0
