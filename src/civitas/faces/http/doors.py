"""Who may knock: which host names are answered, and that pages of other sites may use the public API.

The API answers every origin, but never with the visitor's cookies (Fetch standard: `*` excludes credentials), so a
foreign page can do no more than anybody with the same key.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OPEN: Final = ("/api/v1", "/api/download/")
_ALLOWED: Final = [
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"Content-Disposition, Content-Length, ETag, Location, Retry-After, X-Request-Id",
    ),
]
_PREFLIGHT: Final = [
    *_ALLOWED,
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, If-None-Match, Range"),
    (b"access-control-max-age", b"86400"),
]


class OpenApiDoor:
    """CORS for the public API."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_OPEN):
            await self.app(scope, receive, send)
            return
        names = {name for name, _ in scope["headers"]}
        if scope["method"] == "OPTIONS" and {b"origin", b"access-control-request-method"} <= names:
            await send({"type": "http.response.start", "status": 204, "headers": list(_PREFLIGHT)})
            await send({"type": "http.response.body", "body": b""})
            return

        async def opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_ALLOWED]
            await send(message)

        await self.app(scope, receive, opened)


class KnownHosts:
    """Refuses requests for host names that are not ours, so that no link is made with a foreign one."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self.app = app
        self._exact = {host.lower() for host in hosts if not host.startswith("*.")}
        self._endings = tuple(host[1:].lower() for host in hosts if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"} or self._known(scope):
            await self.app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        told = "This site does not answer under this host name."
        body = orjson.dumps({"error": told, "message": told, "code": "unknown_host"})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 400, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _known(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"host"]
        if len(given) != 1:
            return False
        name = given[0].decode("latin-1").lower()
        name = name.partition("]")[0] + "]" if name.startswith("[") else name.partition(":")[0]
        return name in self._exact or (bool(self._endings) and name.endswith(self._endings))
