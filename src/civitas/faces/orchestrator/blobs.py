"""`/v2/consumer/blobs`: bytes in with a key or by a link that serves once, bytes out by links that expire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from civitas.domains.accounts.types import Scope
from civitas.domains.orchestration import blobs
from civitas.domains.orchestration.blobs import BlobFacts
from civitas.domains.orchestration.media import archives, reading, shapes, uploading
from civitas.domains.orchestration.media.previews import Watching
from civitas.domains.orchestration.types import Level
from civitas.faces.http.actors import actor_of
from civitas.faces.http.csrf import check_csrf
from civitas.faces.http.limits import take
from civitas.faces.http.state import state_of
from civitas.faces.http.storage_routes import send_object
from civitas.faces.orchestrator import asking
from civitas.faces.orchestrator.asking import Writer
from civitas.infra.media.intake import Intake
from civitas.kit import clock
from civitas.kit.errors import Invalid, NotFound, TooLarge, Unavailable
from civitas.kit.text import ascii_filename

router = APIRouter(prefix="/v2/consumer", include_in_schema=False)

# A sender that is silent for longer has gone.
SILENCE_S: Final = 60.0
# What was delivered a moment ago is examined before anybody sees it: whoever asks so soon waits.
EXAMINED_WITHIN_S: Final = 10.0
EXAMINED_LOOK_S: Final = 0.25
MOST_SIDE: Final = 4096
MIB: Final = 2**20
_BOUNDARY: Final = b"preview"
# Bytes of strangers: no browser may take them for anything else, or run what is in them.
_INERT: Final = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'; img-src data:; media-src 'self'; style-src 'unsafe-inline'",
    "cross-origin-resource-policy": "cross-origin",
}


@router.get("/blobs/upload", operation_id="GetConsumerBlobUploadUrl")
async def presign(request: Request, actor: Writer) -> Response:
    """An address that takes one blob, once, without a key: for browsers."""
    async with state_of(request).database.reading() as session:
        url, expires = await uploading.presign(session, actor, links=asking.links_of(request))
    return asking.json({"uploadUrl": url, "expiresAt": clock.rfc3339(expires)})


@router.api_route("/blobs", methods=["POST", "PUT"], operation_id="UploadConsumerBlob")
async def upload(request: Request, sig: Annotated[str | None, Query(max_length=4096)] = None) -> Response:
    """Take the body as a blob: told by its bytes, looked at before it can be used. Raises what `Intake.take` raises."""
    person, blob_id = await _uploader(request, sig)
    state = state_of(request)
    most = state.settings.media.max_upload_mb
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:20]) > most * MIB:
        raise TooLarge(f"A blob may have {most:,} MiB at most here; nothing was read.", code="blob_too_large")
    async with state.database.reading() as session:
        room = await uploading.admit(session, person_id=person, blob_id=blob_id)
    intake: Intake = request.app.state.intake
    key = blobs.new_key()
    async with aclosing(_pieces(request)) as pieces:
        arrived = await intake.take(pieces, key=key, claimed=request.headers.get("content-type"), most=room)
    try:
        async with state.database.unit() as session:
            facts = await uploading.record(session, person_id=person, arrived=arrived, blob_id=blob_id)
    except BaseException:
        await state.store.delete(key)
        raise
    made = asking.json(_shown(request, facts), 201)
    made.headers["Location"] = f"/v2/consumer/blobs/{facts.id}"
    return made


async def _uploader(request: Request, sig: str | None) -> tuple[int, str | None]:
    """Whose blob it becomes, and its id when the link chose it."""
    if sig is not None:
        grant = asking.links_of(request).open_upload(sig)
        await take(request, "write", f"p:{grant.person_id}")
        return grant.person_id, grant.blob_id
    actor = await actor_of(request)
    person = actor.require(Scope.AI_SERVICES_WRITE)
    await check_csrf(request)
    await take(request, "write")
    return person, None


async def _pieces(request: Request) -> AsyncGenerator[bytes, None]:
    """The body as it comes; a silent sender is given up."""
    stream: AsyncIterator[bytes] = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Invalid(
                f"Nothing came for {SILENCE_S:.0f} seconds; nothing was kept.", code="stalled"
            ) from None
        yield piece


@router.api_route("/blobs/content/{token}", methods=["GET", "HEAD"], operation_id="GetBlobContent")
async def content(request: Request, token: str) -> Response:
    """The bytes that a token allows, with ranges; it is the same for an hour, so that caches can keep them."""
    grant = asking.links_of(request).open_content(token)
    state = state_of(request)
    facts = await _examined(request, grant.blob_id)
    info = await state.store.head(str(facts.storage_key))
    if info is None:
        raise reading.unknown()
    left = max(0, int((grant.expires - clock.now()).total_seconds()))
    shown = reading.inline(facts, download=grant.download)
    name = reading.filename(facts, grant.filename)
    headers = {
        **_INERT,
        "content-type": reading.media_type(facts),
        "content-disposition": f'{"inline" if shown else "attachment"}; filename="{name}"',
        "cache-control": f"public, max-age={left}, immutable",
    }
    return send_object(request, state.store, info, headers)


@router.get("/blobs/blocked/{token}", operation_id="GetBlockedContent")
async def blocked(request: Request, token: str) -> Response:
    """A picture that stands for one that is not shown, in its size; with 403, because it is not that one."""
    width, height = asking.links_of(request).open_blocked(token)
    width, height = (max(1, min(side, MOST_SIDE)) for side in (width, height))
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<rect width="100%" height="100%" fill="#8a8a8a"/></svg>'
    )
    return Response(drawn, 403, {**_INERT, "cache-control": "no-store"}, media_type="image/svg+xml")


@router.get("/blobs/archive/{token}", operation_id="GetBlobArchive")
async def archive(request: Request, token: str) -> Response:
    """An archive, put together while it is sent."""
    archive_id = asking.links_of(request).open_archive(token)
    state = state_of(request)
    async with state.database.reading() as session:
        found = await archives.opened(session, archive_id=archive_id)

    def chunks(key: str) -> AsyncGenerator[bytes, None]:
        return state.store.chunks(key)

    headers = {
        **_INERT,
        "content-disposition": f'attachment; filename="{ascii_filename(found.name)}"',
        "cache-control": "private, no-store",
    }
    return _Stream(archives.streamed(found, chunks), headers=headers, media_type=found.media_type)


@router.get("/blobs/{blob_id}", operation_id="GetBlob")
async def get(
    request: Request,
    blob_id: str,
    sig: Annotated[str | None, Query(max_length=200)] = None,
    exp: Annotated[str | None, Query(max_length=20)] = None,
    level: Annotated[Level | None, Query(alias="nsfwLevel")] = None,
    filename: Annotated[str | None, Query(max_length=300)] = None,
    download: bool = False,
) -> Response:
    """Send whoever may read a blob to its bytes."""
    facts, expires = await _read(request, blob_id, sig, exp)
    reading.readable(facts, most=level)
    links = asking.links_of(request)
    if expires is None:
        _, expires = links.blob_url(facts.id)
    url = links.content_url(facts.id, expires=expires, filename=filename, download=download)
    return Response(status_code=308, headers={"location": url, "cache-control": "private, max-age=60"})


@router.head("/blobs/{blob_id}", operation_id="HeadBlob")
async def head(
    request: Request,
    blob_id: str,
    sig: Annotated[str | None, Query(max_length=200)] = None,
    exp: Annotated[str | None, Query(max_length=20)] = None,
) -> Response:
    """204 once there are bytes."""
    facts, _ = await _read(request, blob_id, sig, exp)
    reading.readable(facts)
    return asking.nothing()


async def _examined(request: Request, blob_id: str) -> BlobFacts:
    """A blob whose link was checked; one that is being examined is waited for a while, holding no connection."""
    database, until = state_of(request).database, time.monotonic() + EXAMINED_WITHIN_S
    while True:
        try:
            async with database.reading() as session:
                return await reading.by_link(session, blob_id=blob_id)
        except Unavailable:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(EXAMINED_LOOK_S)


async def _read(
    request: Request, blob_id: str, sig: str | None, exp: str | None
) -> tuple[BlobFacts, datetime | None]:
    """A blob by its link, or one's own by key, and until when the link holds."""
    if sig is not None:
        stem = reading.stem(blob_id)
        expires = asking.links_of(request).open_blob(stem, sig=sig, exp=exp or "")
        return await _examined(request, stem), expires
    actor = await actor_of(request)
    actor.require(Scope.AI_SERVICES_READ)
    await take(request, "read")
    async with state_of(request).database.reading() as session:
        return await reading.own(session, actor, blob_id=blob_id), None


