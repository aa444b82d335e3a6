"""Bars of the creator programme's charts: where each stands in an SVG, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, BASE, TOP = 600, 200, 168, 20
GAP = 0.28


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its place, its name below it, what it stands for, and whether it is the one to look at."""

    x: float
    y: float
    width: float
    height: float
    label: str
    shown: str
    marked: bool

    @property
    def middle(self) -> float:
        """Where its name is centred."""
        return round(self.x + self.width / 2, 1)


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar chart. `summary` says in a sentence what is to be seen."""

    bars: tuple[Bar, ...]
    summary: str
    line: float | None = None
    line_label: str = ""
    width: int = WIDTH
    height: int = HEIGHT
    base: int = BASE


def bars(
    values: Sequence[tuple[str, int, str]],
    *,
    summary: str,
    marked: int | None = None,
    line: int | None = None,
    line_label: str = "",
) -> Chart:
    """A chart of name, value and text of each bar; `line` is drawn across at a value."""
    greatest = max([value for _, value, _ in values] + [line or 0, 1])
    room = WIDTH / max(1, len(values))
    made = []
    for place, (label, value, shown) in enumerate(values):
        tall = round((BASE - TOP) * max(0, value) / greatest, 1)
        made.append(
            Bar(
                round(place * room + room * GAP / 2, 1),
                round(BASE - tall, 1),
                round(room * (1 - GAP), 1),
                tall,
                label,
                shown,
                place == marked,
            )
        )
    at = None if line is None else round(BASE - (BASE - TOP) * line / greatest, 1)
    return Chart(tuple(made), summary, at, line_label)
