"""Query parameters as existing clients send them, and errors in the shape in which they expect them.

Booleans are true/True/1 and their opposites; lists are repeated keys, `key[]`, or commas (WIRE rule 10). Wrong
values are answered with a 400 that lists what would be right (rule 14).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, TypeVar

from starlette.datastructures import QueryParams

from civitas.domains.accounts.types import ALL_MASK, SAFE_MASK
from civitas.kit.errors import Invalid

E = TypeVar("E", bound=StrEnum)

MAX_TEXT: Final = 300
MAX_LIST: Final = 100
_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off", "", "none", "null", "undefined"})
# What `nsfw` said before there were levels (FEATURES N2), as masks.
_LEGACY_LEVELS: Final = {"none": 1, "soft": 3, "mature": 7, "x": 31}


def wrong(name: str, message: str, *, code: str, **details: Any) -> Invalid:
    """An Invalid whose `error` is shaped like the validation errors that clients parse."""
    issue = {"code": code, "path": [name], "message": message, **details}
    return Invalid(
        f"{name}: {message}",
        code="validation_failed",
        details={"error": {"name": "ZodError", "issues": [issue]}, "fields": {name: message}},
    )


def _not_an_option(name: str, given: str, options: Sequence[str]) -> Invalid:
    listed = " | ".join(f"'{option}'" for option in options)
    return wrong(
        name,
        f"Invalid enum value. Expected {listed}, received '{given[:80]}'",
        code="invalid_enum_value",
        received=given[:80],
        options=list(options),
    )


class Parameters:
    """The parameters of one request."""

    def __init__(self, given: QueryParams) -> None:
        self._given: dict[str, str] = {}
        self._lists: dict[str, list[str]] = {}
        for name, value in given.multi_items():
            self._given[name] = value
            self._lists.setdefault(name.removesuffix("[]"), []).append(value)

    def text(self, name: str, limit: int = MAX_TEXT) -> str | None:
        """One text, None when it is missing or empty; 400 when it is too long."""
        value = self._given.get(name)
        if not value:
            return None
        if len(value) > limit:
            raise wrong(
                name, f"String must contain at most {limit} character(s)", code="too_big", maximum=limit
            )
        return value.replace("\x00", "")

    def texts(self, *names: str) -> tuple[str, ...]:
        """A list under any of these names, in order and without repetition; 400 above a hundred entries."""
        raw = [value for name in names for value in self._lists.get(name, ())]
        if not raw:
            return ()
        found = list(dict.fromkeys(p.strip() for value in raw for p in value.split(",") if p.strip()))
        if len(found) > MAX_LIST:
            raise wrong(
                names[0],
                f"Array must contain at most {MAX_LIST} element(s)",
                code="too_big",
                maximum=MAX_LIST,
            )
        if any(len(value) > MAX_TEXT for value in found):
            raise wrong(
                names[0],
                f"String must contain at most {MAX_TEXT} character(s)",
                code="too_big",
                maximum=MAX_TEXT,
            )
        return tuple(value.replace("\x00", "") for value in found)

    def flag(self, name: str) -> bool | None:
        """A boolean, None when it is missing."""
        value = self._given.get(name)
        if value is None:
            return None
        lowered = value.strip().lower()
        if lowered in _TRUE or lowered in _FALSE:
            return lowered in _TRUE
        raise wrong(
            name,
            "Expected boolean, received string",
            code="invalid_type",
            expected="boolean",
            received="string",
        )

    def number(self, name: str, default: int | None, low: int, high: int) -> int | None:
        """A whole number between `low` and `high`, or `default`."""
        value = self._given.get(name)
        if value is None or value == "":
            return default
        number = whole(name, value)
        if number < low:
            raise wrong(name, f"Number must be greater than or equal to {low}", code="too_small", minimum=low)
        if number > high:
            raise wrong(name, f"Number must be less than or equal to {high}", code="too_big", maximum=high)
        return number

    def numbers(self, *names: str) -> tuple[int, ...]:
        """A list of ids."""
        return tuple(whole(names[0], value) for value in self.texts(*names))

    def decimal(self, name: str) -> float | None:
        """A number from 0 to 5."""
        value = self._given.get(name)
        if not value:
            return None
        try:
            number = float(value)
        except ValueError:
            number = -1
        if not 0 <= number <= 5:
            raise wrong(name, "Expected a number from 0 to 5", code="invalid_type", expected="number")
        return number

    def choice(self, name: str, options: type[E], hidden: Sequence[E] = ()) -> E | None:
        """One value of an enum, whatever its case."""
        value = self._given.get(name)
        return _option(name, value, options, hidden) if value else None

    def choices(self, options: type[E], *names: str) -> tuple[E, ...]:
        """Values of an enum, whatever their case."""
        return tuple(_option(names[0], value, options) for value in self.texts(*names))

    def mask(self) -> int | None:
        """The levels asked for by `browsingLevel` or `nsfw`; None when neither is there."""
        level = self.number("browsingLevel", None, 0, 63)
        if level is not None:
            return level & ALL_MASK
        value = self._given.get("nsfw")
        if value is None:
            return None
        if value.lower() in _LEGACY_LEVELS and value.lower() != "none":
            return _LEGACY_LEVELS[value.lower()]
        return ALL_MASK if self.flag("nsfw") else SAFE_MASK


def _option(name: str, value: str, options: type[E], hidden: Sequence[E] = ()) -> E:
    folded = value.strip().casefold()
    for option in options:
        if option.value.casefold() == folded:
            return option
    raise _not_an_option(name, value, [option.value for option in options if option not in hidden])


def whole(name: str, value: str) -> int:
    """A whole number of at most 18 digits; 400 otherwise."""
    text = value.strip()
    digits = text[1:] if text.startswith("-") else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise wrong(
            name, "Expected number, received nan", code="invalid_type", expected="number", received="nan"
        )
    return int(text)
