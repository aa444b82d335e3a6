"""`/v2/consumer/recipes/{name}`: one step whose input is the body, and whose output is the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.domains.orchestration.schemas.interface import published
from civitas.domains.orchestration.types import Reason, Status
from civitas.faces.orchestrator import asking, bodies, submissions, workflows
from civitas.faces.orchestrator.asking import Hide, Writer
from civitas.faces.orchestrator.waiting import LONGEST_S
from civitas.kit.errors import Invalid, Unavailable

router = APIRouter(include_in_schema=False)

PREFIX: Final = "/v2/consumer/recipes/"


def _route(step_type: str) -> Callable[..., Awaitable[Response]]:
    async def invoke(
        request: Request,
        actor: Writer,
        experimental: bool | None = None,
        allow_mature: Annotated[bool | None, Query(alias="allowMatureContent")] = None,
        whatif: bool = False,
        ephemeral: bool = False,
        wait: Annotated[int, Query(ge=0)] = LONGEST_S,
        hide: Hide = False,
    ) -> Response:
        submission = submissions.of_recipe(
            step_type,
            await bodies.json_of(request),
            experimental=experimental,
            allow_mature=allow_mature,
            ephemeral=ephemeral,
        )
        if whatif:
            return asking.json(
                await workflows.estimated(request, actor, submission), ignored=submission.ignored
            )
        workflow_id, told = await workflows.submitted(request, actor, submission, wait=wait, hide=hide)
        if told is None:
            await asking.until_final(request, workflow_id, wait)
            told = await asking.shown(request, actor, workflow_id, hide=hide, just_waited=True)
        return _answer(*told, submission.ignored)

    return invoke


def _answer(made: dict[str, Any], final: bool, ignored: Any) -> Response:
    """The step's output; the workflow with 202 while it is under way. Raises Invalid, Unavailable when it failed."""
    if not final:
        return asking.json(made, 202, ignored=ignored)
    (step,) = made["steps"]
    if made["status"] == Status.SUCCEEDED.value:
        return asking.json(step.get("output", {}), ignored=ignored)
    raise _failure(made, step)


def _failure(made: dict[str, Any], step: dict[str, Any]) -> Invalid | Unavailable:
    reason = step.get("reason") or made["status"]
    details = {
        "workflowId": made["id"],
        "stepStatus": step["status"],
        "reason": reason,
        "blockedReason": step.get("blockedReason"),
    }
    told = f"The step ended as {step['status']} ({reason}). What was not delivered was not charged."
    if reason == Reason.NO_PROVIDER:
        return Unavailable(told, code=reason, details=details)
    return Invalid(told, code="step_failed", details=details)


for _operation in published().operations:
    if _operation.path.startswith(PREFIX):
        router.add_api_route(
            _operation.path,
            _route(_operation.path.removeprefix(PREFIX)),
            methods=["POST"],
            operation_id=_operation.id,
        )
