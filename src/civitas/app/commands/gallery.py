"""`civitas gallery`: hold the feeds against the facts."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from civitas.app import wiring
from civitas.app.console import database_running, load_settings, out, run_async
from civitas.app.house import open_index
from civitas.domains.catalog import index_audit as catalog_index
from civitas.domains.community.articles import counting as articles
from civitas.domains.gallery.feeds import auditing, counting, rows
from civitas.domains.gallery.feeds import index_audit as gallery_index
from civitas.domains.gallery.feeds.rows import Difference
from civitas.infra.db.database import Database, driver_connection
from civitas.infra.db.readpool import BoundReads
from civitas.infra.db.settings import DatabaseSettings
from civitas.infra.search import comparing
from civitas.infra.search.asking import SocketIndex
from civitas.infra.search.comparing import Compared

app = typer.Typer(help="Pictures and their feeds.", no_args_is_help=True)
HOUR = 3600


@app.callback()
def gallery() -> None:
    """Pictures and their feeds."""


@app.command()
def audit(
    after: Annotated[int, typer.Option(help="Begin behind the picture with this number.")] = 0,
) -> None:
    """Compare feeds and counts with the facts, and the index in memory with feeds and catalogue, and put right what differs.

    Exit code 1 when something did.
    """
    wiring.wire()
    settings = load_settings()
    with database_running(settings) as dsn:
        found = run_async(_audit(dsn, after))
        compared = run_async(_compare(dsn, open_index(settings)))
        looked_at, figures = run_async(_audit_articles(dsn))
    out.print(f"{found.looked_at:,} pictures and {looked_at:,} articles were looked at.")
    if not compared.away:
        out.print(f"The index in memory was asked for {compared.terms} counts and {compared.pages} pages.")
    if figures:
        out.print(f"Put right: the figures of {figures:,} articles.")
    if not found.total and not compared.wrong:
        if figures:
            raise typer.Exit(1)
        out.print("[green]The feeds tell exactly what is so.[/]")
        return
    if compared.wrong:
        out.print(f"The index differed and loads anew: {'; '.join(compared.wrong[:5])}.", highlight=False)
    if not found.total:
        raise typer.Exit(1)
    out.print(
        f"Put right: {found.surplus:,} rows that should not be there, {found.wrong:,} missing or stale, "
        f"{found.ranks:,} ranks, {found.posts:,} posts, {found.counts:,} counts."
    )
    raise typer.Exit(1)


async def _compare(dsn: str, index: SocketIndex | None) -> Compared:
    """The index of this machine, if there is one, beside the repaired feeds and the catalogue."""
    if index is None:
        return Compared(away=True)
    database = Database(dsn, DatabaseSettings(statement_timeout_s=HOUR))
    try:
        async with database.reading() as session:
            reads = BoundReads(await driver_connection(session))
            rooms = (partial(room.looks, reads, index) for room in (gallery_index, catalog_index))
            return await comparing.compare(index, *rooms)
    finally:
        await index.aclose()


async def _audit_articles(dsn: str) -> tuple[int, int]:
    """How many articles were looked at, and of how many the figures were wrong."""
    database = Database(dsn, DatabaseSettings(statement_timeout_s=HOUR))
    looked_at, wrong, place = 0, 0, 0
    try:
        while True:
            async with database.unit() as session:
                count, found, last = await articles.audit_step(session, after=place)
            looked_at, wrong = looked_at + count, wrong + found
            if last is None:
                return looked_at, wrong
            place = last
    finally:
        await database.close()


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
