"""The site as an app on a device: its manifest, what other apps share with it, and the page without a connection."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from civitas.faces.http.links import is_safe_site
from civitas.faces.http.state import state_of
from civitas.faces.web.assets import assets
from civitas.faces.web.shell import Site
from civitas.faces.web.templating import render

router = APIRouter(include_in_schema=False)

SHARE: Final = "/share"
_HOUR: Final = {"Cache-Control": "public, max-age=3600", "Vary": "Host"}
_PAPER: Final = "#f8f7f4"
_MEDIA: Final = [
    "image/png", "image/jpeg", "image/webp", "image/avif", "image/heic", "image/heif", "image/gif", "video/mp4",
    "video/webm", "video/quicktime", "audio/mpeg", "audio/wav", "audio/flac", "audio/ogg", "audio/mp4",
]  # fmt: skip


@router.get("/site.webmanifest")
async def manifest(request: Request) -> Response:
    """What a device needs to install the site (W3C Web Application Manifest) and to share media with it."""
    name = state_of(request).settings.site.name
    shown = f"{name} (safe)" if is_safe_site(request) else name
    return JSONResponse(_manifest(shown), media_type="application/manifest+json", headers=_HOUR)


@router.post(SHARE)
async def share(request: Request) -> Response:
    """Where the service worker is not there yet to take what is shared: on to where one chooses it. Nothing is read."""
    return RedirectResponse("/posts/create", status_code=303)


@router.get("/offline")
async def offline(request: Request) -> Response:
    """What the service worker shows without a connection; the same for everybody."""
    return render(
        request, "errors/offline.html", {"name": state_of(request).settings.site.name}, headers=_HOUR
    )


def _manifest(name: str) -> dict[str, Any]:
    own = assets()
    square = [
        {
            "src": own.url(f"brand/icon-{size}.png"),
            "sizes": f"{size}x{size}",
            "type": "image/png",
            "purpose": "any maskable",
        }
        for size in (192, 512)
    ]
    places = (("Create", "/create"), ("Post pictures", "/posts/create"), ("Notifications", "/notifications"))
    return {
        "name": name,
        "short_name": name[:12],
        "description": Site().tagline,
        "id": "/",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": _PAPER,
        "theme_color": _PAPER,
        "icons": [
            {"src": own.url("brand/favicon.svg"), "sizes": "any", "type": "image/svg+xml"},
            *square,
        ],
        "shortcuts": [{"name": label, "url": href} for label, href in places],
        "share_target": {
            "action": SHARE,
            "method": "POST",
            "enctype": "multipart/form-data",
            "params": {
                "title": "title",
                "text": "text",
                "url": "url",
                "files": [{"name": "media", "accept": _MEDIA}],
            },
        },
    }
