"""Changing workflows and steps: PUT, PATCH (RFC 6902), DELETE, tags. What has been done is answered with 204."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.orchestration import cancelling, editing, queries
from civitas.domains.orchestration.editing import Change
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Unit
from civitas.faces.orchestrator import asking, bodies, shapes
from civitas.faces.orchestrator.asking import Hide, Reader, Writer
from civitas.kit.errors import Invalid

router = APIRouter(prefix="/v2/consumer/workflows/{workflow_id}", include_in_schema=False)


@router.put("", operation_id="UpdateWorkflow")
async def update(request: Request, actor: Writer, session: Unit, workflow_id: str) -> Response:
    """New metadata, new tags, mature content allowed and paid for, or the end of it (`status: canceled`)."""
    body = await bodies.body_of(request, "UpdateWorkflowRequest")
    change = Change(
        notes=body.get("metadata"),
        tags=body.get("tags"),
        allow_mature=body.get("allowMatureContent"),
        cancel=body.get("status") is not None,
    )
    await editing.update(session, actor, workflow_id, change=change)
    return asking.nothing()


@router.patch("", operation_id="PatchWorkflow")
async def patch(request: Request, actor: Writer, session: Unit, workflow_id: str) -> Response:
    """The same by JSON Patch on `/metadata`, `/tags`, `/allowMatureContent` and `/status`."""
    await editing.patch(session, actor, workflow_id, operations=await _operations(request))
    return asking.nothing()


@router.delete("", operation_id="DeleteWorkflow")
async def delete(actor: Writer, session: Unit, workflow_id: str) -> Response:
    """Cancel it when it is under way, and forget it."""
    await cancelling.delete(session, actor, workflow_id)
    return asking.nothing()


@router.post("/tags", operation_id="AddWorkflowTag")
async def add_tag(request: Request, actor: Writer, session: Unit, workflow_id: str) -> Response:
    """Add the tag that is the body, a text of JSON."""
    tag = await bodies.json_of(request)
    if not isinstance(tag, str):
        raise Invalid(
            "The body is the tag: a text of JSON.", code="validation_failed", fields={"$": "Must be text."}
        )
    await editing.add_tag(session, actor, workflow_id, tag=tag)
    return asking.nothing()


@router.delete("/tags", operation_id="RemoveAllWorkflowTags")
async def remove_tags(actor: Writer, session: Unit, workflow_id: str) -> Response:
    """Take all tags away."""
    await editing.update(session, actor, workflow_id, change=Change(tags=()))
    return asking.nothing()


@router.delete("/tags/{tag:path}", operation_id="RemoveWorkflowTag")
async def remove_tag(actor: Writer, session: Unit, workflow_id: str, tag: str) -> Response:
    """Take one tag away; it may hold slashes."""
    await editing.remove_tag(session, actor, workflow_id, tag=tag)
    return asking.nothing()


@router.get("/steps/{name}", operation_id="GetWorkflowStep")
async def get_step(
    request: Request, actor: Reader, workflow_id: str, name: str, hide: Hide = False
) -> Response:
    """One step by its name; turns of loops have names too (`loop[0]`)."""
    async with state_of(request).database.reading() as session:
        found = await queries.shown(session, actor, workflow_id)
        step = await queries.shown_step(session, actor, workflow_id, name)
        blobs, outlooks = await asking.known(request, session, [found], hide=hide)
        return asking.json(shapes.step(step, blobs[found.id], outlooks))


@router.put("/steps/{name}", operation_id="UpdateWorkflowStep")
async def update_step(
    request: Request, actor: Writer, session: Unit, workflow_id: str, name: str
) -> Response:
    """New metadata for a step."""
    body = await bodies.body_of(request, "UpdateWorkflowStepRequest")
    await editing.update_step(session, actor, workflow_id, name, notes=body["metadata"])
    return asking.nothing()


@router.patch("/steps/{name}", operation_id="PatchWorkflowStep")
async def patch_step(request: Request, actor: Writer, session: Unit, workflow_id: str, name: str) -> Response:
    """JSON Patch on `/metadata`, and on `/input` while nobody has taken the step's work."""
    await editing.patch_step(session, actor, workflow_id, name, operations=await _operations(request))
    return asking.nothing()


async def _operations(request: Request) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await bodies.body_of(request, "JsonPatchDocument")
    if not isinstance(found, list):
        raise Invalid(
            "A patch is a list of operations.", code="validation_failed", fields={"$": "Must be a list."}
        )
    return found
