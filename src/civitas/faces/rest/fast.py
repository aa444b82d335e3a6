"""The fast lane: the hottest reads as plain routes over bare connections, answering joined text.

Strangers' answers may be cached for five minutes and carry an entity tag; everybody else's are private.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import orjson
from blake3 import blake3
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from civitas.domains.accounts.types import SAFE_MASK, Actor
from civitas.domains.catalog import reading, rebuilding, search
from civitas.domains.catalog.listing import Filters, Period, Sort
from civitas.domains.catalog.reading import Documents
from civitas.domains.catalog.types import CheckpointType, CommercialUse, FileFormat, ModelType
from civitas.faces.http import limits
from civitas.faces.http.actors import actor_of
from civitas.faces.http.links import base_url, with_query
from civitas.faces.http.state import state_of
from civitas.faces.rest.pages import known_totals
from civitas.faces.rest.parameters import Parameters, whole, wrong
from civitas.kit.errors import Invalid, Limited, NotFound, TooLarge

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 200
MAX_OFFSET: Final = 1000
MAX_BATCH: Final = 100
MAX_BODY: Final = 2 * 2**20
MAX_ID: Final = 2**63 - 1
_PUBLIC = "public, max-age=300"
_VARY = "Authorization, Cookie"

E = TypeVar("E")


async def _viewer(request: Request) -> Actor:
    """Who asks, counted against their allowance."""
    actor = await actor_of(request)
    await limits.take(request, "read")
    return actor


def _answer(request: Request, actor: Actor, body: str | bytes) -> Response:
    content = body.encode() if isinstance(body, str) else body
    headers = {"Content-Type": "application/json", "Vary": _VARY}
    if actor.signed_in:
        headers["Cache-Control"] = "private, no-cache"
        return Response(content, headers=headers)
    tag = f'"{blake3(content).hexdigest(length=16)}"'
    headers |= {"Cache-Control": _PUBLIC, "ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers)


def _mask(parameters: Parameters, actor: Actor) -> int:
    """The levels to show: what was asked for, safe ones otherwise, never more than the viewer may see."""
    asked = parameters.mask()
    return actor.mask & (SAFE_MASK if asked is None else asked)


def path_id(request: Request, name: str = "id") -> int:
    """The number in the path; 400 for what is none."""
    number = whole(name, request.path_params[name])
    if not 0 <= number <= MAX_ID:
        raise NotFound(f"{number} was not found.", code="not_found")
    return number


def filters_of(parameters: Parameters, actor: Actor) -> Filters:
    """Every filter of the list of models (FEATURES R1)."""
    tags = parameters.texts("tag", "tags")
    query = parameters.text("query", search.MAX_QUERY)
    return Filters(
        types=parameters.choices(ModelType, "types", "type"),
        base_models=parameters.texts("baseModels", "baseModel"),
        tags=tuple(tag for tag in tags if not tag.startswith("-")),
        without_tags=tuple(tag[1:] for tag in tags if tag.startswith("-") and tag != "-")
        + parameters.texts("excludedTags"),
        usernames=parameters.texts("username", "usernames"),
        ids=parameters.numbers("ids"),
        checkpoint_type=parameters.choice("checkpointType", CheckpointType),
        file_formats=parameters.choices(FileFormat, "fileFormats", "fileFormat"),
        commercial_uses=parameters.choices(CommercialUse, "allowCommercialUse"),
        allow_no_credit=parameters.flag("allowNoCredit"),
        allow_derivatives=parameters.flag("allowDerivatives"),
        allow_different_licence=_either(
            parameters.flag("allowDifferentLicenses"), parameters.flag("allowDifferentLicense")
        ),
        from_platform=bool(parameters.flag("fromPlatform")),
        supports_generation=bool(parameters.flag("supportsGeneration")),
        early_access=bool(parameters.flag("earlyAccess")),
        favourites=bool(parameters.flag("favorites")),
        hidden=bool(parameters.flag("hidden")),
        min_stars=parameters.decimal("rating"),
        period=parameters.choice("period", Period) or Period.ALL_TIME,
        mask=_mask(parameters, actor),
        query=search.parse(query) if query else None,
    )


def _either(first: E | None, second: E | None) -> E | None:
    return second if first is None else first


def _place(parameters: Parameters, limit: int) -> tuple[int, int]:
    """(page, offset) of the old way of paging, which ends early: cursors go on for ever."""
    page = parameters.number("page", None, 1, 10**9)
    if page is None:
        return 1, 0
    if parameters.text("query") is not None:
        raise Invalid(
            "`page` cannot be used together with `query`; use `cursor` and metadata.nextCursor.",
            code="page_with_query",
        )
    if page * limit > MAX_OFFSET:
        raise Limited(
            f"Pages end at entry {MAX_OFFSET}; use cursors (metadata.nextCursor) to go deeper.",
            retry_after=60,
            code="page_too_deep",
        )
    return page, (page - 1) * limit


async def list_models(request: Request) -> Response:
    """`GET /api/v1/models`."""
    actor = await _viewer(request)
    parameters = Parameters(request.query_params)
    limit = parameters.number("limit", DEFAULT_LIMIT, 0, MAX_LIMIT) or 0
    page, offset = _place(parameters, limit)
    sort = parameters.choice("sort", Sort, hidden=(Sort.RELEVANCE,))
    found = await reading.models(
        state_of(request).reads,
        actor,
        filters_of(parameters, actor),
        sort=sort,
        limit=limit,
        cursor=parameters.text("cursor", 600),
        offset=offset,
    )
    items = _items(request, found, only_primary=bool(parameters.flag("primaryFileOnly")))
    following = found.next_cursor
    metadata = {
        "nextCursor": following,
        "nextPage": with_query(request, cursor=following, page=None) if following else None,
        "currentPage": page,
        "pageSize": limit,
        **known_totals(before=offset, shown=found.count, page=page, more=following is not None),
    }
    return _answer(request, actor, b'{"items":[' + items + b'],"metadata":' + orjson.dumps(metadata) + b"}")


def _items(request: Request, found: Documents, *, only_primary: bool) -> bytes:
    if not only_primary:
        return found.json(base_url(request))
    models = found.objects(base_url(request))
    for model in models:
        for version in model["modelVersions"]:
            version["files"] = [file for file in version["files"] if file["primary"]]
    return orjson.dumps(models)[1:-1]


async def get_model(request: Request) -> Response:
    """`GET /api/v1/models/{id}`; owners and staff also get what is not published."""
    actor = await _viewer(request)
    number = path_id(request)
    try:
        found = await reading.model(
            state_of(request).reads, number, mask=_mask(Parameters(request.query_params), actor)
        )
    except NotFound:
        own = await _own_model(request, actor, number)
        if own is None:
            raise
        return _answer(request, actor, own)
    return _answer(request, actor, found.json(base_url(request)))


async def _own_model(request: Request, actor: Actor, number: int) -> str | None:
    if not actor.signed_in:
        return None
    async with state_of(request).database.reading() as session:
        return await rebuilding.owner_document(session, actor, number, base=base_url(request))


async def get_version(request: Request) -> Response:
    """`GET /api/v1/model-versions/{id}`."""
    actor = await _viewer(request)
    mask = _mask(Parameters(request.query_params), actor)
    found = await reading.version(state_of(request).reads, path_id(request), mask=mask)
    return _answer(request, actor, found.json(base_url(request)))


async def get_mini(request: Request) -> Response:
    """`GET /api/v1/model-versions/mini/{id}`."""
    actor = await _viewer(request)
    found = await reading.mini(state_of(request).reads, path_id(request), base=base_url(request))
    return _answer(request, actor, orjson.dumps(found))


async def get_by_hash(request: Request) -> Response:
    """`GET /api/v1/model-versions/by-hash/{hash}`."""
    actor = await _viewer(request)
    mask = _mask(Parameters(request.query_params), actor)
    found = await reading.version_by_hash(state_of(request).reads, request.path_params["hash"], mask=mask)
    return _answer(request, actor, found.json(base_url(request)))


async def post_by_hash(request: Request) -> Response:
    """`POST /api/v1/model-versions/by-hash`: up to 100 hashes."""
    actor = await _viewer(request)
    hashes = await _hashes(request, MAX_BATCH)
    mask = _mask(Parameters(request.query_params), actor)
    found = await reading.versions_by_hashes(state_of(request).reads, hashes, mask=mask)
    body = b"[" + found.json(base_url(request)) + b"]"
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store", "Vary": _VARY})


async def post_ids_by_hash(request: Request) -> Response:
    """`POST /api/v1/model-versions/by-hash/ids`: up to 10,000 hashes."""
    await _viewer(request)
    hashes = await _hashes(request, reading.MAX_HASHES)
    found = await reading.ids_by_hashes(state_of(request).reads, hashes)
    return Response(
        found, media_type="application/json", headers={"Cache-Control": "no-store", "Vary": _VARY}
    )


async def get_tensor_metadata(request: Request) -> Response:
    """`GET /api/v1/model-files/{id}/tensor-metadata`."""
    actor = await _viewer(request)
    found = await reading.tensor_metadata(state_of(request).reads, path_id(request))
    return _answer(request, actor, orjson.dumps(found))


async def get_suggestions(request: Request) -> Response:
    """`GET /api/v1/suggest`: models, creators and tags that begin like `query`."""
    actor = await _viewer(request)
    parameters = Parameters(request.query_params)
    found = await reading.suggest(
        state_of(request).reads,
        actor,
        parameters.text("query", search.MAX_QUERY) or "",
        mask=_mask(parameters, actor),
        limit=parameters.number("limit", 5, 1, 20) or 5,
    )
    return _answer(request, actor, orjson.dumps({"items": found}))


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
    if not isinstance(found, list) or any(type(value) is not str for value in found):
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
