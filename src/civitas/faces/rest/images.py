"""`GET /images`: the feed of pictures with the parameters and fields of existing clients (FEATURES R5), and ours.

In the fast lane: which pictures is one statement or two, what they say another, joined text.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from civitas.domains.accounts.types import Actor
from civitas.domains.gallery.feeds import pages
from civitas.domains.gallery.feeds.types import FeedFilter, ImagePeriod, ImageSort
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.rest.fast import answer, viewer
from civitas.faces.rest.pages import known_totals
from civitas.faces.rest.parameters import Parameters, wrong
from civitas.kit import paging
from civitas.kit.errors import Limited
from civitas.kit.text import fold

DEFAULT_LIMIT: Final = 100
MAX_COUNTED: Final = 1000
_KINDS: Final = ("image", "video", "audio")
_MAX_ID: Final = 2**62


async def list_images(request: Request) -> Response:
    """`GET /api/v1/images`."""
    actor = await viewer(request)
    query = request.scope["query_string"].decode("latin-1")
    given = Parameters(QueryParams(query))
    limit = given.number("limit", DEFAULT_LIMIT, 0, pages.MAX_PAGE) or 0
    page = given.number("page", None, 1, 1_000_000)
    cursor = given.text("cursor", paging.MAX_CURSOR)
    if page is not None and page * max(limit, 1) > MAX_COUNTED and not cursor:
        raise Limited("Pages reach only the first thousand entries; use cursors to go on.", retry_after=60)
    offset = (page - 1) * limit if page and not cursor else 0
    wanted = understood(given, actor)
    reads = state_of(request).reads
    found = await pages.page(reads, actor, wanted, limit=limit, cursor=cursor, offset=offset)
    ids = found.ids
    if not ids and (wanted.image_id is not None or wanted.post_id is not None) and limit:
        ids = (await pages.own(reads, actor, image_id=wanted.image_id, post_id=wanted.post_id))[:limit]
    base = base_url(request)
    link = urlencode([(k, v) for k, v in parse_qsl(query) if k not in {"cursor", "page", "token"}])
    following = found.next_cursor
    metadata: dict[str, Any] = {
        "nextCursor": following,
        "nextPage": f"{base}{request.scope['path']}?{link}{'&' if link else ''}cursor={following}"
        if following
        else None,
        "currentPage": page or 1,
        "pageSize": limit,
        **known_totals(before=offset, shown=len(ids), page=page or 1, more=following is not None),
    }
    items = await pages.documents(reads, ids, base=base)
    body = b"".join((b'{"items":[', items, b'],"metadata":', orjson.dumps(metadata), b"}"))
    return answer(request, actor, body)


def understood(given: Parameters, actor: Actor) -> FeedFilter:
    """The filters that a query asks for. Raises Invalid for what cannot be meant."""
    kinds = given.texts("type", "types")
    for kind in kinds:
        if kind not in _KINDS:
            raise wrong(
                "type",
                f"Invalid enum value. Expected {' | '.join(_KINDS)}",
                code="invalid_enum_value",
                received=kind[:80],
            )
    asked = given.mask()
    number = given.number("userId", None, -1, _MAX_ID)
    username = given.text("username")
    version = given.number("modelVersionId", None, 0, _MAX_ID)
    model = given.number("modelId", None, 0, _MAX_ID)
    wanted = FeedFilter(
        mask=actor.mask if asked is None else asked & actor.mask,
        kinds=kinds,
        base_models=given.texts("baseModels", "baseModel"),
        version_ids=(version,) if version is not None else (),
        model_ids=(model,) if model is not None else (),
        tags=tuple(map(fold, given.texts("tag"))),
        without_tags=tuple(map(fold, given.texts("withoutTags", "excludedTags", "withoutTag"))),
        tools=(*given.texts("tools"), *given.texts("techniques")),
        usernames=(username,) if username else (),
        person_ids=(number,) if number is not None else (),
        post_id=given.number("postId", None, 0, _MAX_ID),
        image_id=given.number("imageId", None, 0, _MAX_ID),
        with_meta=bool(given.flag("withMeta")),
        made_here=bool(given.flag("fromPlatform")),
        remixes=given.flag("remixes"),
        followed=bool(given.flag("followed")),
        unseen=bool(given.flag("unseen")),
        period=given.choice("period", ImagePeriod) or ImagePeriod.ALL_TIME,
        sort=given.choice("sort", ImageSort) or ImageSort.NEWEST,
        seed=given.number("seed", 0, -(2**31), 2**31 - 1) or 0,
    )
    return _with_tags(wanted, given)


def _with_tags(wanted: FeedFilter, given: Parameters) -> FeedFilter:
    """`tags` of existing clients are numbers; ours are names, and one with a minus before it must not be there."""
    named = [fold(name) for name in given.texts("tags") if not name.lstrip("-").isdigit()]
    return replace(
        wanted,
        tags=(*wanted.tags, *(name for name in named if name and not name.startswith("-"))),
        without_tags=(*wanted.without_tags, *(name[1:] for name in named if name[:1] == "-" and name[1:])),
        tag_ids=tuple(int(number) for number in given.texts("tags") if number.isdigit()),
    )


routes = [Route("/api/v1/images", list_images)]

_TEXT: Final = {"type": "string", "maxLength": 300}
_CURSOR: Final = {"type": "string", "maxLength": paging.MAX_CURSOR}
_NUMBER: Final = {"type": "integer", "minimum": 0}
_FLAG: Final = {"type": "boolean"}
_NAMES: Final = {"type": "array", "items": _TEXT}
PARAMETERS: Final[list[dict[str, Any]]] = [
    {"name": name, "in": "query", "required": False, "schema": schema, "description": told}
    for name, schema, told in (
        ("limit", {"type": "integer", "minimum": 0, "maximum": 200, "default": 100}, "Entries a page."),
        ("cursor", _CURSOR, "Where the last page ended: its metadata.nextCursor."),
        ("page", {"type": "integer", "minimum": 1}, "Page by number; only the first thousand entries."),
        ("imageId", _NUMBER, "One picture."),
        ("postId", _NUMBER, "Pictures of a post."),
        ("modelId", _NUMBER, "Pictures made with any version of a model."),
        ("modelVersionId", _NUMBER, "Pictures made with a version."),
        ("username", _TEXT, "Pictures by a person."),
        ("userId", {"type": "integer"}, "Pictures by a person's number."),
        ("sort", {"type": "string", "enum": [str(s) for s in ImageSort]}, "The order; newest when left out."),
        ("period", {"type": "string", "enum": [str(p) for p in ImagePeriod]}, "How far back."),
        (
            "nsfw",
            {"type": "string"},
            "None, Soft, Mature, X or a boolean; never more than your settings allow.",
        ),
        ("browsingLevel", {"type": "integer", "minimum": 0, "maximum": 63}, "Bits of the levels to show."),
        ("type", {"type": "string", "enum": list(_KINDS)}, "Kind of medium."),
        ("baseModels", _NAMES, "Pictures made with versions for any of these base models."),
        ("tags", _NAMES, "Names or numbers of tags that must all be there; one with a minus must not."),
        ("withoutTags", _NAMES, "Names of tags that must not be there."),
        ("tools", _NAMES, "Names of tools that must all have been used."),
        ("techniques", _NAMES, "Names of techniques that must all have been used."),
        ("withMeta", _FLAG, "Only pictures that tell their recipe."),
        ("fromPlatform", _FLAG, "Only pictures made on this site."),
        ("remixes", _FLAG, "Only remixes, or with false only originals."),
        ("followed", _FLAG, "Only pictures by people whom you follow."),
        ("unseen", _FLAG, "Only pictures that you have not seen yet."),
        ("seed", {"type": "integer"}, "Makes a random order repeatable."),
    )
]
_COUNTS: Final = (
    "cryCount",
    "laughCount",
    "likeCount",
    "dislikeCount",
    "heartCount",
    "commentCount",
    "collectedCount",
)
PAGE: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["items", "metadata"],
    "properties": {
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": [
                    "id",
                    "url",
                    "width",
                    "height",
                    "nsfw",
                    "nsfwLevel",
                    "createdAt",
                    "postId",
                    "stats",
                ],
                "properties": {
                    "id": _NUMBER,
                    "url": {"type": "string"},
                    "hash": {"type": ["string", "null"]},
                    "width": _NUMBER,
                    "height": _NUMBER,
                    "type": {"type": "string", "enum": list(_KINDS)},
                    "nsfw": _FLAG,
                    "nsfwLevel": {"type": "string", "enum": ["None", "Soft", "Mature", "X"]},
                    "browsingLevel": _NUMBER,
                    "createdAt": {"type": "string", "format": "date-time"},
                    "postId": _NUMBER,
                    "stats": {"type": "object", "properties": dict.fromkeys(_COUNTS, _NUMBER)},
                    "meta": {"type": ["object", "null"]},
                    "username": {"type": ["string", "null"]},
                    "baseModel": {"type": ["string", "null"]},
                    "modelVersionIds": {"type": "array", "items": _NUMBER},
                },
            },
        },
        "metadata": {
            "type": "object",
            "properties": {
                "nextCursor": {"type": ["string", "null"]},
                "nextPage": {"type": ["string", "null"]},
                "pageSize": _NUMBER,
            },
        },
    },
}
