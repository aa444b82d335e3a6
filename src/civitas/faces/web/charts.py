"""Bars for inline SVG: whole pictures as numbers, with the words that say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from civitas.kit import money

WIDTH, HEIGHT = 600, 160
GAP = 0.28


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar upwards (came) and one downwards (went), in the picture's own units, and what it says."""

    x: float
    width: float
    up_y: float
    up: float
    down: float
    told: str


@dataclass(frozen=True, slots=True)
class Bars:
    """A picture of bars above and below a line; `told` is the picture in words, `rows` the figures as a table."""

    bars: tuple[Bar, ...]
    line: float
    told: str
    rows: tuple[tuple[str, int, int], ...]
    first: str
    last: str
    width: int = WIDTH
    height: int = HEIGHT
    two_ways: bool = True


def bars(series: Sequence[tuple[str, int, int]], told: str, *, two_ways: bool = True) -> Bars:
    """Bars for (label, came, went) in order; amounts in quarters. Each day's words are in its bar's title.

    With `two_ways` off nothing ever goes, and the words do not speak of it.
    """
    most_up = max([came for _, came, _ in series] + [0])
    most_down = max([went for _, _, went in series] + [0])
    scale = (HEIGHT - 8) / (most_up + most_down) if most_up + most_down else 0.0
    line = round(4 + most_up * scale, 1) if scale else HEIGHT / 2
    step = WIDTH / max(1, len(series))
    made = []
    for place, (label, came, went) in enumerate(series):
        up, down = max(0, came) * scale, max(0, went) * scale
        made.append(
            Bar(
                x=round(place * step + step * GAP / 2, 1),
                width=round(step * (1 - GAP), 1),
                up_y=round(line - up, 1),
                up=round(up, 1),
                down=round(down, 1),
                told=f"{label}: {money.shown(came)}"
                + (f" in, {money.shown(went)} out" if two_ways else " Buzz"),
            )
        )
    rows = tuple(one for one in series if one[1] or one[2])
    ends = (series[0][0], series[-1][0]) if series else ("", "")
    return Bars(tuple(made), line, told, rows, *ends, two_ways=two_ways)
