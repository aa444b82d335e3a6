"""What happened to workflows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkflowEnded:
    """A workflow reached its final state. `captured` is what it cost in the end, in quarters of a Buzz."""

    workflow_id: str
    person_id: int
    status: str
    captured: int


@dataclass(frozen=True, slots=True)
class VersionsUsed:
    """A workflow made something with model versions of the catalogue: how many images with each."""

    workflow_id: str
    person_id: int
    versions: dict[int, int]
