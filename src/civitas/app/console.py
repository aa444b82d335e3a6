"""What every command shares: settings, output, a database to work on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic import ValidationError
from rich.console import Console

from civitas import __version__
from civitas.infra import settings as settings_room
from civitas.infra.settings import Settings
from civitas.infra.telemetry import logs, traces
from civitas.kit.errors import Invalid

T = TypeVar("T")

out = Console()
err = Console(stderr=True)


def load_settings() -> Settings:
    """The settings, or one clear fault that names what is wrong with them."""
    try:
        return settings_room.load()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Invalid(f"The settings are not valid: {wrong}. `civitas doctor` explains.") from error


def prepared(process: str) -> Settings:
    """The settings, with logs and traces of this process set up."""
    settings = load_settings()
    logs.configure(settings.telemetry, process)
    traces.configure(settings.telemetry, process, __version__)
    return settings


@contextmanager
def database_running(settings: Settings) -> Iterator[str]:
    """A database to work on: the configured one, the running embedded one, or one started for this command."""
    if settings.database.url:
        yield settings.database.url
        return
    # An agent, which has no database, need not carry what this imports.
    from civitas.infra.db.embedded import EmbeddedServer

    server = EmbeddedServer(settings.home, settings.database)
    address = server.start()
    try:
        yield address.dsn
    finally:
        server.stop()


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end."""
    return asyncio.run(work)
