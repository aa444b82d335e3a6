"""Static files under `/static/`: held in memory, named by content, cached for ever.

`/static/<tree>/css/base.css` carries a digest of the whole folder, so that relative imports between ES modules
and stylesheets stay inside the same version without a build step. `/static/vendor/<name>-<version>/...` is
immutable by its own name. Any other address still works, but is revalidated each time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

STATIC_ROOT = Path(__file__).parent / "static"
PREFIX = "/static/"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    "": "text/plain; charset=utf-8",
}
_FOREVER = "public, max-age=31536000, immutable"
_REVALIDATE = "no-cache"


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file: its bytes, its media type and its strong validator."""

    body: bytes
    media_type: str
    etag: str


class Assets:
    """Every file below `root`, read once. Raises ValueError for a file whose type we do not serve."""

    def __init__(self, root: Path) -> None:
        self._files: dict[str, Asset] = {}
        tree = hashlib.sha256()
        for path in sorted(item for item in root.rglob("*") if item.is_file()):
            name = path.relative_to(root).as_posix()
            if any(part.startswith(".") for part in name.split("/")):
                continue
            if path.suffix not in _TYPES:
                raise ValueError(f"static/{name}: no media type is known for {path.suffix}")
            body = path.read_bytes()
            digest = hashlib.sha256(body).hexdigest()
            tree.update(f"{name}\0{digest}\0".encode())
            self._files[name] = Asset(body, _TYPES[path.suffix], f'"{digest[:32]}"')
        self.version = tree.hexdigest()[:12]

    def url(self, name: str) -> str:
        """The address of `name` that may be cached for ever. Raises LookupError when there is no such file."""
        if name not in self._files:
            raise LookupError(f"there is no static file {name}")
        if name.startswith("vendor/"):
            return f"{PREFIX}{name}"
        return f"{PREFIX}{self.version}/{name}"

    def find(self, path: str) -> tuple[Asset, str] | None:
        """The file behind a path below `/static/` and its Cache-Control, or None."""
        head, _, rest = path.partition("/")
        if head == self.version and rest in self._files:
            return self._files[rest], _FOREVER
        if path in self._files:
            return self._files[path], _FOREVER if head == "vendor" and rest.count("/") else _REVALIDATE
        # A page rendered by the previous release may still ask; it gets today's file, but must not keep it.
        if rest in self._files:
            return self._files[rest], _REVALIDATE
        return None

    async def serve(self, request: Request) -> Response:
        """Answer GET and HEAD below `/static/` with validators (RFC 9110) and `nosniff`."""
        found = self.find(request.path_params["path"])
        if found is None:
            return PlainTextResponse("There is no such file.", status_code=404)
        return _answer(request, *found)

    def alias(self, name: str, cache_control: str = "public, max-age=86400") -> Route:
        """A route at the site's root for a file that browsers expect there, such as `/favicon.ico`."""

        async def at_root(request: Request) -> Response:
            return _answer(request, self._files[name], cache_control)

        return Route(f"/{name.rsplit('/', 1)[-1]}", at_root, methods=["GET", "HEAD"])


def _answer(request: Request, asset: Asset, cache_control: str) -> Response:
    headers = {
        "Cache-Control": cache_control,
        "ETag": asset.etag,
        "X-Content-Type-Options": "nosniff",
    }
    given = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if asset.etag in given or "*" in given:
        return Response(status_code=304, headers=headers)
    return Response(asset.body, headers=headers, media_type=asset.media_type)


@cache
def assets() -> Assets:
    """The product's own static files, read once in a process."""
    return Assets(STATIC_ROOT)


def static_routes() -> list[BaseRoute]:
    """The routes an application adds to serve static files and the icons expected at the site's root."""
    own = assets()
    return [
        Route(f"{PREFIX}{{path:path}}", own.serve, methods=["GET", "HEAD"], name="static"),
        own.alias("brand/apple-touch-icon.png"),
        own.alias("brand/favicon.svg"),
        own.alias("brand/icon-192.png"),
        # Its address is its scope: only from the root does it serve the whole site.
        own.alias("sw.js", _REVALIDATE),
    ]
