"""Pictures of the gallery, for rooms below it that are pointed at them.

The gallery tells how they are found in its `subjects.py`, which app.wiring imports.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["pg", "pg13", "r", "x", "xxx"]


@dataclass(frozen=True, slots=True)
class PictureSource:
    """Where the largest copy of a picture lies in the store, and how mature it is; None when nobody rated it."""

    storage_key: str
    level: Level | None


Finder = Callable[[Any, int, int], Awaitable[PictureSource | None]]

_FINDERS: list[Finder] = []


def finds_pictures(finder: Finder) -> Finder:
    """Find pictures with this function: a session, the picture's id and who wants it."""
    if _FINDERS:
        raise ValueError("pictures are found by two functions")
    _FINDERS.append(finder)
    return finder


async def find(session: Any, picture_id: int, person_id: int) -> PictureSource | None:
    """A picture that this person may use: public, or their own; None when there is none such."""
    return await _FINDERS[0](session, picture_id, person_id) if _FINDERS else None
