"""`/v2/consumer/workflows`: submit, look, wait, list."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.orchestration import estimating, queries, submitting
from civitas.domains.orchestration.queries import Filter
from civitas.faces.http.state import state_of
from civitas.faces.orchestrator import asking, bodies, prompts, shapes, submissions
from civitas.faces.orchestrator.asking import Hide, Reader, Wait, Writer
from civitas.faces.orchestrator.submissions import Submission
from civitas.kit.errors import Invalid
from civitas.kit.paging import MAX_CURSOR

router = APIRouter(prefix="/v2/consumer/workflows", include_in_schema=False)

ZIP: Final = "application/zip"
LONGEST_TEXT: Final = 200
MOST_TAGS: Final = 10


@router.post("", operation_id="SubmitWorkflow")
async def submit(
    request: Request, actor: Writer, wait: Wait = 0, whatif: bool = False, hide: Hide = False
) -> Response:
    """Submit a workflow: 200 when it has ended, 202 while it is under way, and the workflow in both."""
    submission = submissions.of_workflow(await bodies.json_of(request), waits=wait > 0)
    if whatif:
        made = await existing(request, actor, submission, hide=hide)
        made = made if made is not None else await estimated(request, actor, submission)
        return asking.json(made, ignored=submission.ignored)
    workflow_id, told = await submitted(request, actor, submission, wait=wait, hide=hide)
    if told is not None:
        made, final = told
        return asking.json(made, 200 if final else 202, ignored=submission.ignored)
    return await _answer(request, actor, workflow_id, wait, hide, submission.ignored, just_waited=True)


async def submitted(
    request: Request, actor: Actor, submission: Submission, *, wait: int, hide: bool
) -> tuple[str, tuple[dict[str, Any], bool] | None]:
    """Submit in a transaction of its own, which is over before anything is waited for.

    The workflow as it is shown and whether it has ended, too, when it is new and there is nothing to wait for.
    """
    template = await prompts.admitted(request, actor, submission.template)
    async with state_of(request).database.unit() as session:
        made = await submitting.submitted(session, actor, template)
        if made.shown is None or (wait > 0 and not made.shown.status.final):
            return made.id, None
        if any(True for _ in shapes.blob_ids(made.shown)):
            (told,) = await asking.told(request, session, [made.shown], hide=hide)
            return made.id, (told, made.shown.status.final)
    # Its rows are free by now.
    plainly = await asking.told_plainly(request, made.shown, hide=hide)
    return made.id, (plainly, made.shown.status.final)


async def existing(
    request: Request, actor: Actor, submission: Submission, *, hide: bool
) -> dict[str, Any] | None:
    """The workflow that a submission under this external id would be answered with, because it is there already."""
    if submission.template.external_id is None:
        return None
    async with state_of(request).database.reading() as session:
        id = await estimating.known(session, actor, submission.template.external_id)
        if id is None:
            return None
        found = await queries.shown(session, actor, id, just_waited=True)
        (made,) = await asking.told(request, session, [found], hide=hide)
    return made


async def estimated(request: Request, actor: Actor, submission: Submission) -> dict[str, Any]:
    """What it would cost, and who could do it; nothing is run, kept or charged."""
    template = await prompts.admitted(request, actor, submission.template, counted=False)
    async with state_of(request).database.unit() as session:
        found = await estimating.estimate(session, actor, template)
    return shapes.estimate(template, found)


async def _answer(
    request: Request,
    actor: Actor,
    workflow_id: str,
    wait: int,
    hide: bool,
    ignored: Any = (),
    *,
    just_waited: bool = False,
) -> Response:
    await asking.until_final(request, workflow_id, wait)
    made, final = await asking.shown(
        request, actor, workflow_id, hide=hide, just_waited=just_waited or wait > 0
    )
    return asking.json(made, 200 if final else 202, ignored=ignored)


@router.get("", operation_id="QueryWorkflows")
async def query(
    request: Request,
    actor: Reader,
    cursor: Annotated[str | None, Query(max_length=MAX_CURSOR)] = None,
    take: Annotated[int, Query(ge=1, le=queries.MOST_TAKEN)] = 100,
    tags: Annotated[list[str] | None, Query()] = None,
    text: Annotated[str | None, Query(alias="query", max_length=LONGEST_TEXT)] = None,
    ascending: bool = False,
    hide: Hide = True,
    since: Annotated[datetime | None, Query(alias="fromDate")] = None,
    until: Annotated[datetime | None, Query(alias="toDate")] = None,
    exclude_failed: Annotated[bool, Query(alias="excludeFailed")] = False,
) -> Response:
    """One's workflows that have all of the tags, a page at a time; `next` is empty on the last."""
    if len(tags or ()) > MOST_TAGS:
        told = f"Ask for at most {MOST_TAGS} tags at once."
        raise Invalid(told, code="too_many_tags", fields={"tags": told})
    wanted = Filter(tuple(tags or ()), text or "", aware(since), aware(until), exclude_failed, ascending)
    async with state_of(request).database.reading() as session:
        page = await queries.page(session, actor, wanted=wanted, cursor=cursor or None, take=take)
        items = await asking.told(request, session, page.items, hide=hide)
    found = {"items": items, "next": page.next_cursor or ""}
    return _zipped(found) if ZIP in request.headers.get("accept", "") else asking.json(found)


def aware(moment: datetime | None) -> datetime | None:
    """Moments without a zone are UTC."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _zipped(found: dict[str, Any]) -> Response:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("workflows.json", orjson.dumps(found, option=orjson.OPT_INDENT_2))
    headers = {"Content-Disposition": 'attachment; filename="workflows.zip"', "Cache-Control": "no-store"}
    return Response(packed.getvalue(), headers=headers, media_type=ZIP)


@router.get("/{workflow_id}", operation_id="GetWorkflow")
async def get(
    request: Request, actor: Reader, workflow_id: str, wait: Wait = 0, hide: Hide = False
) -> Response:
    """One workflow: 200, or 202 when its end was waited for and did not come."""
    if wait:
        # Somebody else's is not waited for.
        await asking.shown(request, actor, workflow_id, hide=hide)
        return await _answer(request, actor, workflow_id, wait, hide)
    made, _ = await asking.shown(request, actor, workflow_id, hide=hide)
    return asking.json(made)
