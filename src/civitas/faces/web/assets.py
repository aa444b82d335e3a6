"""Static files under `/static/`: held in memory, named by content, cached for ever.

`/static/<tree>/css/base.css` carries a digest of the whole folder, so that relative imports between ES modules
and stylesheets stay inside the same version without a build step. `/static/vendor/<name>-<version>/...` is
immutable by its own name. Any other address still works, but is revalidated each time. What every page needs of
stylesheets is one file made of several (`BUNDLES`), its modules are one module (`modules`), and text is held compressed
as well.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from civitas.faces.http.packing import accepts_gzip
from civitas.faces.web import modules

STATIC_ROOT = Path(__file__).parent / "static"
PREFIX = "/static/"
# Stylesheets in the order of the cascade, those of every page and those of the gallery's: one request instead of several.
BUNDLES = {
    "css/site.css": tuple(
        f"css/{name}.css" for name in ("tokens", "base", "layout", "components", "overlays", "pages")
    ),
    "css/feed.css": ("css/browse.css", "css/images.css"),
    "css/viewer.css": tuple(f"css/{name}.css" for name in ("model", "posts", "images", "comments")),
}
# The module whose imports, through others too, every page needs, and the one that is made of them all.
EVERYWHERE = "js/app.js"
SITE = "js/site.js"

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
# Below this a packed body saves no packet.
_WORTH_PACKING = 1024


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file: its bytes, its media type, its strong validator, and its bytes by gzip where that helps."""

    body: bytes
    media_type: str
    etag: str
    packed: bytes | None = None


class Assets:
    """Every file below `root`, read once, and `bundles`: files made of others, one after the other.

    With `everywhere`, a module, `SITE` is it and all that it imports, and modules that import one of those import
    from `SITE`, so that none is there twice. Raises ValueError for a file whose type we do not serve.
    """

    def __init__(
        self, root: Path, bundles: Mapping[str, Sequence[str]] = {}, everywhere: str | None = None
    ) -> None:
        self._files: dict[str, Asset] = {}
        tree = hashlib.sha256()
        for path in sorted(item for item in root.rglob("*") if item.is_file()):
            name = path.relative_to(root).as_posix()
            if any(part.startswith(".") for part in name.split("/")):
                continue
            if path.suffix not in _TYPES:
                raise ValueError(f"static/{name}: no media type is known for {path.suffix}")
            body = path.read_bytes()
            self._files[name] = _asset(body, _TYPES[path.suffix])
            tree.update(f"{name}\0{self._files[name].etag}\0".encode())
        for name, parts in bundles.items():
            body = b"\n".join(self._files[part].body for part in parts)
            self._files[name] = _asset(body, self._files[parts[0]].media_type)
        if everywhere is not None:
            self._join(everywhere)
        self.version = tree.hexdigest()[:12]

    def url(self, name: str) -> str:
        """The address of `name` that may be cached for ever. Raises LookupError when there is no such file."""
        if name not in self._files:
            raise LookupError(f"there is no static file {name}")
        if name.startswith("vendor/"):
            return f"{PREFIX}{name}"
        return f"{PREFIX}{self.version}/{name}"

    def _join(self, everywhere: str) -> None:
        texts = {name: file.body.decode() for name, file in self._files.items() if name.endswith(".js")}
        own = {name: text for name, text in texts.items() if not name.startswith("vendor/")}
        whole, inside = modules.join(own, everywhere)
        self._files[SITE] = _asset(whole.encode(), _TYPES[".js"])
        for name, text in own.items():
            if name not in inside:
                self._files[name] = _asset(
                    modules.redirected(name, text, inside, SITE).encode(), _TYPES[".js"]
                )

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


def _asset(body: bytes, media_type: str) -> Asset:
    textual = not media_type.startswith(("image/", "font/")) or media_type == "image/svg+xml"
    packed = gzip.compress(body, mtime=0) if textual and len(body) >= _WORTH_PACKING else None
    return Asset(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"', packed)


def _answer(request: Request, asset: Asset, cache_control: str) -> Response:
    packed = asset.packed if accepts_gzip(request.headers.get("accept-encoding", "")) else None
    headers = {
        "Cache-Control": cache_control,
        "ETag": asset.etag if packed is None else f'{asset.etag[:-1]}-gzip"',
        "X-Content-Type-Options": "nosniff",
    }
    if asset.packed is not None:
        headers["Vary"] = "Accept-Encoding"
    given = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if headers["ETag"] in given or "*" in given:
        return Response(status_code=304, headers=headers)
    if packed is not None:
        headers["Content-Encoding"] = "gzip"
    return Response(packed or asset.body, headers=headers, media_type=asset.media_type)


@cache
def assets() -> Assets:
    """The product's own static files, read once in a process."""
    return Assets(STATIC_ROOT, BUNDLES, EVERYWHERE)


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
