"""Facts about what people make here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutputRated:
    """Somebody said of what they had generated whether it came out well."""

    person_id: int
    workflow_id: str
    liked: bool
