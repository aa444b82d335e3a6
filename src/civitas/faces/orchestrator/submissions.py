"""A submitted body becomes a template: held against the schemas, unknown fields named, spans in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from civitas.domains.orchestration.checking import MOST_STEPS
from civitas.domains.orchestration.schemas import checking
from civitas.domains.orchestration.templates import Callback, StepTemplate, Template, Tips
from civitas.domains.orchestration.types import Priority, UpgradeMode
from civitas.faces.orchestrator.bodies import checked
from civitas.faces.orchestrator.shapes import BARE, SOURCE
from civitas.kit.errors import Invalid


@dataclass(frozen=True, slots=True)
class Submission:
    """A template, and the paths of fields that nobody reads."""

    template: Template
    ignored: Sequence[str]


def of_workflow(given: Any, *, waits: bool) -> Submission:
    """What `SubmitWorkflow` was sent. Raises Invalid with paths."""
    # Too many are refused before any is looked at.
    steps = given.get("steps") if isinstance(given, dict) else None
    if isinstance(steps, list) and len(steps) > MOST_STEPS:
        told = f"A workflow has 1 to {MOST_STEPS} steps, not {len(steps):,}; submit several workflows."
        raise Invalid(told, code="too_many_steps", fields={"steps": told})
    found = checking.body("WorkflowTemplate", given)
    value = checked(found)
    tips = value.get("tips") or {}
    return Submission(
        Template(
            steps=tuple(_step(one) for one in value["steps"]),
            tags=tuple(value.get("tags") or ()),
            notes=value.get("metadata") or {},
            arguments=value.get("arguments") or {},
            callbacks=tuple(
                Callback(one["url"], tuple(one["type"]), bool(one.get("detailed")))
                for one in value.get("callbacks") or ()
            ),
            tips=Tips(*(_rate(tips.get(name)) for name in ("civitai", "creators"))),
            currencies=tuple(value.get("currencies") or ()),
            nsfw_level=value.get("nsfwLevel"),
            experimental=value.get("experimental"),
            allow_mature=value.get("allowMatureContent"),
            upgrade_mode=UpgradeMode(value.get("upgradeMode") or UpgradeMode.MANUAL),
            ephemeral=bool(value.get("ephemeral")),
            external_id=value.get("externalId"),
            waits=waits,
        ),
        found.ignored,
    )


def of_recipe(
    step_type: str,
    given: Any,
    *,
    experimental: bool | None,
    allow_mature: bool | None,
    ephemeral: bool,
) -> Submission:
    """One step whose input is the whole body; its caller waits. Raises Invalid with paths."""
    found = checking.step_input(step_type, given, at="")
    value = checked(found)
    return Submission(
        Template(
            steps=(StepTemplate(step_type, _inside(step_type, value)),),
            experimental=experimental,
            allow_mature=allow_mature,
            ephemeral=ephemeral,
            waits=True,
        ),
        found.ignored,
    )


def _step(given: dict[str, Any]) -> StepTemplate:
    timeout = given.get("timeout")
    return StepTemplate(
        type=given["$type"],
        input=_inside(given["$type"], given["input"]),
        name=given.get("name"),
        priority=Priority(given["priority"]) if given.get("priority") else None,
        timeout_s=None if timeout is None else int(checking.seconds_of(timeout) or 0),
        retries=given.get("retries"),
        notes=given.get("metadata") or {},
    )


def _inside(step_type: str, given: Any) -> dict[str, Any]:
    """The input as the rest of the house has it: always an object."""
    if step_type in BARE and (isinstance(given, str) or given is None or checking.is_reference(given)):
        return {SOURCE: given}
    if not isinstance(given, dict):
        raise Invalid(
            "An input is an object.", code="validation_failed", fields={"input": "Must be an object."}
        )
    return given


def _rate(given: Any) -> Decimal | None:
    return None if given is None else Decimal(str(given))
