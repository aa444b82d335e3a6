"""Which listener hears which event, which task runs which message: everything is imported here, once."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from civitas.infra.queue.registry import REGISTRY

DOMAINS = ("accounts", "blobs", "catalog", "gallery")


def wire() -> None:
    """Import the listeners and tasks of every domain; events may be published from now on."""
    if REGISTRY.wired:
        return
    for domain in DOMAINS:
        for part in ("listeners", "tasks"):
            name = f"civitas.domains.{domain}.{part}"
            if find_spec(f"civitas.domains.{domain}") and find_spec(name):
                import_module(name)
    REGISTRY.wired = True
