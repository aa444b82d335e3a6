"""`civitas gallery`: hold the feeds against the facts."""

from __future__ import annotations

from typing import Annotated

import typer

from civitas.app import wiring
from civitas.app.console import database_running, load_settings, out, run_async
from civitas.domains.gallery.feeds import auditing, counting, rows
from civitas.domains.gallery.feeds.rows import Difference
from civitas.infra.db.database import Database
from civitas.infra.db.settings import DatabaseSettings

app = typer.Typer(help="Pictures and their feeds.", no_args_is_help=True)
HOUR = 3600


@app.callback()
def gallery() -> None:
    """Pictures and their feeds."""


@app.command()
def audit(
    after: Annotated[int, typer.Option(help="Begin behind the picture with this number.")] = 0,
) -> None:
    """Compare feeds and counts with the facts and put right what differs. Exit code 1 when something did."""
    wiring.wire()
    with database_running(load_settings()) as dsn:
        found = run_async(_audit(dsn, after))
    out.print(f"{found.looked_at:,} pictures were looked at.")
    if not found.total:
        out.print("[green]The feeds tell exactly what is so.[/]")
        return
    out.print(
        f"Put right: {found.surplus:,} rows that should not be there, {found.wrong:,} missing or stale, "
        f"{found.ranks:,} ranks, {found.posts:,} posts, {found.counts:,} counts."
    )
    raise typer.Exit(1)


async def _audit(dsn: str, after: int) -> Difference:
    database = Database(dsn, DatabaseSettings(statement_timeout_s=HOUR))
    found, place = Difference(), after
    try:
        while True:
            async with database.unit() as session:
                if await counting.fold(session) < counting.BATCH:
                    break
        while True:
            async with database.unit() as session:
                wrong, last = await auditing.step(session, after=place)
            found += wrong
            if last is None:
                break
            place = last
        async with database.unit() as session:
            await rows.count_terms(session)
    finally:
        await database.close()
    return found
