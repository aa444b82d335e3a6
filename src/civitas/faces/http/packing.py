"""Answers of text go out by gzip to those who accept it (RFC 9110, 8.4).

Only whole bodies of pages and JSON: what streams, transfers and files goes as it is. Secrets in pages differ from one
answer to the next (`csrf.token_for`), so that their lengths tell nothing (the BREACH attack).
"""

from __future__ import annotations

import zlib
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PACKED: Final = (
    b"text/html",
    b"text/plain",
    b"application/json",
    b"application/problem+json",
    b"application/atom+xml",
    b"application/xml",
)
_WORTH_PACKING: Final = 1024
# The first level takes nearly all there is in markup, at the least processor time.
_LEVEL: Final = 1
_GZIP: Final = 31


def accepts_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header names gzip, or everything, with a weight above 0."""
    for item in accepted.lower().split(","):
        coding, _, weight = item.partition(";")
        if coding.strip() in {"gzip", "*"}:
            return weight.strip().removeprefix("q=").strip("0. ") != "" or not weight.strip()
    return False


class Packing:
    """Packs what the app answers where that is worth it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _accepts(scope):
            await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, _Packer(send))


def _accepts(scope: Scope) -> bool:
    return any(k == b"accept-encoding" and accepts_gzip(v.decode("latin-1")) for k, v in scope["headers"])


class _Packer:
    """Holds a response's beginning back until its first bytes show whether they are all."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_text(message):
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None:
            body = message.get("body", b"")
            if message["type"] == "http.response.body" and not message.get("more_body"):
                _vary(start)
                if len(body) >= _WORTH_PACKING:
                    message = {**message, "body": _pack(start, body)}
            await self._send(start)
        await self._send(message)


def _is_text(start: Message) -> bool:
    headers = dict(start["headers"])
    return (
        headers.get(b"content-type", b"").startswith(_PACKED)
        and b"content-encoding" not in headers
        and b"content-range" not in headers
        and b"no-transform" not in headers.get(b"cache-control", b"")
    )


def _vary(start: Message) -> None:
    """Caches on the way keep one answer for those who accept gzip and one for the others."""
    given = start["headers"]
    names = [value for key, value in given if key == b"vary"]
    if any(b"accept-encoding" in value.lower() for value in names):
        return
    merged = b", ".join([*names, b"Accept-Encoding"])
    start["headers"] = type(given)([*((k, v) for k, v in given if k != b"vary"), (b"vary", merged)])


def _pack(start: Message, body: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    packed = packer.compress(body) + packer.flush()
    given = start["headers"]
    kept = [(k, _weak(v) if k == b"etag" else v) for k, v in given if k != b"content-length"]
    start["headers"] = type(given)(
        [*kept, (b"content-length", b"%d" % len(packed)), (b"content-encoding", b"gzip")]
    )
    return packed


def _weak(etag: bytes) -> bytes:
    """Other bytes of the same meaning: a strong validator would be a lie."""
    return etag if etag.startswith(b"W/") else b"W/" + etag
