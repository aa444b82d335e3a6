"""`civitas admin`: people, tasks, the event table, rebuilding."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.app import wiring
from civitas.app.commands import agents
from civitas.app.commands.units import in_unit
from civitas.app.console import database_running, load_settings, out
from civitas.contracts.events.accounts import OnboardingStepTaken
from civitas.domains.accounts import joining, passwords, standing
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import SYSTEM, Onboarding, Role
from civitas.domains.catalog import base_models, rebuilding
from civitas.infra.db.database import Database
from civitas.infra.db.settings import DatabaseSettings
from civitas.infra.queue import dead_letters
from civitas.infra.queue.outbox import publish
from civitas.infra.queue.registry import REGISTRY
from civitas.kit.errors import NotFound

app = typer.Typer(help="Look after people and background tasks.", no_args_is_help=True)
tasks = typer.Typer(help="Tasks that failed for good.", no_args_is_help=True)
app.add_typer(tasks, name="tasks")
app.add_typer(agents.app, name="agents")

REASON = "by the operator, on the command line"


async def _person(session: AsyncSession, username: str) -> int:
    found = await session.scalar(
        select(Person.id).where(Person.username_folded == username.lower(), Person.status != "deleted")
    )
    if found is None:
        raise NotFound(f"There is nobody called {username}.")
    return int(found)


@app.command("create-user")
def create_user(
    username: str,
    email: Annotated[str, typer.Option(help="The address; taken as verified.")],
    password: Annotated[str | None, typer.Option(help="Left out, one is made and printed once.")] = None,
    role: Annotated[Role, typer.Option(help="What the person may do.")] = Role.USER,
) -> None:
    """Make an account that can sign in at once."""
    chosen = password or secrets.token_urlsafe(12)

    async def work(session: AsyncSession) -> int:
        made = await joining.create_person(
            session,
            username=username,
            email=email,
            password=chosen,
            role=role,
            reserved=role is not Role.USER,
            # The operator vouches for the person: nothing stands between them and their first upload.
            onboarding=int(Onboarding.COMPLETE),
        )
        await publish(session, OnboardingStepTaken(made, int(Onboarding.COMPLETE), complete=True))
        return made

    person = in_unit(work)
    out.print(f"{username} (number {person}) can sign in as {role.value}.")
    if password is None:
        out.print(f"The password is [bold]{chosen}[/]; it is shown only here.", highlight=False)


@app.command()
def grant(username: str, role: Role) -> None:
    """Give a person a role: user, moderator or admin."""

    async def work(session: AsyncSession) -> None:
        person = await _person(session, username)
        await standing.grant(session, SYSTEM, person_id=person, role=role, reason=REASON)

    in_unit(work)
    out.print(f"{username} is now {role.value}.")


@app.command("reset-password")
def reset_password(
    username: str,
    password: Annotated[str | None, typer.Option(help="Left out, one is made and printed once.")] = None,
) -> None:
    """Set a new password and end the person's sessions."""
    chosen = password or secrets.token_urlsafe(12)

    async def work(session: AsyncSession) -> None:
        await passwords.set_by_operator(session, person_id=await _person(session, username), new=chosen)

    in_unit(work)
    out.print(f"The password of {username} is [bold]{chosen}[/]; every session has ended.", highlight=False)


@app.command()
def events() -> None:
    """Print which listeners hear which event."""
    wiring.wire()
    table = Table("event", "listeners")
    for event, listeners in REGISTRY.event_table().items():
        table.add_row(event, "\n".join(listeners))
    out.print(table)


@app.command("rebuild")
def rebuild_documents() -> None:
    """Write anew what lists, search and the public API show of every model; can be stopped and run again."""
    settings = load_settings()
    if settings.catalog.extra_base_models is not None:
        base_models.use(base_models.load(settings.catalog.extra_base_models))

    async def run(dsn: str, told: Callable[[int], None]) -> int:
        database = Database(dsn, DatabaseSettings(statement_timeout_s=3600))
        try:
            return await rebuilding.rebuild_all(database, told=told)
        finally:
            await database.close()

    with database_running(settings) as dsn, out.status("Rebuilding…") as status:
        done = asyncio.run(run(dsn, lambda count: status.update(f"Rebuilding… {count:,} models")))
    out.print(f"{done:,} models were rebuilt.")


@tasks.command("list")
def list_failed() -> None:
    """The newest fifty dead letters."""
    page = in_unit(dead_letters.page)
    table = Table("id", "task", "attempts", "failed", "error")
    for letter in page.items:
        table.add_row(
            str(letter.id),
            letter.name,
            str(letter.attempts),
            f"{letter.failed_at:%Y-%m-%d %H:%M}",
            letter.error,
        )
    out.print(table if page.items else "No task has failed for good.")


@tasks.command()
def retry(task_id: int) -> None:
    """Put a dead letter back into its queue."""
    in_unit(lambda session: dead_letters.retry(session, task_id=task_id))
    out.print(f"Task {task_id} will be tried again.")


@tasks.command()
def discard(task_id: int) -> None:
    """Forget a dead letter."""
    in_unit(lambda session: dead_letters.discard(session, task_id=task_id))
    out.print(f"Task {task_id} was discarded.")


@app.command("configure-page", hidden=True)
def configure_page() -> None:
    """Write docs/configure.md anew (for developers)."""
    from pathlib import Path

    from civitas.app import configure

    configure.write(Path.cwd())
