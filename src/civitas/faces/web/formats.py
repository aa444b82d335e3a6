"""How numbers, sizes and moments read on a page; the template filters."""

from __future__ import annotations

import hashlib
from datetime import datetime

from markupsafe import Markup

from civitas.kit import clock

_BASE83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
_SPANS = (
    (60, "second", 1),
    (3600, "minute", 60),
    (86_400, "hour", 3600),
    (604_800, "day", 86_400),
    (2_629_800, "week", 604_800),
    (31_557_600, "month", 2_629_800),
)


def short(value: float) -> str:
    """A count in at most four characters and a unit: 999, 12.3K, 4M. Rounds down, so that 999,999 is 999K."""
    sign, rest = ("-", -value) if value < 0 else ("", value)
    for unit, size in (("B", 1_000_000_000), ("M", 1_000_000), ("K", 1_000)):
        if rest >= size:
            scaled = int(rest * 10 // size)
            whole, tenth = divmod(scaled, 10)
            return f"{sign}{whole}.{tenth}{unit}" if tenth and whole < 100 else f"{sign}{whole}{unit}"
    return f"{sign}{int(rest)}" if float(rest).is_integer() else f"{sign}{rest:.1f}"


def number(value: float) -> str:
    """A whole count with thousands separated: 12,345."""
    return f"{value:,}"


def size(count: int) -> str:
    """Bytes in binary units as file managers show them: 144 MB, 6.46 GB (1 MB = 1024 KB)."""
    scaled = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if scaled < 1024:
            return f"{scaled:.0f} {unit}" if unit == "B" or scaled >= 100 else f"{scaled:.3g} {unit}"
        scaled /= 1024
    return f"{scaled:.3g} TB"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 file`, `1,204 files`."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def relative(moment: datetime) -> str:
    """`3 days ago`, `in 2 hours`, `just now`, for an aware datetime."""
    seconds = (clock.now() - moment).total_seconds()
    away = abs(seconds)
    if away < 45:
        return "just now"
    for limit, unit, length in (*_SPANS, (float("inf"), "year", 31_557_600)):
        if away < limit:
            words = plural(max(1, int(away // length)), unit)
            return f"{words} ago" if seconds > 0 else f"in {words}"
    raise AssertionError("the last span has no limit")


def ago(moment: datetime) -> Markup:
    """A `<time>` element that reads relative and carries the exact moment, which scripts show in local time."""
    exact = clock.rfc3339(moment)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        exact, f"{moment:%-d %B %Y, %H:%M} UTC", relative(moment)
    )


def date(moment: datetime) -> Markup:
    """A `<time>` element that reads `5 Mar 2026`."""
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        clock.rfc3339(moment), f"{moment:%-d %B %Y, %H:%M} UTC", f"{moment:%-d %b %Y}"
    )


def hash_colour(value: str | None) -> str | None:
    """The average colour of a BlurHash as `#rrggbb`, or None when it is not one.

    Characters 3 to 6 hold the average in base 83 (the BlurHash format, woltapp/blurhash, Algorithm.md).
    """
    if value is None or len(value) < 6 or any(ch not in _BASE83 for ch in value[2:6]):
        return None
    average = 0
    for ch in value[2:6]:
        average = average * 83 + _BASE83.index(ch)
    return f"#{average:06x}" if average <= 0xFFFFFF else None


def pigment(text: str) -> int:
    """A stable number from 0 to 7 for a name: which pigment a person without a picture gets."""
    return hashlib.sha256(text.casefold().encode()).digest()[0] % 8
