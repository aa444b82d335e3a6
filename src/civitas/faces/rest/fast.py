"""The fast lane: the hottest reads as plain routes over bare connections, answering joined text.

Strangers' answers may be cached for five minutes and carry an entity tag; everybody else's are private.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from blake3 import blake3
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from civitas.domains.accounts import following
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import reading, rebuilding, search
from civitas.domains.catalog.reading import Documents
from civitas.domains.community.articles import reads as articles
from civitas.domains.gallery.collections import reads as collections
from civitas.domains.gallery.feeds import pages
from civitas.faces.http import limits
from civitas.faces.http.actors import actor_of
from civitas.faces.http.links import base_url
from civitas.faces.http.shield import Ready
from civitas.faces.http.state import state_of
from civitas.faces.rest.asking import mask_of, understood
from civitas.faces.rest.pages import known_totals
from civitas.faces.rest.parameters import Parameters, whole, wrong
from civitas.kit.errors import NotFound, TooLarge

MAX_BATCH: Final = 100
MAX_BODY: Final = 2 * 2**20
MAX_ID: Final = 2**63 - 1
_COMMON: Final = [(b"content-type", b"application/json"), (b"vary", b"Authorization, Cookie")]
_PUBLIC: Final = [*_COMMON, (b"cache-control", b"public, max-age=300")]
_PRIVATE: Final = [*_COMMON, (b"cache-control", b"private, no-cache")]
_NO_STORE: Final = [*_COMMON, (b"cache-control", b"no-store")]


async def viewer(request: Request) -> Actor:
    """Who asks, counted against their allowance."""
    actor = await actor_of(request)
    await limits.take(request, "read")
    return actor


class _Json(Response):
    """JSON with its headers as they go out, made without the comforts that cost time on every request."""

    def __init__(self, body: bytes, headers: list[tuple[bytes, bytes]], status: int = 200) -> None:
        self.body = body
        self.status_code = status
        self.background = None
        self.raw_headers = Ready(
            (*headers, (b"content-length", b"%d" % len(body))) if status == 200 else headers
        )


def answer(request: Request, actor: Actor, body: bytes) -> Response:
    """JSON that strangers may keep for five minutes, with an entity tag; others' is private."""
    if actor.signed_in:
        return _Json(body, _PRIVATE)
    tag = b'"%s"' % blake3(body).hexdigest(length=16).encode()
    headers = [*_PUBLIC, (b"etag", tag)]
    for name, value in request.scope["headers"]:
        if name == b"if-none-match" and tag in value:
            return _Json(b"", headers, 304)
    return _Json(body, headers)


def _unkept(body: bytes) -> Response:
    return _Json(body, _NO_STORE)


def path_id(request: Request, name: str = "id") -> int:
    """The number in the path; 400 for what is none."""
    number = whole(name, request.path_params[name])
    if not 0 <= number <= MAX_ID:
        raise NotFound(f"{number} was not found.", code="not_found")
    return number


async def list_models(request: Request) -> Response:
    """`GET /api/v1/models`."""
    actor = await viewer(request)
    asked = understood(request.scope["query_string"], actor)
    found = await reading.models(
        state_of(request).reads,
        actor,
        asked.filters,
        sort=asked.sort,
        limit=asked.limit,
        cursor=asked.cursor,
        offset=asked.offset,
    )
    base, following, page = base_url(request), found.next_cursor, asked.page
    items = _items(found, base, only_primary=asked.only_primary)
    metadata = {
        "nextCursor": following,
        "nextPage": f"{base}{request.scope['path']}?{asked.link}cursor={following}" if following else None,
        "currentPage": page,
        "pageSize": asked.limit,
        **known_totals(before=asked.offset, shown=found.count, page=page, more=following is not None),
    }
    return answer(
        request, actor, b"".join((b'{"items":[', items, b'],"metadata":', orjson.dumps(metadata), b"}"))
    )


def _items(found: Documents, base: str, *, only_primary: bool) -> bytes:
    if not only_primary:
        return found.json(base)
    models = found.objects(base)
    for model in models:
        for version in model["modelVersions"]:
            version["files"] = [file for file in version["files"] if file["primary"]]
    return orjson.dumps(models)[1:-1]


async def get_model(request: Request) -> Response:
    """`GET /api/v1/models/{id}`; owners and staff also get what is not published."""
    actor = await viewer(request)
    number = path_id(request)
    try:
        found = await reading.model(
            state_of(request).reads, number, mask=mask_of(Parameters(request.query_params), actor)
        )
    except NotFound:
        own = await _own_model(request, actor, number)
        if own is None:
            raise
        return answer(request, actor, own.encode())
    return answer(request, actor, found.json(base_url(request)))


async def _own_model(request: Request, actor: Actor, number: int) -> str | None:
    if not actor.signed_in:
        return None
    async with state_of(request).database.reading() as session:
        return await rebuilding.owner_document(session, actor, number, base=base_url(request))


