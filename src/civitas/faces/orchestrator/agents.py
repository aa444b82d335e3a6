"""`/v2/agents`: the protocol of `contracts.wire`, for the machines that run jobs.

Plain routes: an agent's token is no person's key, there is no cookie and so no form to protect, and every route bounds
its own body and time.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final, TypeVar, cast

import psycopg
import structlog
from fastapi import FastAPI
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from civitas.contracts.wire import agents as wire
from civitas.contracts.wire import jobs as wire_jobs
from civitas.domains.orchestration.blobs import BlobFacts
from civitas.domains.orchestration.dispatch import agents, handing, reporting
from civitas.domains.orchestration.dispatch.agents import Known, Tokens
from civitas.domains.orchestration.dispatch.claiming import ClaimedJob
from civitas.domains.orchestration.dispatch.handing import Needed
from civitas.domains.orchestration.dispatch.outputs import Upload
from civitas.faces.http.links import absolute
from civitas.faces.http.state import State, state_of
from civitas.faces.orchestrator.polling import Polling
from civitas.kit.errors import Fault, Invalid, TooLarge, Unauthorised

log = structlog.get_logger(__name__)

KIB, MIB = 2**10, 2**20
LARGEST_MESSAGE: Final = 8 * MIB
LARGEST_PREVIEW: Final = 2 * MIB
# A sender that is silent for longer has gone.
SILENCE_S: Final = 60.0
# What an agent may need a file for, beyond its lease: big ones take their time.
LINK_LIFE: Final = timedelta(hours=6)
FILE: Final = "application/octet-stream"
PREVIEWS: Final = ("image/jpeg", "image/png", "image/webp")

M = TypeVar("M", bound=BaseModel)
Handler = Callable[[Request, Known], Awaitable[Response]]


def prepare(app: FastAPI, state: State) -> Polling:
    """Give the app the one look for its waiting agents; the caller closes it when the app ends."""
    app.state.agent_tokens = Tokens(state.reads)
    app.state.polling = Polling(state.database, state.reads, state.settings.agents)
    return cast(Polling, app.state.polling)


def _polling(request: Request) -> Polling:
    return cast(Polling, request.app.state.polling)


def _for_agents(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Find the agent by its token. Faults are rendered as everywhere below `/v2`, as problem documents (RFC 9457)."""

    @functools.wraps(handler)
    async def answered(request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorised("Send the agent's token as a Bearer token.", code="bad_agent_token")
        tokens: Tokens = request.app.state.agent_tokens
        agent = await tokens.agent(token.strip())
        try:
            return await handler(request, agent)
        except Fault:
            # It may be that the token was revoked since it was last looked up, which is the better answer then.
            await tokens.again(token.strip())
            raise
        except ClientDisconnect:
            raise Invalid("The transfer was broken off; send it again.", code="broken_off") from None

    return answered


async def _body(request: Request, most: int) -> bytes:
    """The whole body, bounded as `_pieces` are. Most come in one piece, for which no clock is set anew."""
    _bounded(request, most)
    body = bytearray()
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(SILENCE_S) as silence:
            async for piece in request.stream():
                if body and piece:
                    silence.reschedule(loop.time() + SILENCE_S)
                body += piece
                if len(body) > most:
                    raise _too_large(most)
    except TimeoutError:
        raise _stalled() from None
    return bytes(body)


def _bounded(request: Request, most: int) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and (len(declared) >= 20 or int(declared) > most):
        raise _too_large(most)


def _stalled() -> Invalid:
    return Invalid(f"Nothing came for {SILENCE_S:.0f} seconds.", code="stalled")


async def _pieces(request: Request, most: int) -> AsyncIterator[bytes]:
    """The body as it comes, bounded in size and in silence."""
    _bounded(request, most)
    taken = 0
    pieces = request.stream()
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise _stalled() from None
        taken += len(piece)
        if taken > most:
            raise _too_large(most)
        yield piece


def _too_large(most: int) -> TooLarge:
    told = f"{most // MIB} MiB" if most >= MIB else f"{most // KIB} KiB"
    return TooLarge(f"The body is larger than {told}; nothing was kept.", code="too_large")


async def _said(request: Request, shape: type[M]) -> M:
    try:
        return shape.model_validate_json(await _body(request, LARGEST_MESSAGE))
    except ValidationError as error:
        fields = {".".join(map(str, one["loc"])) or "body": one["msg"][:200] for one in error.errors()[:20]}
        where, why = next(iter(fields.items()))
        raise Invalid(f"{where}: {why}.", code="bad_message", fields=fields) from None


def _answer(message: BaseModel) -> Response:
    return Response(message.model_dump_json(by_alias=True), media_type="application/json")


def _nothing() -> Response:
    return Response(status_code=204)


def _number(request: Request, name: str) -> int:
    return int(request.path_params[name])


@_for_agents
async def register(request: Request, agent: Known) -> Response:
    """Hear what the agent can do; what it had claimed in an earlier life goes to others."""
    said = await _said(request, wire.Registration)
    state = state_of(request)
    async with state.database.unit() as session:
        registered = await agents.register(session, agent.id, said=said, settings=state.settings.agents)
    _polling(request).nudge()
    return _answer(registered)


@_for_agents
async def heartbeat(request: Request, agent: Known) -> Response:
    """Renew leases, and say which claims are lost and what is wished for."""
    said = await _said(request, wire.Heartbeat)
    state = state_of(request)
    async with state.database.unit() as session:
        return _answer(await agents.beat(session, agent.id, said=said, settings=state.settings.agents))


@_for_agents
async def claims(request: Request, agent: Known) -> Response:
    """Wait for work."""
    said = await _said(request, wire_jobs.Ask)
    answer = await _polling(request).ask(agent.id, free=said.free, wait_s=said.wait_s, gone=_gone(request))
    jobs = await _jobs(request, answer.jobs)
    return _answer(wire_jobs.Claimed(wish=answer.wish, jobs=jobs))


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _jobs(request: Request, claimed: Sequence[ClaimedJob]) -> list[wire_jobs.Job]:
    """Jobs with links to all that they need; those whose needs are gone are ended here."""
    units = state_of(request).database
    needed = Needed()
    if any(job.media or job.resources for job in claimed):
        async with units.reading() as session:
            needed = await handing.needed(session, claimed)
    made = []
    for job in claimed:
        if needed.lacks(job):
            async with units.unit() as session:
                await handing.give_up(session, job)
        else:
            made.append(await _job(request, job, needed))
    return made


async def _job(request: Request, claimed: ClaimedJob, needed: Needed) -> wire_jobs.Job:
    most = state_of(request).settings.agents.most_upload_mb * MIB
    media = [await _medium(request, needed.media[id]) for id in handing.media_of(claimed)]
    resources = [
        wire_jobs.ResourceLink.model_validate(
            {
                **handing.words_of(resource),
                "url": await _link(request, needed.files[resource["fileId"]], resource["filename"], FILE),
            }
        )
        for resource in claimed.resources
    ]
    return wire_jobs.Job(
        id=claimed.job_id,
        claim=claimed.claim_id,
        step_type=claimed.step_type,
        capability=claimed.capability,
        input=claimed.input,
        media=media,
        resources=resources,
        slots=len(claimed.slots),
        most_bytes=most if claimed.slots else 0,
        allow_mature=claimed.allow_mature,
        attempt=claimed.attempt,
        leased_until=claimed.leased_until,
        expires_at=claimed.expires_at,
    )


async def _medium(request: Request, found: BlobFacts) -> wire_jobs.MediaLink:
    media_type = found.media_type or FILE
    return wire_jobs.MediaLink(
        url=await _link(request, str(found.storage_key), found.id, media_type),
        media_type=media_type,
        size=found.size,
        sha256=found.sha256.hex() if found.sha256 else None,
    )


async def _link(request: Request, key: str, filename: str, media_type: str) -> str:
    link = await state_of(request).store.sign_get(
        key, filename=filename, content_type=media_type, expires=LINK_LIFE
    )
    return absolute(request, link)


@_for_agents
async def progress(request: Request, agent: Known) -> Response:
    """Note how far a job is."""
    said = await _said(request, wire_jobs.Progress)
    async with state_of(request).database.unit() as session:
        await reporting.progress(session, agent_id=agent.id, claim_id=_number(request, "claim"), said=said)
    return _nothing()


@_for_agents
async def preview(request: Request, agent: Known) -> Response:
    """Take a picture of the work under way; each replaces the one before."""
    state, claim = state_of(request), _number(request, "claim")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in PREVIEWS:
        raise Invalid(f"A preview is one of {', '.join(PREVIEWS)}.", code="bad_preview")
    async with state.database.unit() as session:
        found = await reporting.standing(session, agent_id=agent.id, claim_id=claim)
    body = await _body(request, LARGEST_PREVIEW)
    if not body:
        raise Invalid("This preview has no bytes.", code="bad_preview")
    key = reporting.preview_key(found.job_id, media_type.partition("/")[2])
    await state.store.put(key, body, media_type)
    async with state.database.unit() as session:
        before = await reporting.preview(session, agent_id=agent.id, claim_id=claim, storage_key=key)
    if before and before != key:
        await state.store.delete(before)
    return _nothing()


@_for_agents
async def upload(request: Request, agent: Known) -> Response:
    """Stream what was made into the store, and hash it on the way."""
    state, claim, slot = state_of(request), _number(request, "claim"), _number(request, "slot")
    async with state.database.unit() as session:
        key = await reporting.begin_upload(session, agent_id=agent.id, claim_id=claim, slot=slot)
    sha256, size = hashlib.sha256(), 0

    async def measured() -> AsyncIterator[bytes]:
        nonlocal size
        async for piece in _pieces(request, state.settings.agents.most_upload_mb * MIB):
            size += len(piece)
            # Hashing lets go of the interpreter for pieces of this size.
            await asyncio.to_thread(sha256.update, piece) if len(piece) > 256 * KIB else sha256.update(piece)
            yield piece
        _same(request, size, sha256.hexdigest())

    media_type = request.headers.get("content-type", "application/octet-stream")[:100]
    await state.store.put(key, measured(), media_type)
    found = Upload(slot, key, size, sha256.hexdigest())
    async with state.database.unit() as session:
        await reporting.end_upload(session, agent_id=agent.id, claim_id=claim, upload=found)
    return _answer(wire_jobs.Uploaded(slot=slot, size=size, sha256=found.sha256))


def _same(request: Request, size: int, sha256: str) -> None:
    """Raise Invalid when other bytes came than the agent says it sent; nothing is kept then."""
    declared = request.headers.get("x-content-sha256", sha256).lower()
    length = request.headers.get("content-length", str(size))
    if declared != sha256 or length != str(size) or not size:
        raise Invalid("Other bytes arrived than were announced; send them again.", code="bad_upload")


@_for_agents
async def result(request: Request, agent: Known) -> Response:
    """Hear how a job ended. What is said under a claim that is over changes nothing."""
    said = (await _said(request, wire_jobs.Result)).result
    claim = _number(request, "claim")
    async with state_of(request).database.unit() as session:
        await reporting.ended(session, agent_id=agent.id, claim_id=claim, said=said)
    _polling(request).nudge()
    return _nothing()


@_for_agents
async def results(request: Request, agent: Known) -> Response:
    """Hear how several jobs ended, in one transaction. Each is taken or refused as it would be alone."""
    said = (await _said(request, wire_jobs.Results)).results
    if len({one.claim for one in said}) < len(said):
        raise Invalid("A claim stands twice among these results.", code="bad_message")
    faults: dict[int, Fault]
    try:
        async with state_of(request).database.unit() as session:
            faults = await reporting.all_ended(session, agent_id=agent.id, said=said)
    except (Fault, psycopg.Error, DBAPIError) as error:
        # What cannot be written together, because of one of them or of somebody else's locks, is written one by one.
        log.info("agents.results_apart", error=type(error).__name__)
        faults = {}
        for one in said:
            try:
                async with state_of(request).database.unit() as session:
                    await reporting.ended(session, agent_id=agent.id, claim_id=one.claim, said=one.result)
            except Fault as fault:
                faults[one.claim] = fault
    _polling(request).nudge()
    return _answer(wire_jobs.AllHeard(results=[_heard(one.claim, faults.get(one.claim)) for one in said]))


def _heard(claim: int, fault: Fault | None) -> wire_jobs.Heard:
    if fault is None:
        return wire_jobs.Heard(claim=claim, status=204)
    return wire_jobs.Heard(claim=claim, status=fault.status, code=fault.code, detail=fault.message)


routes: Final = [
    Route("/v2/agents/register", register, methods=["POST"]),
    Route("/v2/agents/heartbeat", heartbeat, methods=["POST"]),
    Route("/v2/agents/claims", claims, methods=["POST"]),
    Route("/v2/agents/claims/{claim:int}/progress", progress, methods=["POST"]),
    Route("/v2/agents/claims/{claim:int}/preview", preview, methods=["PUT"]),
    Route("/v2/agents/claims/{claim:int}/blobs/{slot:int}", upload, methods=["PUT"]),
    Route("/v2/agents/claims/{claim:int}/result", result, methods=["POST"]),
    Route("/v2/agents/results", results, methods=["POST"]),
]
