"""What a task may use: units of work and the adapters it asks for by type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from civitas.infra.db.database import Units

P = TypeVar("P")


@dataclass(frozen=True)
class TaskContext:
    """Handed to every task. `unit()` and `reading()` open transactions; no network inside them."""

    units: Units
    ports: Mapping[Any, Any] = field(default_factory=dict)
    attempt: int = 0

    def unit(self) -> Any:
        """One writing transaction."""
        return self.units.unit()

    def reading(self) -> Any:
        """One READ ONLY transaction."""
        return self.units.reading()

    def port(self, kind: type[P]) -> P:
        """The adapter of this process for a Protocol or settings class; KeyError when none was wired."""
        return cast(P, self.ports[kind])
