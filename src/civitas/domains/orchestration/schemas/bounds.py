"""What is looked at before anything else is: how much there is, and how deep it goes."""

from __future__ import annotations

from typing import Any, Final

from civitas.kit.errors import Invalid

MOST_VALUES: Final = 200_000
MOST_DEPTH: Final = 64
# Exact in a double, which is what half of all programs read JSON with.
MOST_INTEGER: Final = 2**53


def bounded(value: Any, *, most_values: int = MOST_VALUES, most_depth: int = MOST_DEPTH) -> None:
    """Raise Invalid when JSON has more values, goes deeper, or holds text that no database keeps (a NUL)."""
    seen = 0
    level = [value]
    for _ in range(most_depth + 1):
        below: list[Any] = []
        for one in level:
            seen += 1
            if isinstance(one, str):
                if "\x00" in one:
                    raise Invalid("Text must not contain NUL characters.", code="bad_text")
            elif isinstance(one, dict):
                if any("\x00" in key for key in one):
                    raise Invalid("Names must not contain NUL characters.", code="bad_text")
                below.extend(one.values())
            elif isinstance(one, list):
                below.extend(one)
        if seen + len(below) > most_values:
            raise Invalid(
                f"This holds more than {most_values:,} values; send less at once.", code="too_many_values"
            )
        if not below:
            return
        level = below
    raise Invalid(f"This is nested deeper than {most_depth} levels.", code="too_deep")
