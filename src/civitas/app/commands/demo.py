"""`civitas demo`: marked content to look around with, and its removal."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.progress import Progress

from civitas.app import schema
from civitas.app.console import database_running, load_settings, out
from civitas.app.demo import making, removing
from civitas.app.house import open_house
from civitas.infra.settings import Settings

app = typer.Typer(help="Demo content: make it, take it away.", no_args_is_help=True)


@app.command()
def create(
    if_empty: Annotated[bool, typer.Option(help="Only when the catalogue holds nothing yet.")] = False,
    background: Annotated[
        bool, typer.Option(hidden=True, help="A background process runs the tasks.")
    ] = False,
) -> None:
    """Make two creators and models of many kinds, clearly marked, drawn and computed on this machine."""
    settings = load_settings()
    with database_running(settings) as dsn:
        schema.upgrade(dsn)
        asyncio.run(_create(settings, dsn, if_empty, background))


async def _create(settings: Settings, dsn: str, if_empty: bool, background: bool) -> None:
    async with open_house(settings, dsn) as house:
        house.background = background
        if if_empty:
            async with house.database.reading() as session:
                if await removing.count(session):
                    return
        else:
            await removing.remove(house)
        with Progress(transient=True) as progress:
            models = await making.make(house, progress)
        out.print(f"There are {models} demo models now; `civitas demo remove` takes them away.")


@app.command()
def remove() -> None:
    """Take the demo content away; nothing else is touched."""
    settings = load_settings()
    with database_running(settings) as dsn:
        asyncio.run(_remove(settings, dsn))


async def _remove(settings: Settings, dsn: str) -> None:
    async with open_house(settings, dsn) as house:
        out.print(f"{await removing.remove(house)} demo models are gone.")
