"""Pictures by key: `/img/{key}/{transform}/{name}.jpeg`, answered with the nearest variant that exists.

The key is an unguessable UUID. Clients rewrite `/width=N/` to any N (WIRE rule 16); the file's extension chooses
the format, `anim=true` with `.webp` asks for a copy that moves, and `original=true` gives the uploaded file, recipe
included but not where or with which camera it was taken, unless its owner hides it.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from civitas.domains.gallery import queries
from civitas.domains.gallery.processing import MOVING
from civitas.faces.http import portraits
from civitas.faces.http.errors import body_of, headers_of
from civitas.faces.http.state import state_of
from civitas.faces.http.storage_routes import send_object
from civitas.infra.imaging.transforms import Transform, best_width, parse_transform
from civitas.kit.errors import Fault, NotFound

_FORMATS = {"avif": "avif", "webp": "webp", "jpeg": "jpeg", "jpg": "jpeg", "mp4": "mp4"}
_MIME = {"avif": "image/avif", "webp": "image/webp", "jpeg": "image/jpeg", "mp4": "video/mp4"}
IMMUTABLE = "public, max-age=31536000, immutable"
# An original can be withdrawn by its owner, so no cache keeps it for long.
FOR_NOW = "public, max-age=600"


async def picture(request: Request) -> Response:
    """One picture; 404 in JSON when it was removed, blocked or never was."""
    try:
        key = request.path_params["key"]
        found = portraits.deliverable(key) or await queries.by_key(state_of(request).reads, key)
        if found is None:
            raise NotFound("This picture was not found.", code="image_not_found")
        return await _answer(request, found)
    except Fault as fault:
        return JSONResponse(body_of(fault), fault.status, headers_of(fault))


async def _answer(request: Request, image: queries.Deliverable) -> Response:
    store = state_of(request).store
    wish = parse_transform(request.path_params.get("transform") or "")
    extension = _FORMATS.get(request.path_params["name"].rpartition(".")[2].lower(), "jpeg")
    # What was recorded beside a film or a sound is in no copy that is given on, so hiding a recipe withholds pictures only.
    withheld = image.hide_meta and image.content_type.startswith("image/")
    if wish.original and image.original_key and not withheld:
        key, mime, cached = image.original_key, image.content_type, FOR_NOW
    else:
        kind = _moving(image, wish, extension) or extension
        widths: dict[int, Any] = {v["width"]: v for v in image.variants if v["format"] == kind}
        if not widths:
            raise NotFound("This picture has no such format.", code="image_not_found")
        wanted = None if wish.original else wish.width
        width = best_width(wanted, image.width, sorted(widths))
        key = f"media/{image.key}/{width if width in widths else max(widths)}.{kind}"
        mime, cached = _MIME[extension], IMMUTABLE
    info = await store.head(key)
    if info is None:
        raise NotFound("This picture was not found.", code="image_not_found")
    return send_object(request, store, info, {"content-type": mime, "cache-control": cached})


def _moving(image: queries.Deliverable, wish: Transform, extension: str) -> str | None:
    """The copies that move, where they are asked for and there are any."""
    if not wish.anim or extension != "webp":
        return None
    return MOVING if any(v["format"] == MOVING for v in image.variants) else None


routes = [
    Route("/img/{key}/{transform}/{name}", picture, methods=["GET", "HEAD"], name="picture"),
    Route("/img/{key}/{name}", picture, methods=["GET", "HEAD"]),
]
