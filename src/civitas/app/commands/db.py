"""`civitas db`: schema, backup, restore."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from civitas.app import schema
from civitas.app.console import database_running, load_settings, out
from civitas.infra.db import backup as copies
from civitas.kit.errors import Conflict

app = typer.Typer(help="The database: bring it up to date, back it up, restore it.", no_args_is_help=True)


@app.command()
def upgrade() -> None:
    """Apply every missing migration."""
    with database_running(load_settings()) as dsn:
        before = schema.current(dsn)
        schema.upgrade(dsn)
        out.print(f"The database is at {schema.current(dsn)} (it was at {before or 'nothing'}).")


@app.command()
def status() -> None:
    """Say which schema the database has and which this program expects."""
    with database_running(load_settings()) as dsn:
        out.print(
            f"The database is at {schema.current(dsn) or 'nothing'}; this program expects {schema.head()}."
        )


@app.command()
def backup(
    target: Annotated[
        Path | None, typer.Argument(help="The file to write; named by the time when left out.")
    ] = None,
) -> None:
    """Write a consistent copy of the database while the site runs. Files are not in it: copy the storage too."""
    settings = load_settings()
    target = target or Path(f"civitas-{datetime.now(UTC):%Y%m%d-%H%M%S}.dump")
    with database_running(settings) as dsn:
        size = copies.backup(dsn, target)
    folder = settings.storage.url or settings.storage.local_path or settings.home / "storage"
    out.print(
        f"{target} holds the database ({size / 2**20:.1f} MiB). Model files and pictures are in {folder}."
    )


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A file that `civitas db backup` wrote.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Replace the database with a copy; all of it, or nothing when something is wrong."""
    settings = load_settings()
    if not yes and not typer.confirm("This replaces everything in the database. Go on?"):
        raise Conflict("Nothing was changed.")
    with database_running(settings) as dsn:
        copies.restore(dsn, source)
        schema.upgrade(dsn)
    out.print(f"The database is as {source} had it.")


@app.command(hidden=True)
def revision(message: Annotated[str, typer.Option()]) -> None:
    """Write a migration from the difference between the classes and the database (for developers)."""
    with database_running(load_settings()) as dsn:
        schema.revise(dsn, message)
