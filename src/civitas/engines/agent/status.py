"""A page about an agent, for people and programs on its own machine: `/`, `/status.json`, `/readyz`.

It listens on the loopback address only and answers only to names of this machine, so that no page elsewhere on the web
can read it through a visitor's browser.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import socket
from collections.abc import Iterator
from html import escape
from typing import Any, Final

import uvicorn

from civitas.engines.agent.board import Board
from civitas.engines.agent.console import size

HOST: Final = "127.0.0.1"
_NAMES: Final = frozenset({b"127.0.0.1", b"localhost", b"[::1]"})
_HEADERS: Final = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'"),
]
STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .75rem .25rem 0;vertical-align:top}"
    "th{font-weight:600}tr{border-bottom:1px solid color-mix(in srgb,currentColor 15%,transparent)}"
    "h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}progress{width:8rem}"
)


class _Quiet(uvicorn.Server):
    """Leaves the signals to the agent."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(board: Board, listener: socket.socket) -> None:
    """Answer on a listening socket until cancelled."""
    config = uvicorn.Config(
        app_of(board), log_config=None, access_log=False, lifespan="off", server_header=False, ws="none"
    )
    server = _Quiet(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    finally:
        # Cut off in the middle it would leave the socket with the event loop.
        server.should_exit = True
        await serving


def app_of(board: Board) -> Any:
    """The ASGI app."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        status, kind, body = _answer(board, scope["path"], scope["method"], dict(scope["headers"]))
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *_headers()]
        await send({"type": "http.response.start", "status": status, "headers": headers, "trailers": False})
        sent = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": sent, "more_body": False})

    return app


def _headers() -> list[tuple[bytes, bytes]]:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest())
    return [(name, value.replace(b"{hash}", digest)) for name, value in _HEADERS]


def _answer(board: Board, path: str, method: str, headers: dict[bytes, bytes]) -> tuple[int, bytes, bytes]:
    host = headers.get(b"host", b"").lower()
    name = host if host.endswith(b"]") else host.rpartition(b":")[0] or host
    if name not in _NAMES:
        return 421, b"text/plain", b"This page answers to this machine only.\n"
    if method not in {"GET", "HEAD"}:
        return 405, b"text/plain", b"Only looking is possible here.\n"
    if path == "/":
        return 200, b"text/html; charset=utf-8", page(board).encode()
    if path == "/status.json":
        return 200, b"application/json", json.dumps(board.snapshot()).encode()
    if path == "/readyz":
        ready = board.connected
        return (200, b"text/plain", b"ready\n") if ready else (503, b"text/plain", b"not connected\n")
    return 404, b"text/plain", b"There are /, /status.json and /readyz.\n"


def page(board: Board) -> str:
    """The board as HTML that loads itself anew."""
    told = board.snapshot()
    facts = {
        "State": told["state"] + (f": {told['trouble']}" if told["trouble"] else ""),
        "Site": told["server"],
        "Slots": f"{told['slots'] - told['free']} of {told['slots']} in use",
        "Jobs": ", ".join(f"{count} {what}" for what, count in told["outcomes"].items()) or "none yet",
        "Throughput": f"{told['perMinute']} jobs a minute",
        "Bytes": f"{size(told['downloadedBytes'])} in, {size(told['uploadedBytes'])} out, "
        f"{size(told['cacheBytes'])} kept",
        "Offers": ", ".join(told["capabilities"]),
    }
    rows = "".join(f"<tr><th scope=row>{escape(key)}<td>{escape(value)}" for key, value in facts.items())
    jobs = "".join(
        f"<tr><td>{escape(job['id'])}<td>{escape(job['capability'])}<td><progress max=1 value={job['fraction']}>"
        f"</progress><td>{job['seconds']:.0f} s<td>{escape(job['note'] or job['phase'])}"
        for job in told["jobs"]
    )
    ended = "".join(
        f"<tr><td>{escape(job['outcome'])}<td>{escape(job['id'])}<td>{escape(job['capability'])}"
        f"<td>{job['seconds']:.1f} s<td>{escape(job['reason'] or '')}"
        for job in told["ended"]
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=2>"
        f"<meta name=viewport content='width=device-width'><title>{escape(told['name'])}: agent</title>"
        f"<style>{STYLE}</style><main><h1>{escape(told['name'])}</h1><table>{rows}</table>"
        f"<h2>At work</h2>{_table(('Job', 'Capability', 'Progress', 'Since', 'Note'), jobs)}"
        f"<h2>Ended</h2>{_table(('Outcome', 'Job', 'Capability', 'Took', 'Why'), ended)}</main></html>"
    )


def _table(names: tuple[str, ...], rows: str) -> str:
    if not rows:
        return "<p>Nothing yet.</p>"
    head = "".join(f"<th scope=col>{name}" for name in names)
    return f"<table><tr>{head}{rows}</table>"
