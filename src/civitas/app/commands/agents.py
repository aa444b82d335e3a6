"""`civitas admin agents`: tokens for the machines that run jobs, and what they are to do."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.app.commands.units import in_unit
from civitas.app.console import load_settings, out
from civitas.contracts.wire.agents import Wish
from civitas.domains.accounts.types import SYSTEM
from civitas.domains.orchestration.dispatch import agents
from civitas.domains.orchestration.dispatch.agents import Entry
from civitas.kit import clock

app = typer.Typer(help="Machines that run jobs: their tokens, what they can do.", no_args_is_help=True)


@app.command()
def add(name: str) -> None:
    """Make a token for a new agent and print it. It is shown now and never again."""

    async def work(session: AsyncSession) -> tuple[int, str]:
        return await agents.make(session, SYSTEM, name=name)

    number, token = in_unit(work)
    out.print(f"Agent {number} may claim jobs with this token:", highlight=False)
    out.print(token, highlight=False, soft_wrap=True)
    out.print("Start it with CIVITAS_AGENT_TOKEN set to it: civitas agent", highlight=False)


@app.command("list")
def show(
    everyone: Annotated[bool, typer.Option("--revoked", help="Those that were revoked too.")] = False,
) -> None:
    """All agents: what they can do, what they do now, when they were last heard of."""

    async def work(session: AsyncSession) -> list[Entry]:
        return await agents.listed(session, SYSTEM, revoked=everyone)

    found: list[Entry] = in_unit(work)
    settings = load_settings().agents
    table = Table("Agent", "Name", "Token", "State", "Jobs", "Files", "Heard of", "Capabilities")
    for one in found:
        table.add_row(
            str(one.id),
            one.name,
            f"{one.token_prefix}…",
            "revoked" if one.revoked_at else one.wish.value if one.alive(settings) else "silent",
            f"{one.running} of {one.slots}",
            str(one.resources),
            f"{(clock.now() - one.seen_at).total_seconds():.0f} s ago" if one.seen_at else "never",
            ", ".join(one.capabilities[:6]) + (" …" if len(one.capabilities) > 6 else ""),
        )
    out.print(table if found else "There are no agents.")


def _want(agent: int, wish: Wish) -> None:
    async def work(session: AsyncSession) -> None:
        await agents.want(session, SYSTEM, agent_id=agent, wish=wish)

    in_unit(work)


@app.command()
def pause(agent: int) -> None:
    """Let an agent finish what it has and claim nothing more."""
    _want(agent, Wish.PAUSE)
    out.print(f"Agent {agent} claims nothing more until it is told to work.")


@app.command()
def work(agent: int) -> None:
    """Let a paused agent claim jobs again."""
    _want(agent, Wish.WORK)
    out.print(f"Agent {agent} works.")


@app.command()
def drain(agent: int) -> None:
    """Let an agent finish what it has, and end."""
    _want(agent, Wish.DRAIN)
    out.print(f"Agent {agent} ends when its jobs have ended.")


@app.command()
def revoke(agent: int) -> None:
    """Make an agent's token worthless at once; what it had claimed goes to others."""

    async def unit(session: AsyncSession) -> None:
        await agents.revoke(session, SYSTEM, agent_id=agent)

    in_unit(unit)
    out.print(f"The token of agent {agent} holds no more.")
