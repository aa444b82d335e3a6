"""`civitas`: every command, for operators and for users."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console

from civitas import __version__
from civitas.infra import settings as settings_room
from civitas.infra.db.embedded import EmbeddedServer
from civitas.infra.settings import Settings
from civitas.infra.telemetry import logs, traces
from civitas.kit.errors import Fault, Invalid

T = TypeVar("T")

app = typer.Typer(
    name="civitas",
    help="Share generative-AI models: run a hub of your own, or use one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
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
    server = EmbeddedServer(settings.home, settings.database)
    address = server.start()
    try:
        yield address.dsn
    finally:
        server.stop()


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end."""
    return asyncio.run(work)


@app.command()
def up(
    demo: Annotated[bool, typer.Option(help="Fill an empty catalogue with marked demo content.")] = False,
    once_ready: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Run everything: database, site, background tasks. Ctrl-C stops it."""
    from civitas.app.up import Supervisor

    Supervisor(prepared("up"), out).run(demo=demo, once_ready=once_ready)


@app.command()
def serve(fd: Annotated[int | None, typer.Option(hidden=True)] = None) -> None:
    """Answer requests: pages and APIs. Any number of these may run behind a load balancer."""
    from civitas.app import serving

    serving.end_with_supervisor()
    serving.serve(prepared("serve"), fd=fd)


@app.command()
def background(
    queue: Annotated[
        list[str] | None, typer.Option(help="Only these queues: default, files, media, mail.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Tasks at the same time.")] = 4,
) -> None:
    """Run background tasks: scans, pictures, mail, schedules. Any number of these may run."""
    from civitas.app import background as room
    from civitas.app import serving

    serving.end_with_supervisor()
    run_async(room.run(prepared("background"), queues=queue, concurrency=concurrency))


@app.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


def _mount() -> None:
    from civitas.app.commands import admin, db, demo, doctor

    app.add_typer(db.app, name="db")
    app.add_typer(admin.app, name="admin")
    app.add_typer(demo.app, name="demo")
    app.command("doctor")(doctor.doctor)
    from civitas.faces.cli.commands import user_app

    app.registered_commands += user_app.registered_commands
    app.registered_groups += user_app.registered_groups


def main() -> None:
    """The program's entry: a Fault is one line on stderr and exit code 1."""
    if home := os.environ.get("CIVITAS_HOME"):
        os.environ["CIVITAS_HOME"] = str(Path(home).expanduser().resolve())
    try:
        _mount()
        app()
    except Fault as fault:
        err.print(f"[red]{fault.message}[/]", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
