"""The serving process: uvicorn around the app."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from ipaddress import ip_address

import uvicorn

from civitas.app.house import open_house
from civitas.app.web import create_app
from civitas.infra.settings import Settings
from civitas.kit.errors import Unavailable

# Set by `up` for its children: they end when it is gone, however it went.
SUPERVISOR = "CIVITAS_SUPERVISOR"


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; Unavailable, saying how to choose another port, when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"Port {port} on {host} cannot be used ({error.strerror}); choose another, such as PORT={port + 1}."
        ) from error
    listener.listen(2048)
    listener.set_inheritable(True)
    return listener


def serve(settings: Settings, *, fd: int | None = None) -> None:
    """Answer requests until SIGINT or SIGTERM; those being answered get ten seconds to end."""
    app = create_app(settings, lambda: open_house(settings))
    listener = socket.socket(fileno=fd) if fd is not None else listen(settings.site.host, settings.site.port)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
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
    uvicorn.Server(config).run(sockets=[listener])


def end_with_supervisor() -> None:
    """Watch, in a thread, whether `up` still lives; without it this process ends by itself."""
    supervisor = os.environ.get(SUPERVISOR)
    if not supervisor:
        return

    def watch() -> None:
        while os.getppid() == int(supervisor):
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="supervisor-watch", daemon=True).start()


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
