"""Civitas inside the private world: `python -m tests.compat.server CONFIG`, started by `world.World`.

Brings up the world's addresses and names, the database, the background process, and the app over TLS on port 443
under three names: as civitai.com with its storage under another host, as a plain instance, and as a busy one with
small allowances. Every request is written to a log, a line of JSON each. Ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import certifi
import structlog
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.compat.seeding import background_ready, start_background

from civitas.app.house import House, open_house
from civitas.app.web import create_app
from civitas.infra.db.embedded import EmbeddedServer
from civitas.infra.limiting.settings import LimitSettings
from civitas.infra.settings import Settings
from civitas.infra.storage.local import LocalStore
from civitas.infra.storage.signing import LinkSigner

# TEST-NET-2 (RFC 5737): neither loopback nor private, so that clients' own guards let it pass.
SITE_ADDRESS, STORAGE_ADDRESS = "198.51.100.10", "198.51.100.11"
STORAGE_HOST, PLAIN_HOST, BUSY_HOST = "storage.test", "hub.test", "busy.test"
# Receives callbacks and keeps them, a line of JSON each.
HOOKS_HOST, HOOKS_LOG = "hooks.test", "hooks.jsonl"
SITE_HOSTS = (
    "civitai.com", "www.civitai.com", "civitai.red", "image.civitai.com", "auth.civitai.com", "link.civitai.com",
    "orchestration.civitai.com", "orchestration-dev.civitai.com", PLAIN_HOST, BUSY_HOST, HOOKS_HOST,
)  # fmt: skip
BUSY_READS, BUSY_DOWNLOADS = 5, 3


@dataclass(frozen=True)
class Config:
    """What the world tells its server; paths as text."""

    home: str
    certificate: str
    key: str
    log: str
    gate: str

    @classmethod
    def read(cls, path: Path) -> Config:
        """From a file of JSON."""
        return cls(**json.loads(path.read_text()))


class Recorded:
    """Writes down every request as its answer begins, so that a client never knows more than the log."""

    def __init__(self, app: ASGIApp, log: Path) -> None:
        self.app = app
        self._sink = log.open("a", buffering=1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass through, and write."""

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._write(scope, message)
            await send(message)

        await self.app(scope, receive, told if scope["type"] == "http" else send)

    def _write(self, scope: Scope, answer: Message) -> None:
        line = {
            "at": time.time(),
            "method": scope["method"],
            "path": scope["path"],
            "query": scope["query_string"].decode("latin-1"),
            "headers": {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
            },
            "status": answer["status"],
            "answer": {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer["headers"]
            },
        }
        self._sink.write(json.dumps(line) + "\n")


