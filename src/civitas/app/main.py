"""`civitas`: every command, for operators and for users."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from civitas import __version__
from civitas.app.console import err, out, prepared, run_async
from civitas.kit.errors import Fault

# The long-lived processes; they must not carry what only the other commands need.
PROCESSES = frozenset({"up", "serve", "background"})

app = typer.Typer(
    name="civitas",
    help="Share generative-AI models: run a hub of your own, or use one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


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
    from civitas.app import lifeline, serving

    lifeline.end_with_supervisor()
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
    from civitas.app import lifeline

    lifeline.end_with_supervisor()
    run_async(room.run(prepared("background"), queues=queue, concurrency=concurrency))


@app.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


def _mount(command: str | None) -> None:
    """Add the commands that this call can need; importing the whole program takes seconds."""
    if command in PROCESSES:
        return
    from civitas.faces.cli.commands import USER_COMMANDS, user_app

    app.registered_commands += user_app.registered_commands
    app.registered_groups += user_app.registered_groups
    if command in USER_COMMANDS:
        return
    from civitas.app.commands import admin, db, demo, doctor

    app.add_typer(db.app, name="db")
    app.add_typer(admin.app, name="admin")
    app.add_typer(demo.app, name="demo")
    app.command("doctor")(doctor.doctor)


def main() -> None:
    """The program's entry: a Fault is one line on stderr and exit code 1."""
    if home := os.environ.get("CIVITAS_HOME"):
        os.environ["CIVITAS_HOME"] = str(Path(home).expanduser().resolve())
    try:
        _mount(sys.argv[1] if len(sys.argv) > 1 else None)
        app()
    except Fault as fault:
        err.print(f"[red]{fault.message}[/]", highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
