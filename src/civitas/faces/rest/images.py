"""`GET /images`: pictures of versions, with the parameters and fields of existing clients (FEATURES R5)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request

from civitas.domains.accounts.types import PG, PG13, R
from civitas.domains.gallery import listing
from civitas.domains.gallery.listing import ImageFilter, ImagePeriod, ImageSort, ListedImage
from civitas.faces.http.actors import Viewer
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url, with_query
from civitas.faces.http.units import Reading
from civitas.faces.rest.pages import known_totals
from civitas.faces.rest.parameters import Parameters
from civitas.kit import clock
from civitas.kit.errors import Invalid, Limited

router = APIRouter(tags=["Images"])

DEFAULT_LIMIT = 100
MAX_COUNTED = 1000
_KINDS = ("image", "video", "audio")

_TEXT = {"type": "string", "maxLength": 300}
_NUMBER = {"type": "integer", "minimum": 0}
PARAMETERS: list[dict[str, Any]] = [
    {"name": name, "in": "query", "required": False, "schema": schema, "description": told}
    for name, schema, told in (
        ("limit", {"type": "integer", "minimum": 0, "maximum": 200, "default": 100}, "Entries a page."),
        ("cursor", _TEXT, "Where the last page ended: its metadata.nextCursor."),
        ("page", {"type": "integer", "minimum": 1}, "Page by number; only the first thousand entries."),
        ("imageId", _NUMBER, "One picture."),
        ("postId", _NUMBER, "Pictures of a post."),
        ("modelId", _NUMBER, "Pictures of all versions of a model."),
        ("modelVersionId", _NUMBER, "Pictures of a version."),
        ("username", _TEXT, "Pictures by a person."),
        ("userId", _NUMBER, "Pictures by a person's number."),
        (
            "sort",
            {"type": "string", "enum": [str(sort) for sort in ImageSort]},
            "The order; newest when left out.",
        ),
        ("period", {"type": "string", "enum": [str(period) for period in ImagePeriod]}, "How far back."),
        (
            "nsfw",
            {"type": "string"},
            "None, Soft, Mature, X or a boolean; never more than your settings allow.",
        ),
        ("browsingLevel", {"type": "integer", "minimum": 0, "maximum": 63}, "Bits of the levels to show."),
        ("type", {"type": "string", "enum": list(_KINDS)}, "Kind of medium."),
        ("baseModels", {"type": "array", "items": _TEXT}, "Pictures of versions for these base models."),
        ("withMeta", {"type": "boolean"}, "Only pictures that tell their recipe."),
    )
]


@router.get(
    "/images", operation_id="listImages", summary="List Images", openapi_extra={"parameters": PARAMETERS}
)
async def list_images(request: Request, actor: Viewer, session: Reading) -> dict[str, Any]:
    """Pictures of public versions, one's own included; mature ones only for those who asked for them."""
    await take(request, "read")
    given = Parameters(request.query_params)
    limit = given.number("limit", DEFAULT_LIMIT, 0, listing.MAX_PAGE) or 0
    page = given.number("page", None, 1, 1_000_000)
    cursor = given.text("cursor", 600)
    if page is not None and page * max(limit, 1) > MAX_COUNTED and not cursor:
        raise Limited("Pages reach only the first thousand entries; use cursors to go on.", retry_after=60)
    offset = (page - 1) * limit if page else 0
    wanted = _filter(given, actor.mask)
    found = await listing.page(
        session, actor, wanted=wanted, cursor=cursor, limit=max(limit, 1), offset=offset
    )
    base = base_url(request)
    metadata: dict[str, Any] = {
        "nextCursor": found.next_cursor,
        "nextPage": with_query(request, cursor=found.next_cursor, page=None) if found.next_cursor else None,
        "currentPage": page or 1,
        "pageSize": limit,
        **known_totals(
            before=offset,
            shown=len(found.items[:limit]),
            page=page or 1,
            more=found.next_cursor is not None,
        ),
    }
    return {"items": [told(image, base) for image in found.items[:limit]], "metadata": metadata}


def _filter(given: Parameters, allowed: int) -> ImageFilter:
    kinds = given.texts("type", "types")
    if unknown := [kind for kind in kinds if kind not in _KINDS]:
        raise Invalid(f"type: {unknown[0][:40]} is none of {', '.join(_KINDS)}.", code="validation_failed")
    asked = given.mask()
    return ImageFilter(
        mask=allowed if asked is None else asked & allowed,
        image_id=given.number("imageId", None, 0, 2**62),
        post_id=given.number("postId", None, 0, 2**62),
        model_id=given.number("modelId", None, 0, 2**62),
        version_id=given.number("modelVersionId", None, 0, 2**62),
        username=given.text("username"),
        person_id=given.number("userId", None, -1, 2**62),
        period=given.choice("period", ImagePeriod) or ImagePeriod.ALL_TIME,
        sort=given.choice("sort", ImageSort) or ImageSort.NEWEST,
        kinds=kinds,
        base_models=given.texts("baseModels"),
        with_meta=bool(given.flag("withMeta")),
    )


def level_name(level: int) -> str:
    """The level in the words of this endpoint: None, Soft, Mature, X (FEATURES N2)."""
    highest = 1 << (level.bit_length() - 1) if level else PG
    return {PG: "None", PG13: "Soft", R: "Mature"}.get(highest, "X")


def told(image: ListedImage, base: str) -> dict[str, Any]:
    """A picture with the fields of this endpoint, where `nsfw` is a boolean and `nsfwLevel` a word (WIRE rule 13)."""
    stem = quote(str(image.id))
    stats = ("cryCount", "laughCount", "likeCount", "dislikeCount", "heartCount", "commentCount")
    return {
        "id": image.id,
        "url": f"{base}/img/{image.key}/width={min(image.width, 1280)}/{stem}.jpeg",
        "hash": image.blurhash,
        "width": image.width,
        "height": image.height,
        "type": image.kind,
        "nsfw": bool(image.nsfw_level & ~(PG | PG13)),
        "nsfwLevel": level_name(image.nsfw_level),
        "browsingLevel": image.nsfw_level,
        "createdAt": clock.rfc3339(image.created_at),
        "postId": image.post_id,
        "stats": dict.fromkeys(stats, 0),
        "meta": image.meta,
        "username": image.username,
        "baseModel": image.base_model,
        "modelVersionIds": [image.version_id] if image.version_id is not None else [],
    }