class ByHost:
    """One app for each host name; the first for all that are not named."""

    def __init__(self, first: ASGIApp, others: dict[str, ASGIApp]) -> None:
        self.first = first
        self.others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request to its app."""
        host = dict(scope.get("headers", ())).get(b"host", b"").decode("latin-1").partition(":")[0]
        await self.others.get(host, self.first)(scope, receive, send)


class Hooks:
    """A receiver of callbacks: keeps what comes, and fails the first time under `/once`."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._failed: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one."""
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        told = headers.get("webhook-id", "")
        fails = scope["path"] == "/once" and told not in self._failed
        self._failed.add(told)
        line = {
            "path": scope["path"],
            "headers": headers,
            "body": body.decode(),
            "answered": 500 if fails else 204,
        }
        with self._log.open("a") as sink:
            sink.write(json.dumps(line) + "\n")
        await send({"type": "http.response.start", "status": line["answered"], "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def _app(stack: AsyncExitStack, house: House) -> ASGIApp:
    @asynccontextmanager
    async def shared() -> AsyncIterator[House]:
        yield house

    outer = create_app(house.settings, shared, tune=False)
    inner: Any = outer
    while not isinstance(inner, FastAPI):
        inner = inner.app
    await stack.enter_async_context(inner.router.lifespan_context(inner))
    return outer


async def _apps(stack: AsyncExitStack, house: House, folder: Path) -> ASGIApp:
    """As civitai.com (and its storage), as a plain instance, as a busy one: one catalogue behind all three."""
    signer = LinkSigner(b"another secret for links, 32 bytes", f"https://{STORAGE_HOST}")
    elsewhere = LocalStore(house.settings.home / "storage", signer)
    stack.push_async_callback(elsewhere.aclose)
    tight = LimitSettings(read_per_minute=BUSY_READS, download_per_minute=BUSY_DOWNLOADS)
    busy = replace(house, settings=house.settings.model_copy(update={"limits": tight}))
    return ByHost(
        await _app(stack, replace(house, store=elsewhere)),
        {
            PLAIN_HOST: await _app(stack, house),
            BUSY_HOST: await _app(stack, busy),
            HOOKS_HOST: Hooks(folder / HOOKS_LOG),
        },
    )


def _make_network() -> None:
    """Loopback with the world's addresses; there is no other network in here."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (SITE_ADDRESS, STORAGE_ADDRESS):
        subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)


def _make_names(folder: Path) -> None:
    hosts = folder / "hosts"
    hosts.write_text(
        f"127.0.0.1 localhost\n{SITE_ADDRESS} {' '.join(SITE_HOSTS)}\n{STORAGE_ADDRESS} {STORAGE_HOST}\n"
    )
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)


def _trust(bundle: Path) -> None:
    """The site's own requests (callbacks) find our authority where they look for it."""
    subprocess.run(["mount", "--bind", str(bundle), certifi.where()], check=True)


def _listen(address: str) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, 443))
    listener.listen(512)
    return listener


async def _open_gate(path: str) -> asyncio.Server:
    """A socket in the file system through which tests outside reach port 443 in here; bytes pass unread."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(256 * 1024):
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(SITE_ADDRESS, 443)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    return await asyncio.start_unix_server(meet, path)


def _end_with_tests() -> None:
    """SIGTERM to oneself when standard input ends: the tests are over, however they went."""

    def watch() -> None:
        sys.stdin.buffer.read()
        while True:
            # Again and again: before uvicorn listens for it, one signal would be lost.
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.5)

    threading.Thread(target=watch, daemon=True).start()


async def _serve(config: Config, settings: Settings, dsn: str) -> None:
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house(settings, dsn))
        app = Recorded(await _apps(stack, house, Path(config.log).parent), Path(config.log))
        background = start_background(settings.home)
        try:
            await background_ready(house)
            gate = await _open_gate(config.gate)
            options = uvicorn.Config(
                app, http="httptools", lifespan="off", log_config=None, access_log=False, server_header=False,
                proxy_headers=False, ssl_certfile=config.certificate, ssl_keyfile=config.key,
                timeout_graceful_shutdown=3, timeout_keep_alive=20,
            )  # fmt: skip
            await uvicorn.Server(options).serve(sockets=[_listen(SITE_ADDRESS), _listen(STORAGE_ADDRESS)])
            gate.close()
        finally:
            background.terminate()
            await asyncio.to_thread(background.wait, 40)


def main() -> None:
    """Run until told to end."""
    path = Path(sys.argv[1])
    config = Config.read(path)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    _make_network()
    _make_names(path.parent)
    _trust(path.parent / "ca.pem")
    # uvicorn stops on SIGTERM and then raises it once more; what comes after it must still be closed in order.
    signal.signal(signal.SIGTERM, lambda *_: None)
    _end_with_tests()
    ample = LimitSettings(read_per_minute=100_000, download_per_minute=100_000)
    # The background process reads it from the environment too.
    os.environ["CIVITAS_CALLBACKS__DEVELOPMENT_HOSTS"] = json.dumps([HOOKS_HOST])
    settings = Settings(home=Path(config.home), limits=ample)
    server = EmbeddedServer(settings.home, settings.database)
    try:
        dsn = server.start().dsn
        asyncio.run(_serve(config, settings, dsn))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
