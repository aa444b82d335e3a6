"""Who may knock: which host names are answered, that HEAD gets GET's answer without its body, and that pages of
other sites may use the public API.

The API answers every origin, but never with the visitor's cookies (Fetch standard: `*` excludes credentials), so a
foreign page can do no more than anybody with the same key.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import orjson
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OPEN: Final = ("/api/v1", "/api/download/", "/v2/", "/v1/")
_ALLOWED: Final = [
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"Content-Disposition, Content-Length, ETag, Location, Retry-After, X-Ignored-Fields, X-Request-Id",
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
        if scope["method"] == "OPTIONS" and _asks_first(scope):
            await send({"type": "http.response.start", "status": 204, "headers": list(_PREFLIGHT)})
            await send({"type": "http.response.body", "body": b""})
            return

        async def opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message["headers"]
                message["headers"] = type(given)([*given, *_ALLOWED])
            await send(message)

        await self.app(scope, receive, opened)


def _asks_first(scope: Scope) -> bool:
    names = {name for name, _ in scope["headers"]}
    return {b"origin", b"access-control-request-method"} <= names


class BodilessHead:
    """Takes the body off answers to HEAD (RFC 9110 9.3.2); routes then need not know which of the two was asked."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def bodiless(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app(scope, receive, bodiless)


def answer_head(router: APIRouter) -> None:
    """Let every GET route of a router answer HEAD too; `BodilessHead` sends what it answers without the body."""
    for route in router.routes:
        if isinstance(route, APIRoute) and route.methods and "GET" in route.methods:
            route.methods.add("HEAD")


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
