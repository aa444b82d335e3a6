"""What ties processes together: the listening socket they share, and the end of all when the supervisor is gone."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from ipaddress import ip_address

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
