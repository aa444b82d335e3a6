"""What a fifty times larger catalogue costs: processor time of every read over a small and a large one.

The small one is loaded beside the large one when it is not there yet (`<home>-small`).
"""

from __future__ import annotations

import math

from bench import report
from bench.catalog import HOME, MODELS, Row, measured
from bench.loading import load

SMALL = MODELS // 50


def run(rounds: int = 3, seconds: float = 0.5) -> None:
    """Measure both and write the section of the page."""
    small_home = HOME.with_name(HOME.name + "-small")
    if not (small_home / "postgres").is_dir():
        load(small_home, SMALL)
    if not (HOME / "postgres").is_dir():
        load(HOME, MODELS)
    small, few = measured(small_home, rounds, seconds, clients=(1,))
    large, many = measured(HOME, rounds, seconds, clients=(1,))
    by_logarithm = math.log(large) / math.log(small)
    rows = [
        [
            before.name, _cost(before), _cost(after), f"{_ratio(before, after):.2f}",
            "yes" if _ratio(before, after) <= by_logarithm else "no",
        ]
        for before, after in zip(few, many, strict=True)
    ]  # fmt: skip
    head = ["read", f"CPU ms at {small:,}", f"CPU ms at {large:,}", "growth", "within the logarithm"]
    report.write(
        "Growth with the catalogue",
        f"Processor time of server, database and index a request at one client, {small:,} and {large:,} models; the logarithm "
        f"grows by {by_logarithm:.2f}. {rounds} rounds of {seconds:g} s.\n\n" + report.table(head, rows),
    )


def _cost(row: Row) -> str:
    return row.ours.cpu


def _ratio(before: Row, after: Row) -> float:
    return after.ours.cpu_ms / before.ours.cpu_ms