@router.post("/blobs/{blob_id}/refresh", operation_id="RefreshBlob")
async def refresh(request: Request, actor: Writer, blob_id: str) -> Response:
    """A fresh link, and thirty days more."""
    async with state_of(request).database.unit() as session:
        facts = await reading.refresh(session, actor, blob_id=blob_id)
    return asking.json(_shown(request, facts))


def _shown(request: Request, facts: BlobFacts) -> dict[str, Any]:
    made = shapes.blob(facts, asking.links_of(request))
    return {name: value for name, value in made.items() if value is not None}


@router.get("/streaming-blobs/{token}", operation_id="GetStreamingBlob")
async def streaming(request: Request, token: str) -> Response:
    """The pictures of a running job as they come (`multipart/x-mixed-replace`, which `<img>` shows), until it ends."""
    job_id = asking.links_of(request).open_preview(token)
    watching: Watching = request.app.state.watching
    pictures = _pictures(request, watching.watch(job_id))
    try:
        first = await anext(pictures)
    except StopAsyncIteration:
        raise NotFound("This job has ended, or shows nothing of its work.", code="no_preview") from None
    return _Stream(
        _with_first(first, pictures),
        headers={**_INERT, "cache-control": "no-store", "x-accel-buffering": "no"},
        media_type=f"multipart/x-mixed-replace; boundary={_BOUNDARY.decode()}",
    )


async def _pictures(request: Request, keys: AsyncGenerator[str, None]) -> AsyncGenerator[bytes, None]:
    store, began = state_of(request).store, False
    async with aclosing(keys):
        async for key in keys:
            picture = b"".join([piece async for piece in store.chunks(key)])
            kind = "jpeg" if key.endswith(("jpg", "jpeg")) else key.rpartition(".")[2]
            head = b"--%s\r\nContent-Type: image/%s\r\nContent-Length: %d\r\n\r\n" % (
                _BOUNDARY, kind.encode(), len(picture),
            )  # fmt: skip
            began = True
            yield head + picture + b"\r\n"
    if began:
        yield b"--%s--\r\n" % _BOUNDARY


async def _with_first(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(rest):
        yield first
        async for piece in rest:
            yield piece


class _Stream(StreamingResponse):
    """Ends its source as soon as the client leaves."""

    body_iterator: AsyncGenerator[bytes, None]

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.body_iterator):
            await super().stream_response(send)
