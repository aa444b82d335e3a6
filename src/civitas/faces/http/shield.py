"""Pure ASGI layers around the whole app: request ids, headers, body limits, time limits, figures."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import orjson
import structlog
from opentelemetry.trace import SpanKind
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from civitas.faces.http import problems
from civitas.infra.telemetry import metrics, traces
from civitas.kit.errors import TooLarge
from civitas.kit.ids import new_uuid

_REQUEST_ID = re.compile(rb"^[A-Za-z0-9._-]{8,64}$")
_BLOBS = ("/v2/consumer/blobs", "/v2/consumer/streaming-blobs/")
_TRANSFERS = ("/storage/", "/media/", "/img/", "/api/live", "/api/v1/me/export", "/v2/agents/", *_BLOBS)
# Those may be asked to wait for a workflow's end, or for work.
_PATIENT = ("/v2/", "/v1/")
LONGEST_WAIT_S = 100
# Routes that bound their bodies themselves, each in its own way, before they read them.
_OWN_BOUNDS = ("/v2/agents/", *_BLOBS)


def content_security_policy(storage_origins: Iterable[str] = ()) -> str:
    """Only our own scripts and styles, none inline; pictures and transfers also from the storage."""
    extra = " ".join(sorted({f"{u.scheme}://{u.netloc}" for u in map(urlsplit, storage_origins) if u.netloc}))
    directives = {
        "default-src": "'self'",
        "img-src": f"'self' data: blob: {extra}",
        "media-src": f"'self' blob: {extra}",
        "connect-src": f"'self' {extra}",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value.strip()}" for name, value in directives.items())


class Shield:
    """The outermost layer. Sets what every response needs and refuses what no handler should see."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        policy: str,
        max_body: int,
        max_part: int,
        timeout_s: float,
        secure: bool,
    ) -> None:
        self.app = app
        self.max_body = max_body
        self.max_part = max_part
        self.timeout_s = timeout_s
        self._headers: list[tuple[bytes, bytes]] = [
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"strict-origin-when-cross-origin"),
            (b"x-frame-options", b"DENY"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), interest-cohort=()"),
            (b"content-security-policy", policy.encode()),
        ]
        if secure:
            self._headers.append((b"strict-transport-security", b"max-age=31536000"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif traces.enabled():
            await self._traced(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _traced(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        named = {"http.request.method": scope["method"], "url.path": scope["path"]}
        with traces.span(scope["method"], kind=SpanKind.SERVER, headers=headers, **named) as span:
            await self._answer(scope, receive, send)
            if span is not None:
                route = getattr(scope.get("route"), "path", "other")
                span.update_name(f"{scope['method']} {route}")
                span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", scope["state"].get("status", 0))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = next((v for k, v in scope["headers"] if k == b"x-request-id"), b"")
        request_id = given if _REQUEST_ID.match(given) else new_uuid().hex.encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request=request_id.decode())
        path: str = scope["path"]
        transfer = path.startswith(_TRANSFERS)
        limit = self.max_part if path.startswith("/storage/") else self.max_body
        patience = self.timeout_s + (LONGEST_WAIT_S if path.startswith(_PATIENT) else 0)
        answered = _Answer(send, [*self._headers, (b"x-request-id", request_id)], scope["state"])
        if _declared_length(scope) > limit and not path.startswith(_OWN_BOUNDS):
            told = f"The body is larger than {limit // 2**20} MiB."
            await _refuse(answered, path, 413, "too_large", told)
            return
        began = time.perf_counter()
        metrics.IN_FLIGHT.inc()
        try:
            if transfer:
                await self.app(scope, receive, answered)
            else:
                async with asyncio.timeout(patience):
                    await self.app(scope, _limited(receive, limit), answered)
        except TimeoutError:
            if answered.started:
                raise
            told = "This took too long and was stopped; try again."
            await _refuse(answered, path, 503, "too_slow", told)
        finally:
            scope["state"]["status"] = answered.status
            metrics.IN_FLIGHT.dec()
            route = getattr(scope.get("route"), "path", "other")
            metrics.answered(scope["method"][:10], route, answered.status, time.perf_counter() - began)


class Ready(list[tuple[bytes, bytes]]):
    """Headers of a response, in lower case, none of which the shield sets."""


class _Answer:
    """Adds the headers that a response does not set itself, and remembers whether it began."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]], state: dict[str, Any]) -> None:
        self._send = send
        self._headers = headers
        self._state = state
        self.started = False
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            given = message["headers"]
            if type(given) is Ready:
                # None of ours is among them, which was seen to when they were made.
                message["headers"] = [*given, *self._headers]
            else:
                present = {key.lower() for key, _ in given}
                message["headers"] = [*given, *(h for h in self._headers if h[0] not in present)]
            if "cookies" in self._state or "spent_cookies" in self._state:
                message["headers"] += self._cookies()
        await self._send(message)

    def _cookies(self) -> list[tuple[bytes, bytes]]:
        """Cookies that a page wanted to give or has used up, whatever response it made."""
        given = list(self._state.get("cookies", ()))
        given += [
            f"{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
            for name in self._state.get("spent_cookies", ())
        ]
        return [(b"set-cookie", cookie.encode()) for cookie in given]


def _declared_length(scope: Scope) -> int:
    for key, value in scope["headers"]:
        if key == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


def _limited(receive: Receive, limit: int) -> Receive:
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        if message["type"] == "http.request":
            taken += len(message.get("body", b""))
            if taken > limit:
                raise TooLarge(f"The body is larger than {limit // 2**20} MiB.", code="too_large")
        return message

    return counted


async def _refuse(send: Send, path: str, status: int, code: str, sentence: str) -> None:
    if problems.wanted(path):
        body, kind = orjson.dumps(problems.told(status, sentence, code, path=path)), problems.MEDIA_TYPE
    else:
        body, kind = orjson.dumps({"error": sentence, "message": sentence, "code": code}), "application/json"
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
