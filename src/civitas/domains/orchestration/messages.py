"""Deferred work of orchestration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunInHouse:
    """Do a step that the platform does itself."""

    step_id: int


@dataclass(frozen=True, slots=True)
class GoOn:
    """Take a workflow as far as it can go: something that it waited for may be there."""

    workflow_id: str


@dataclass(frozen=True, slots=True)
class WeighMaturity:
    """Look at how mature the outputs of a workflow turned out to be."""

    workflow_id: str
