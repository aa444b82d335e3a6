"""`/v1/consumer/jobs`: the older API, for the clients that still speak it, on the same workflows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.orchestration import cancelling, estimating, older_jobs, queries, submitting
from civitas.domains.orchestration.errors import UnknownWorkflow
from civitas.domains.orchestration.shown import ShownWorkflow
from civitas.faces.http.state import state_of
from civitas.faces.orchestrator import asking, bodies, older_requests, older_shapes, prompts, resources
from civitas.faces.orchestrator.asking import Reader, Writer
from civitas.faces.orchestrator.shapes import QUARTERS
from civitas.faces.orchestrator.waiting import LONGEST_S
from civitas.faces.orchestrator.workflows import aware
from civitas.kit import clock
from civitas.kit.errors import Fault, Invalid
from civitas.kit.paging import MAX_CURSOR

router = APIRouter(prefix="/v1/consumer", include_in_schema=False)

Token = Annotated[str, Query(max_length=older_shapes.MOST_TOKEN)]
PAGE: Final = 100
MOST_MODELS: Final = 50


@router.post("/jobs")
async def submit(
    request: Request, actor: Writer, wait: bool = False, detailed: bool = False, whatif: bool = False
) -> Response:
    """Submit one job or several: a token for all of them, and how each stands."""
    templates = older_requests.templates(await bodies.json_of(request))
    templates = [await prompts.admitted(request, actor, one, counted=not whatif) for one in templates]
    database = state_of(request).database
    async with database.unit() as session:
        if whatif:
            found = [await estimating.estimate(session, actor, one) for one in templates]
            jobs = [older_shapes.would_be(*pair) for pair in zip(templates, found, strict=True)]
            return asking.json({"token": None, "jobs": jobs})
        ids = [await submitting.submit(session, actor, one) for one in templates]
    return await _answer(request, actor, ids, wait=wait, detailed=detailed)


@router.get("/jobs")
async def by_token(
    request: Request, actor: Reader, token: Token, wait: bool = False, detailed: bool = False
) -> Response:
    """How the jobs of a token stand."""
    ids = older_shapes.ids_of(token)
    if wait:
        # Somebody else's are not waited for.
        await _jobs(request, actor, ids, detailed=False)
    return await _answer(request, actor, ids, wait=wait, detailed=detailed)


async def _answer(
    request: Request, actor: Actor, ids: Sequence[str], *, wait: bool, detailed: bool
) -> Response:
    if wait:
        await asyncio.gather(*(asking.until_final(request, one, LONGEST_S) for one in ids))
    jobs = await _jobs(request, actor, ids, detailed=detailed)
    status = 202 if wait and any(one["scheduled"] for one in jobs) else 200
    return asking.json({"token": older_shapes.token_of(ids), "jobs": jobs}, status)


async def _jobs(
    request: Request, actor: Actor, ids: Sequence[str], *, detailed: bool
) -> list[dict[str, Any]]:
    async with state_of(request).database.reading() as session:
        found = [await queries.shown(session, actor, one, just_waited=True) for one in ids]
        return await _told(request, session, found, detailed=detailed)


async def _told(
    request: Request, session: Any, found: Sequence[ShownWorkflow], *, detailed: bool
) -> list[dict[str, Any]]:
    media, outlooks = await asking.known(request, session, found, hide=False)
    return [older_shapes.job(one, media[one.id], outlooks, detailed=detailed) for one in found if one.steps]


@router.put("/jobs")
async def taint(
    request: Request,
    actor: Writer,
    token: Annotated[str | None, Query(max_length=older_shapes.MOST_TOKEN)] = None,
) -> Response:
    """Call the results of jobs bad, by token or by properties: the same work is done anew when it is asked for."""
    body = await bodies.json_of(request)
    properties = body.get("properties") if isinstance(body, dict) else None
    async with state_of(request).database.unit() as session:
        if token is not None:
            ids = older_shapes.ids_of(token)
        elif isinstance(properties, dict) and properties:
            page = await older_jobs.with_properties(session, actor, properties=properties, take=PAGE)
            ids = [one.id for one in page.items]
        else:
            told = "Name jobs by token or by properties."
            raise Invalid(told, code="validation_failed", fields={"token": told})
        count = await older_jobs.taint(session, actor, ids)
    return asking.json({"jobs": count})


@router.delete("/jobs")
async def cancel_all(actor: Writer, request: Request, token: Token, force: bool = True) -> Response:
    """Cancel the jobs of a token; without `force` only those that nobody has begun."""
    async with state_of(request).database.unit() as session:
        for one in older_shapes.ids_of(token):
            await _cancel(session, actor, one, force=force)
    return asking.json({})


@router.post("/jobs/query")
async def query(request: Request, actor: Reader, detailed: bool = False) -> Response:
    """Jobs that were submitted with these properties, the newest first."""
    body = await bodies.json_of(request)
    properties = body.get("properties") if isinstance(body, dict) else None
    cursor = body.get("cursor") if isinstance(body, dict) else None
    if properties is not None and not isinstance(properties, dict):
        raise _must_be("properties", "an object")
    if cursor is not None and (not isinstance(cursor, str) or len(cursor) > MAX_CURSOR):
        raise _must_be("cursor", "what an answer gave")
    async with state_of(request).database.reading() as session:
        page = await older_jobs.with_properties(
            session, actor, properties=properties or {}, cursor=cursor or None, take=PAGE
        )
        jobs = await _told(request, session, page.items, detailed=detailed)
    return asking.json({"cursor": page.next_cursor, "jobs": jobs})


@router.get("/jobs/{job_id}")
async def by_id(request: Request, actor: Reader, job_id: str, detailed: bool = False) -> Response:
    """How one job stands."""
    found = await _jobs(request, actor, [job_id], detailed=detailed)
    if not found:
        raise UnknownWorkflow
    return asking.json(found[0])


@router.put("/jobs/{job_id}")
async def taint_one(request: Request, actor: Writer, job_id: str) -> Response:
    """Call one job's result bad."""
    await bodies.json_of(request)
    async with state_of(request).database.unit() as session:
        await older_jobs.taint(session, actor, [job_id])
    return asking.json({})


