"""Reads of the gallery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from civitas.infra.db.readpool import ReadPool
from civitas.kit.sql import statements

_SQL = statements(__package__, "images.sql")


@dataclass(frozen=True, slots=True)
class Deliverable:
    """What is needed to send a picture."""

    key: str
    original_key: str
    content_type: str
    width: int
    variants: list[dict[str, Any]]
    hide_meta: bool


async def by_key(reads: ReadPool, key: str) -> Deliverable | None:
    """A ready picture by its key; None when there is none to show."""
    if len(key) > 64:
        return None
    rows = await reads.fetch(_SQL["deliverable"], (key,))
    return Deliverable(*rows[0]) if rows else None
