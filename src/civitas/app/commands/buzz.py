"""`civitas buzz`: proof of the ledger, and the rules of the economy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from civitas.app.console import database_running, load_settings, out, run_async
from civitas.app.secrets import instance_secret
from civitas.domains.accounts import actors, queries
from civitas.domains.buzz.buying import codes
from civitas.domains.buzz.buying.codes import CodeKey, Worth
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.ledger import auditing
from civitas.domains.buzz.types import COLOURS, Currency
from civitas.infra.db.database import Database
from civitas.infra.db.settings import DatabaseSettings
from civitas.kit import clock, money

app = typer.Typer(help="The economy: prove the ledger, check the rules.", no_args_is_help=True)
HOUR = 3600


@app.command()
def audit() -> None:
    """Rebuild every balance from history and check every law of the ledger. Exit code 1 when one is broken."""
    with database_running(load_settings()) as dsn:
        found = run_async(_audit(dsn))
    for currency, amount in found.supply.items():
        shown = money.dollars(amount) if currency == "cash" else f"{money.shown(amount)} Buzz"
        out.print(f"{currency:8} {shown} held by people, in escrow and in pools", highlight=False)
    out.print(f"{found.entries:,} entries, {found.postings:,} postings, {found.accounts:,} accounts.")
    if found.sound:
        out.print("[green]Every balance follows from its history, and every law holds.[/]")
        return
    table = Table("Law", "Where", "What")
    for finding in found.findings:
        table.add_row(finding.law, finding.subject, finding.told)
    out.print(table)
    raise typer.Exit(1)


async def _audit(dsn: str) -> auditing.Audit:
    database = Database(dsn, DatabaseSettings(statement_timeout_s=HOUR))
    try:
        async with database.reading() as session:
            return await auditing.audit(session)
    finally:
        await database.close()


@app.command("check-economy")
def check_economy(
    file: Annotated[
        Path | None, typer.Argument(help="Your rules; the configured file when left out.")
    ] = None,
) -> None:
    """Check a file of rules and say what it changes, before it is put in force by a restart."""
    rules = economy.load(file or load_settings().buzz.economy)
    shipped = economy.packaged().model_dump(mode="json", by_alias=True)
    changes = list(economy.differences(shipped, rules.model_dump(mode="json", by_alias=True)))
    if not changes:
        out.print("The rules are those that come with Civitas.")
        return
    table = Table("Rule", "As shipped", "Yours")
    for change in changes:
        table.add_row(change.path, str(change.before), str(change.after))
    out.print(table)


codes_app = typer.Typer(help="Redeemable codes.", no_args_is_help=True)
app.add_typer(codes_app, name="codes")


@codes_app.command("issue")
def issue_codes(
    count: Annotated[int, typer.Argument(min=1, help="How many.")],
    administrator: Annotated[str, typer.Option("--as", help="The administrator who issues them, by name.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept in the staff's log.")],
    buzz: Annotated[str | None, typer.Option(help="Worth this much Buzz each.")] = None,
    colour: Annotated[str, typer.Option(help="Of this colour: yellow, green or blue.")] = "yellow",
    tier: Annotated[str | None, typer.Option(help="Worth months of this membership, with --months.")] = None,
    months: Annotated[int, typer.Option(min=1, help="How many months.")] = 1,
    days: Annotated[int | None, typer.Option(min=1, help="Expire after so many days.")] = None,
    note: Annotated[str, typer.Option(help="Vendor or occasion.")] = "",
) -> None:
    """Issue codes and print them, one a line. They are shown now and never again."""
    if (buzz is None) == (tier is None):
        raise typer.BadParameter("Give --buzz or --tier.")
    if colour not in {known.value for known in COLOURS}:
        raise typer.BadParameter("The colour is yellow, green or blue.")
    settings = load_settings()
    economy.use(economy.load(settings.buzz.economy) if settings.buzz.economy is not None else None)
    worth = (
        Worth.buzz(money.parse(buzz), Currency(colour))
        if buzz is not None
        else Worth.membership(str(tier), months)
    )
    key = CodeKey.derived(instance_secret(settings))
    expires = clock.now() + timedelta(days=days) if days is not None else None
    with database_running(settings) as dsn:
        made = run_async(
            _issued(
                dsn,
                key,
                administrator,
                worth=worth,
                count=count,
                reason=reason,
                expires_at=expires,
                note=note,
            )
        )
    for code in made:
        typer.echo(code)


async def _issued(dsn: str, key: CodeKey, administrator: str, **what: Any) -> list[str]:
    database = Database(dsn)
    try:
        async with database.unit() as session:
            person = (await queries.by_username(session, administrator)).id
            actor = await actors.actor_named(session, person)
            return (await codes.issue(session, actor, key, **what))[1]
    finally:
        await database.close()