@router.delete("/jobs/{job_id}")
async def cancel_one(request: Request, actor: Writer, job_id: str, force: bool = True) -> Response:
    """Cancel one job; what has ended stays as it is."""
    async with state_of(request).database.unit() as session:
        await _cancel(session, actor, job_id, force=force)
    return asking.json({})


@router.get("/coverage")
async def coverage(
    request: Request, actor: Reader, model: Annotated[list[str], Query(max_length=MOST_MODELS)]
) -> Response:
    """Whether models, by their AIRs, lie ready on machines."""
    made: dict[str, Any] = {}
    for given in model:
        try:
            _, stand = await resources.found_by(request, given)
        except Fault:
            told: dict[str, Any] = {"availability": "Unsupported", "workers": 0}
        else:
            told = {"availability": "Available" if stand.workers else "Unavailable", "workers": stand.workers}
        made[given] = {**told, "serviceProviders": {older_shapes.PROVIDER: told}}
    return asking.json(made)


@router.get("/consumption")
async def consumption(
    request: Request,
    actor: Reader,
    since: Annotated[datetime | None, Query(alias="startDate")] = None,
    until: Annotated[datetime | None, Query(alias="endDate")] = None,
) -> Response:
    """Images made and Buzz spent on work in a span of time; the last thirty days when none is named."""
    end = aware(until) or clock.now()
    start = aware(since) or end - timedelta(days=30)
    async with state_of(request).database.reading() as session:
        found = await older_jobs.consumption(session, actor, since=start, until=end)
    return asking.json({
        "images": found.images,
        "totalCost": found.quarters / QUARTERS,
        "startDate": clock.rfc3339(start),
        "endDate": clock.rfc3339(end),
    })  # fmt: skip


async def _cancel(session: Any, actor: Actor, job_id: str, *, force: bool) -> None:
    found = await queries.shown(session, actor, job_id, just_waited=True)
    if not found.status.final and (force or found.started_at is None):
        await cancelling.cancel(session, actor, job_id)


def _must_be(field: str, what: str) -> Invalid:
    return Invalid(f"{field} must be {what}.", code="validation_failed", fields={field: f"Must be {what}."})
