"""Documents of a page, fetched a few to a row. Pure.

One row with all of them would have the database put together, copy and let go of texts of hundreds of kilobytes, each time in
memory fresh from the system; a row for each would go out, and wake the reader, one by one. Between both lies a third less
processor time than either (measured with pages of 20).
"""

# ruff: noqa: S608 - the pieces put together are literals of this package; values are parameters

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from civitas.domains.accounts.types import SAFE_MASK
from civitas.domains.catalog import documents

# So many documents stand in one row: below the 128 KiB from which the C library asks the system for memory.
TOGETHER: Final = 6
_STATS: Final = documents.STATS.encode()


@dataclass(frozen=True, slots=True)
class Gathered:
    """Documents and their stats as they lie in the database, how many, how many were there, the last one's place."""

    text: bytes
    stats: bytes
    count: int
    found: int
    last: Sequence[bytes | None]


def statement(shown: str, mask: int, *, order: str, limit: str, last: Sequence[str]) -> str:
    """The first `limit` documents of `shown`, a query with a `model_id`, in an order of its columns (`l`).

    `last` are the columns that say where the last document stands.
    """
    body = "d.safe" if mask & ~SAFE_MASK == 0 else 'coalesce(d."full", d.safe)'
    place = "".join(f", (array_agg(l.{column} ORDER BY l.n))[count(*)]" for column in last)
    return (
        f"SELECT string_agg({body}, ',' ORDER BY l.n), string_agg(d.stats, chr(1) ORDER BY l.n), count(*), max(l.found){place} "
        f"FROM (SELECT l.*, count(*) OVER () AS found, row_number() OVER (ORDER BY {order}) AS n FROM ({shown}) l) l "
        f"JOIN model_documents d ON d.model_id = l.model_id WHERE l.n <= {limit} "
        f"GROUP BY (l.n - 1) / {TOGETHER} ORDER BY (l.n - 1) / {TOGETHER}"
    )


def gathered(rows: Sequence[Sequence[bytes | None]]) -> Gathered | None:
    """What came of it; None when that is nothing."""
    if not rows:
        return None
    return Gathered(
        b",".join([row[0] or b"" for row in rows]),
        _STATS.join([row[1] or b"" for row in rows]),
        sum([int(row[2] or b"0") for row in rows]),
        int(rows[-1][3] or b"0"),
        rows[-1][4:],
    )
