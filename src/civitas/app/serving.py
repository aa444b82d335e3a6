"""The serving process: uvicorn around the app."""

from __future__ import annotations

import socket

import uvicorn

from civitas.app.house import open_house
from civitas.app.lifeline import listen
from civitas.app.web import create_app
from civitas.faces.live import following
from civitas.faces.orchestrator import polling, waiting
from civitas.infra.settings import Settings


class Server(uvicorn.Server):
    """Ends what would never end by itself before it waits for the rest."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        following.end_all()
        polling.end_all()
        waiting.end_all()
        await super().shutdown(sockets)


def serve(settings: Settings, *, fd: int | None = None) -> None:
    """Answer requests until SIGINT or SIGTERM; those being answered get ten seconds to end."""
    app = create_app(settings, lambda: open_house(settings))
    listener = socket.socket(fileno=fd) if fd is not None else listen(settings.site.host, settings.site.port)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        lifespan="on",
        timeout_graceful_shutdown=10,
        timeout_keep_alive=20,
        h11_max_incomplete_event_size=64 * 1024,
    )
    Server(config).run(sockets=[listener])
