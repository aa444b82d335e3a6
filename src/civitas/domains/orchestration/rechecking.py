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
    found = problems(step.type, resolved, at="input")
    if not found:
        return None
    told = "; ".join(f"{where}: {what.rstrip('.')}" for where, what in list(found.items())[:MOST_TOLD])
    return f"What the references of this step lead to is not what it takes: {told}."


def problems(type: str, input: Mapping[str, Any], *, at: str) -> Mapping[str, str]:
    """What is wrong with an input by its schema, by the path of the field; nothing for a type that is not published."""
    steps = published().steps
    if type not in steps:
        return {}
    given: Any = _veiled(dict(input))
    if steps[type].input.get("type") == "string":
        # Inside, an input that is a bare text is an object.
        given = given.get(SOURCE)
    return checking.step_input(type, given, at=at).problems


def _veiled(value: Any) -> Any:
    """The value with media and archives as references, which fit everywhere."""
    if isinstance(value, dict):
        if not MARKS.isdisjoint(value):
            return {REF: "a medium"}
        return {key: _veiled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_veiled(inner) for inner in value]
    return value
