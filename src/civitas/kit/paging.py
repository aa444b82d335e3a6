"""Keyset cursors: where a page ended, opaque to the outside."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import orjson

from civitas.kit.errors import Invalid

T = TypeVar("T")
Part = str | int | float | bool | None

MAX_CURSOR = 512


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list and the cursor of the next one, None at the end."""

    items: Sequence[T]
    next_cursor: str | None


def encode(*parts: Part | datetime) -> str:
    """Make a cursor from the sort key of the last row; the id comes last so that the key is unique."""
    plain = [part.isoformat() if isinstance(part, datetime) else part for part in parts]
    return base64.urlsafe_b64encode(orjson.dumps(plain)).rstrip(b"=").decode()


def decode(cursor: str, *kinds: type) -> tuple[Part, ...]:
    """Read a cursor made by `encode`; `kinds` are the types expected, in order (float also takes an int).

    Raises Invalid (`bad_cursor`) for anything that `encode` would not have made.
    """
    fault = Invalid("This cursor is not one of ours; start again from the first page.", code="bad_cursor")
    if len(cursor) > MAX_CURSOR:
        raise fault
    try:
        parts = orjson.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
    except (binascii.Error, ValueError):
        raise fault from None
    if not isinstance(parts, list) or len(parts) != len(kinds):
        raise fault
    for part, kind in zip(parts, kinds, strict=True):
        if kind is datetime:
            try:
                if datetime.fromisoformat(part).tzinfo is None:
                    raise fault
            except (TypeError, ValueError):
                raise fault from None
        elif kind is int:
            if type(part) is not int or not -(2**63) <= part < 2**63:
                raise fault
        elif kind is float:
            if type(part) not in (int, float):
                raise fault
        elif type(part) is not kind:
            raise fault
    return tuple(parts)
