"""Which listener hears which event, which task runs which message: everything is imported here, once."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from civitas.infra.queue.registry import REGISTRY

DOMAINS = ("accounts", "blobs", "buzz", "catalog", "orchestration", "studio", "gallery", "community")
PARTS = ("listeners", "tasks", "subjects")


def wire() -> None:
    """Import the listeners, tasks and subjects of every domain; events may be published from now on."""
    if REGISTRY.wired:
        return
    for domain in DOMAINS:
        _wire(f"civitas.domains.{domain}")
    REGISTRY.wired = True


def _wire(room: str) -> None:
    """Import the parts of a room; a large domain has rooms within."""
    inside = list(pkgutil.iter_modules(import_module(room).__path__))
    names = {found.name for found in inside if not found.ispkg}
    for part in PARTS:
        if part in names:
            import_module(f"{room}.{part}")
    for found in inside:
        if found.ispkg:
            _wire(f"{room}.{found.name}")
