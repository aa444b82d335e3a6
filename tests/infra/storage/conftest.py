"""Three stores, one way to send a part to each, and the app that serves their links."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import httpx
import pytest
from moto.server import ThreadedMotoServer
from starlette.applications import Starlette

from civitas.faces.http import storage_routes
from civitas.infra.storage.local import LocalStore
from civitas.infra.storage.memory import MemoryStore
from civitas.infra.storage.opening import open_store
from civitas.infra.storage.s3 import S3Store
from civitas.infra.storage.settings import StorageSettings
from civitas.infra.storage.signing import LinkSigner
from civitas.infra.storage.store import SignedRequest, Store

KEY = b"0123456789abcdef0123456789abcdef"
BUCKET = "civitas-tests"

Serve = Callable[[Store], httpx.AsyncClient]
SendPart = Callable[[SignedRequest, bytes], Awaitable[httpx.Response]]


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of an S3 server in a thread, with one bucket."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.put(f"http://{host}:{port}/{BUCKET}").raise_for_status()
    yield f"http://{host}:{port}"
    server.stop()


def s3_settings(endpoint: str, prefix: str) -> StorageSettings:
    return StorageSettings(
        url=f"s3://{BUCKET}/{prefix}",
        s3_endpoint=endpoint,
        s3_access_key="key",
        s3_secret_key="secret",
        s3_allow_http=True,
        s3_path_style=True,
    )


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalStore]:
    store = open_store(StorageSettings(), tmp_path, KEY)
    assert isinstance(store, LocalStore)
    yield store
    await store.aclose()


@pytest.fixture
async def s3(moto: str) -> AsyncIterator[S3Store]:
    store = open_store(s3_settings(moto, uuid4().hex), Path("unused"), KEY)
    assert isinstance(store, S3Store)
    yield store
    await store.aclose()


@pytest.fixture(params=["local", "memory", "s3"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore(LinkSigner(KEY))
    found: Store = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Makes a client of an app that serves the links of a store."""
    opened: list[httpx.AsyncClient] = []

    def make(store: Store) -> httpx.AsyncClient:
        app = Starlette(routes=storage_routes.routes)
        app.state.civitas = SimpleNamespace(store=store)
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://civitas.test")
        opened.append(client)
        return client

    yield make
    for client in opened:
        await client.aclose()


@pytest.fixture
async def wire(store: Store, serve: Serve) -> AsyncIterator[httpx.AsyncClient]:
    """A client for the links of `store`, wherever they point."""
    if isinstance(store, S3Store):
        async with httpx.AsyncClient() as client:
            yield client
    else:
        yield serve(store)


async def pieces(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]
