"""The bytes themselves: signed downloads and parts of uploads for stores that have no server, and open media.

Signed links need no credentials and a stray Authorization header is not looked at (WIRE rule 4).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Send

from civitas.faces.http.errors import body_of, headers_of
from civitas.faces.http.state import state_of
from civitas.infra.storage.keys import content_type_of, is_key
from civitas.infra.storage.multipart import no_such_object, wrong_part_checksum, wrong_part_size
from civitas.infra.storage.serving import plan
from civitas.infra.storage.store import ObjectInfo, SelfServing, Store
from civitas.kit.clock import now
from civitas.kit.errors import Fault, Invalid

CHUNK = 1024 * 1024
# a sender that is silent for longer has gone, and must not keep the part's lock
SILENCE_S = 60.0
MEDIA = "media/"

_ALWAYS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox",
    # the link is the permission and no cookie counts, so any page may use what it can name
    "cross-origin-resource-policy": "cross-origin",
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag",
}
_PREFLIGHT = {
    "access-control-allow-methods": "GET, HEAD, PUT",
    "access-control-allow-headers": "Content-Type, If-Range, Range, X-Amz-Checksum-Sha256",
    "access-control-max-age": "86400",
}


async def storage(request: Request) -> Response:
    """`/storage/{key}`: GET and HEAD of a signed object, PUT of a signed part, OPTIONS for other origins."""
    if request.method == "OPTIONS":
        return Response(status_code=204, headers={**_ALWAYS, **_PREFLIGHT})
    try:
        store = state_of(request).store
        if not isinstance(store, SelfServing):
            raise no_such_object()
        if request.method == "PUT":
            return await _take_part(request, store)
        return await _send_signed(request, store, store)
    except Fault as fault:
        return _refusal(fault)
    except ClientDisconnect:
        return _refusal(Invalid("The transfer was broken off; send the part again.", code="broken_off"))


async def media(request: Request) -> Response:
    """`/media/{key}`: objects below `media/`, which are open to everybody and never change."""
    key = MEDIA + request.path_params["key"]
    try:
        store = state_of(request).store
        if not is_key(key) or (info := await store.head(key)) is None:
            raise no_such_object()
        headers = {
            "content-type": content_type_of(key),
            "cache-control": "public, max-age=31536000, immutable",
        }
        return send_object(request, store, info, headers)
    except Fault as fault:
        return _refusal(fault)


async def _send_signed(request: Request, store: Store, serving: SelfServing) -> Response:
    grant = serving.links.open_get(request.path_params["key"], request.query_params)
    info = await store.head(grant.key)
    if info is None:
        raise no_such_object()
    if grant.etag:
        info = ObjectInfo(info.key, info.size, f'"{grant.etag}"', info.modified)
    left = max(0, int((grant.expires - now()).total_seconds()))
    headers = {
        "content-type": grant.content_type,
        "content-disposition": grant.disposition,
        # no-transform: nothing on the way may compress weights (WIRE rule 5)
        "cache-control": f"public, max-age={left}, no-transform"
        if grant.public
        else "private, no-store, no-transform",
    }
    return send_object(request, store, info, headers)


def send_object(request: Request, store: Store, info: ObjectInfo, headers: dict[str, str]) -> Response:
    """An object with ranges, conditions and HEAD answered; `headers` are the caller's own (type, caching)."""
    answer = plan(request.method, request.headers, info)
    if answer.status == 416:
        fault = Invalid("The file ends before this range begins.", code="range_not_satisfiable")
        return JSONResponse(body_of(fault), 416, {**_ALWAYS, **answer.headers, "cache-control": "no-store"})
    headers = {**_ALWAYS, **headers, **answer.headers}
    if not answer.length:
        return Response(status_code=answer.status, headers=headers)
    pieces = store.chunks(info.key, answer.start, answer.length, CHUNK)
    return _Bytes(pieces, status_code=answer.status, headers=headers)


class _Bytes(StreamingResponse):
    """Closes its source when the client leaves, so that no file stays open until the collector comes by."""

    body_iterator: AsyncGenerator[bytes, None]

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.body_iterator):
            await super().stream_response(send)


async def _take_part(request: Request, serving: SelfServing) -> Response:
    grant = serving.links.open_part(request.path_params["key"], request.query_params)
    declared = request.headers.get("content-length")
    if declared is not None and declared != str(grant.size):
        raise wrong_part_size(grant.number, grant.size)
    checksum = request.headers.get("x-amz-checksum-sha256") or grant.checksum
    if grant.checksum and checksum != grant.checksum:
        raise wrong_part_checksum(grant.number)
    part = await serving.write_part(grant.key, grant.handle, grant.number, _body(request), checksum)
    return Response(status_code=200, headers={**_ALWAYS, "etag": f'"{part.etag}"'})


async def _body(request: Request) -> AsyncIterator[bytes]:
    async with aclosing(request.stream()) as pieces:
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise Invalid(
                    f"Nothing came for {SILENCE_S:.0f} seconds; send the part again.", code="part_stalled"
                ) from None
            yield piece


def _refusal(fault: Fault) -> Response:
    return JSONResponse(body_of(fault), fault.status, {**_ALWAYS, **headers_of(fault)})


routes = [
    Route("/storage/{key:path}", storage, methods=["GET", "HEAD", "PUT", "OPTIONS"], name="storage"),
    Route("/media/{key:path}", media, methods=["GET", "HEAD"], name="media"),
]
