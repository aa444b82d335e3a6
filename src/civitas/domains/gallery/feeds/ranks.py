"""Ranks: counts by which feeds are ordered, coarser the larger they are.

A count below sixteen is its own rank; above, eight ranks make a doubling. Rows are written anew only when a rank
changes, some forty times on the way to a thousand reactions; and those who page through an order while people react
see it stand still nearly everywhere. Within a rank the newest comes first.
"""

from __future__ import annotations

import math
from typing import Final

EXACT: Final = 16
STEPS: Final = 8


def rank(count: int) -> int:
    """The rank of a count; never falls as the count grows."""
    if count < EXACT:
        return max(0, count)
    return EXACT + math.floor(STEPS * math.log2(count / EXACT) + 1e-9)


def expression(count: str) -> str:
    """The same in SQL, over an expression that may be NULL."""
    n = f"greatest(coalesce({count}, 0), 0)"
    return (
        f"(CASE WHEN {n} < {EXACT} THEN {n} "
        f"ELSE {EXACT} + floor({STEPS} * (ln({n} / {EXACT}.0) / ln(2.0)) + 1e-9)::int END)"
    )


SQL: Final = {
    "rank_reactions": expression("(s.likes + s.hearts + s.laughs + s.cries)"),
    "rank_comments": expression("s.comments"),
    "rank_collected": expression("s.collected"),
}