async def get_version(request: Request) -> Response:
    """`GET /api/v1/model-versions/{id}`."""
    actor = await viewer(request)
    mask = mask_of(Parameters(request.query_params), actor)
    found = await reading.version(state_of(request).reads, path_id(request), mask=mask)
    return answer(request, actor, found.json(base_url(request)))


async def get_mini(request: Request) -> Response:
    """`GET /api/v1/model-versions/mini/{id}`."""
    actor = await viewer(request)
    found = await reading.mini(state_of(request).reads, path_id(request), base=base_url(request))
    return answer(request, actor, orjson.dumps(found))


async def get_by_hash(request: Request) -> Response:
    """`GET /api/v1/model-versions/by-hash/{hash}`."""
    actor = await viewer(request)
    mask = mask_of(Parameters(request.query_params), actor)
    found = await reading.version_by_hash(state_of(request).reads, request.path_params["hash"], mask=mask)
    return answer(request, actor, found.json(base_url(request)))


async def post_by_hash(request: Request) -> Response:
    """`POST /api/v1/model-versions/by-hash`: up to 100 hashes."""
    actor = await viewer(request)
    hashes = await _hashes(request, MAX_BATCH)
    mask = mask_of(Parameters(request.query_params), actor)
    found = await reading.versions_by_hashes(state_of(request).reads, hashes, mask=mask)
    return _unkept(b"[" + found.json(base_url(request)) + b"]")


async def post_ids_by_hash(request: Request) -> Response:
    """`POST /api/v1/model-versions/by-hash/ids`: up to 10,000 hashes."""
    await viewer(request)
    hashes = await _hashes(request, reading.MAX_HASHES)
    found = await reading.ids_by_hashes(state_of(request).reads, hashes)
    return _unkept(found)


async def get_tensor_metadata(request: Request) -> Response:
    """`GET /api/v1/model-files/{id}/tensor-metadata`."""
    actor = await viewer(request)
    found = await reading.tensor_metadata(state_of(request).reads, path_id(request))
    return answer(request, actor, orjson.dumps(found))


async def get_suggestions(request: Request) -> Response:
    """`GET /api/v1/suggest`: models, creators, tags, posts, articles and collections named like `query`."""
    actor = await viewer(request)
    parameters = Parameters(request.query_params)
    text = parameters.text("query", search.MAX_QUERY) or ""
    mask, limit = mask_of(parameters, actor), parameters.number("limit", 5, 1, 20) or 5
    found = await reading.suggest(state_of(request).reads, actor, text, mask=mask, limit=limit)
    async with state_of(request).database.reading() as session:
        unseen = await following.unseen_by(session, actor.id) if actor.id is not None else ()
        written = await articles.named_like(session, actor, text, limit=limit, mask=mask)
        gathered = await collections.named_like(session, actor, text, limit=limit, unseen=unseen, mask=mask)
    posted = await pages.named_like(state_of(request).reads, actor, text, limit=limit, mask=mask)
    found += [
        {"kind": kind, "id": number, "name": name, "detail": by, "count": count}
        for kind, rows in (
            ("post", [(*one, 0) for one in posted]),
            ("article", [(*one, 0) for one in written]),
            ("collection", gathered),
        )
        for number, name, by, count in rows
    ]
    return answer(request, actor, orjson.dumps({"items": found}))


async def bounded_body(request: Request, limit: int = MAX_BODY) -> bytes:
    """The body, never holding more than `limit` bytes. Raises TooLarge (`too_large`)."""
    fault = TooLarge(f"The body is larger than {limit // 2**20} MiB.", code="too_large")
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise fault
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise fault
        chunks.append(chunk)
    return b"".join(chunks)


async def _hashes(request: Request, most: int) -> list[str]:
    try:
        found: Any = orjson.loads(await bounded_body(request))
    except orjson.JSONDecodeError:
        raise wrong(
            "body", "Expected a JSON array of hashes", code="invalid_type", expected="array"
        ) from None
    if not isinstance(found, list) or not set(map(type, found)) <= {str}:
        raise wrong("body", "Expected a JSON array of hashes", code="invalid_type", expected="array")
    if len(found) > most:
        raise wrong("body", f"Array must contain at most {most} element(s)", code="too_big", maximum=most)
    return found


_V1 = "/api/v1"

routes = [
    Route(f"{_V1}/models", list_models),
    Route(f"{_V1}/models/{{id}}", get_model),
    Route(f"{_V1}/model-versions/by-hash/ids", post_ids_by_hash, methods=["POST"]),
    Route(f"{_V1}/model-versions/by-hash", post_by_hash, methods=["POST"]),
    Route(f"{_V1}/model-versions/by-hash/{{hash}}", get_by_hash),
    Route(f"{_V1}/model-versions/mini/{{id}}", get_mini),
    Route(f"{_V1}/model-versions/{{id}}", get_version),
    Route(f"{_V1}/model-files/{{id}}/tensor-metadata", get_tensor_metadata),
    Route(f"{_V1}/suggest", get_suggestions),
]
