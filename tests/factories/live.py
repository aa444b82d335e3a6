"""The whole site in a thread of this process, on a database of its own, answering on a port of this machine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import uvicorn

from civitas.app import serving
from civitas.app.house import House, open_house
from civitas.app.web import create_app
from civitas.infra.queue.draining import drain
from civitas.infra.settings import Settings

T = TypeVar("T")


@dataclass
class Live:
    """A running site. `do` runs something with its adapters, on its own loop."""

    settings: Settings
    dsn: str
    url: str = ""
    _loop: asyncio.AbstractEventLoop | None = None
    _house: House | None = None
    _ready: threading.Event = field(default_factory=threading.Event)

    def do(self, what: Callable[[House], Awaitable[T]]) -> T:
        """The result of `what`, given the site's adapters."""
        assert self._loop is not None and self._house is not None
        house = self._house

        async def run() -> T:
            return await what(house)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(120)

    def run_tasks(self) -> int:
        """Run what waits."""
        return self.do(lambda house: drain(house.context()))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[House]:
        """What the app opens at its start."""
        async with open_house(self.settings, self.dsn) as house:
            self._loop, self._house = asyncio.get_running_loop(), house
            self._ready.set()
            yield house


@contextmanager
def living(settings: Settings, dsn: str) -> Iterator[Live]:
    """A site on a free port of this machine until the block ends."""
    live = Live(settings, dsn)
    listener = serving.listen("127.0.0.1", 0)
    live.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings.site.port = listener.getsockname()[1]
    server = serving.Server(
        uvicorn.Config(
            create_app(settings, live.open, tune=False),
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            lifespan="on",
            http="httptools",
            timeout_graceful_shutdown=2,
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        assert live._ready.wait(60), "the site did not start"
        while not server.started and thread.is_alive():
            thread.join(0.02)
        yield live
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
