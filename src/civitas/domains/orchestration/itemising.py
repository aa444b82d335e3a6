"""What of a step is appraised: the step itself, or what a loop repeats, as often as it does as far as that is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from civitas.domains.orchestration import references
from civitas.domains.orchestration.appraising import Item
from civitas.domains.orchestration.checking import MOST_TURNS
from civitas.domains.orchestration.references import REPEAT, Unresolved
from civitas.domains.orchestration.tables import WorkflowStep
from civitas.domains.orchestration.types import Priority


def item(
    type: str, input: Mapping[str, Any], *, priority: Priority | None, where: str, times: int = 1
) -> Item:
    """One step for `appraise`; of a loop, what is within it."""
    while type == REPEAT:
        clause, template = input["for"], input["template"]
        times *= _turns(clause)
        where = f"{where}.template.input"
        type, input = template["$type"], template["input"]
    return Item(type, input, priority, where, times)


def item_of(step: WorkflowStep) -> Item:
    """A step that is written down. What its priority costs was agreed when it was submitted."""
    asked = Priority(step.priority) if "priority" in step.terms.get("fixed", {}) else None
    return item(step.type, step.resolved or step.input, priority=asked, where=f"{step.name}.input")


def _turns(clause: Mapping[str, Any]) -> int:
    """How many turns a loop has, as far as can be seen; one while that is not known."""
    try:
        return len(references.turns(clause, most=MOST_TURNS)) if "items" in clause else 1
    except Unresolved:
        return 0
