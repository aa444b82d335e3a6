"""Inputs that came by references, held against the schema once it is known what they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from civitas.domains.orchestration import references
from civitas.domains.orchestration.references import MARKS, REF
from civitas.domains.orchestration.schemas import checking
from civitas.domains.orchestration.schemas.interface import published
from civitas.domains.orchestration.tables import WorkflowStep

SOURCE: Final = "source"
MOST_TOLD: Final = 3


def trouble(step: WorkflowStep, resolved: Mapping[str, Any]) -> str | None:
    """What is wrong with an input whose references were replaced, in a sentence; None when it holds.

    What was written out was looked at when it was submitted. Media stand for whatever may stand in their place.
    """
    if step.parent_id is None and not any(True for _ in references.find(step.input, "")):
        return None
    given: Any = _veiled(dict(resolved))
    schema = published().steps[step.type].input
    if schema.get("type") == "string":
        # Inside, an input that is a bare text is an object.
        given = given.get(SOURCE)
    found = checking.step_input(step.type, given, at="input")
    if not found.problems:
        return None
    told = "; ".join(
        f"{where}: {what.rstrip('.')}" for where, what in list(found.problems.items())[:MOST_TOLD]
    )
    return f"What the references of this step lead to is not what it takes: {told}."


def _veiled(value: Any) -> Any:
    """The value with media and archives as references, which fit everywhere."""
    if isinstance(value, dict):
        if not MARKS.isdisjoint(value):
            return {REF: "a medium"}
        return {key: _veiled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_veiled(inner) for inner in value]
    return value
