"""Receivers of callbacks on this machine, and what tasks need to call them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from civitas.domains.orchestration.delivering.signing import CallbackKey
from civitas.domains.orchestration.media.links import MediaLinks
from civitas.infra.outbound.guard import CallbackClient, OutboundSettings, Resolve
from civitas.infra.outbound.settings import CallbackSettings

SECRET = b"a secret for tests only, 32 bytes"
# The name under which receivers are called; the resolver of `callback_ports` knows it.
HOST = "receiver.test"


@dataclass
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    raw: bytes
    body: Any
    began: float
    answer: int = 0


Answering = Callable[[Heard], Awaitable[int]]


@dataclass
class Receiver:
    """A server that answers as it is told and remembers what it was asked, in order of arrival."""

    answering: Answering
    port: int = 0
    heard: list[Heard] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    def url(self, path: str = "/hook", host: str = HOST) -> str:
        """Its address."""
        return f"http://{host}:{self.port}{path}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        raw, more = b"", True
        while more:
            message = await receive()
            raw += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        heard = Heard(scope["path"], headers, raw, json.loads(raw), asyncio.get_running_loop().time())
        self.heard.append(heard)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            heard.answer = await self.answering(heard)
        finally:
            self.at_once -= 1
        extra = [(b"location", b"http://127.0.0.1/elsewhere")] if 300 <= heard.answer < 400 else []
        await send({"type": "http.response.start", "status": heard.answer, "headers": extra})
        await send({"type": "http.response.body", "body": b"" if heard.answer == 204 else b"ok"})


async def always(heard: Heard) -> int:
    """Answer 204."""
    return 204


@asynccontextmanager
async def receiving(answering: Answering = always) -> AsyncIterator[Receiver]:
    """A receiver on loopback."""
    receiver = Receiver(answering)
    config = uvicorn.Config(receiver, host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    receiver.port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.force_exit = server.should_exit = True
        await running


async def loopback(host: str, port: int) -> list[str]:
    """A resolver for which every name is this machine."""
    return ["127.0.0.1"]


def callback_ports(resolver: Resolve = loopback, *hosts: str, **settings: Any) -> dict[Any, Any]:
    """What `DeliverCallbacks` needs; `hosts` (besides HOST) may be called privately."""
    chosen = CallbackSettings(**settings)
    return {
        CallbackSettings: chosen,
        CallbackClient: CallbackClient(
            OutboundSettings(frozenset({HOST, *hosts})), resolver, timeout_s=chosen.timeout_s
        ),
        CallbackKey: CallbackKey(SECRET),
        MediaLinks: MediaLinks.derived(SECRET, "https://hub.example.org"),
    }
