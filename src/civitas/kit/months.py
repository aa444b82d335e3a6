"""Months as people count them: from the 31st to the last day of a shorter month, and back to the 31st."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime


def later(anchor: datetime, months: int) -> datetime:
    """The moment `months` after `anchor`, on its day or the last day of a shorter month.

    Always count from the first moment: 31 January + 1 is 28 February, 31 January + 2 is 31 March.
    """
    place = anchor.year * 12 + anchor.month - 1 + months
    year, month = place // 12, place % 12 + 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))


def whole_between(anchor: datetime, moment: datetime) -> int:
    """How many whole months have passed since `anchor` at `moment`; 0 before the first is over."""
    months = (moment.year - anchor.year) * 12 + moment.month - anchor.month
    while months > 0 and later(anchor, months) > moment:
        months -= 1
    return max(months, 0)
