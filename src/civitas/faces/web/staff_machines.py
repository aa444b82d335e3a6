"""`/staff/machines`: the agents, what waits for them, how it goes, and what steps cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.contracts.wire import agents as wire
from civitas.domains.accounts import audit
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.economy.generation_rules import Price
from civitas.domains.orchestration import offering, pricing
from civitas.domains.orchestration.dispatch import agents, queues
from civitas.domains.orchestration.dispatch.agents import Entry
from civitas.domains.orchestration.dispatch.queues import Queue, Trouble
from civitas.domains.orchestration.offering import Offer
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.staff import Admin, Staff
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.infra.queue import dead_letters
from civitas.kit.errors import Fault, Invalid

router = APIRouter(prefix="/staff/machines", dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/staff/machines"
DEEDS: Final = {
    wire.Wish.WORK: ("agent.resume", "It takes work again."),
    wire.Wish.PAUSE: ("agent.pause", "It finishes what it has and takes nothing more until it is told."),
    wire.Wish.DRAIN: ("agent.drain", "It finishes what it has and ends."),
}


@dataclass(frozen=True, slots=True)
class AgentLine:
    """An agent with whether it is there."""

    entry: Entry
    alive: bool


@dataclass(frozen=True, slots=True)
class MachinesPage:
    """Everything about the machines on one page. `token` is shown once, right after it was made."""

    lines: tuple[AgentLine, ...]
    queues: tuple[Queue, ...]
    services: tuple[Offer, ...]
    troubles: tuple[Trouble, ...]
    prices: tuple[tuple[str, Price], ...]
    letters: int
    form: Entered
    token: str | None
    server: str


@router.get("")
async def show(request: Request, staff: Staff, session: Reading) -> Response:
    """The console; a small script-free page that a browser can leave open and load anew."""
    page = await _page(request, session, staff, Entered())
    return render(request, "staff/machines.html", page, block=("machines", "queues"))


@router.post("/agents")
async def make(request: Request, admin: Admin) -> Response:
    """A new agent; its token is shown on the page that answers, and never again."""
    form = await forms.read(request)
    database = state_of(request).database
    token, status = None, 200
    try:
        async with database.unit() as session:
            agent_id, token = await agents.make(session, admin, name=form.get("name"))
            await audit.record(
                session,
                admin,
                action="agent.make",
                reason=form.get("reason"),
                details={"agent": agent_id, "name": form.get("name")},
            )
    except Fault as fault:
        form, token, status = form.failed(fault), None, forms.status_of(fault)
    async with database.reading() as session:
        page = await _page(request, session, admin, form if token is None else Entered(), token=token)
    return render(request, "staff/machines.html", page, status=status, headers={"Cache-Control": "no-store"})


@router.post("/agents/{agent_id}/wish")
async def wish(request: Request, staff: Staff, session: Unit, agent_id: int) -> Response:
    """Let an agent work, pause, or finish and end."""
    form = await forms.read(request)
    try:
        wanted = wire.Wish(form.get("wish"))
    except ValueError:
        raise Invalid("An agent works, pauses or drains.", code="bad_wish") from None
    action, told = DEEDS[wanted]
    await agents.want(session, staff, agent_id=agent_id, wish=wanted)
    await audit.record(
        session, staff, action=action, reason=form.get("reason") or told, details={"agent": agent_id}
    )
    return redirect(request, HERE, text=told)


@router.post("/agents/{agent_id}/revoke")
async def revoke(request: Request, admin: Admin, session: Unit, agent_id: int) -> Response:
    """Take an agent's token back; what it had goes to others."""
    form = await forms.read(request)
    await agents.revoke(session, admin, agent_id=agent_id)
    await audit.record(
        session, admin, action="agent.revoke", reason=form.get("reason"), details={"agent": agent_id}
    )
    return redirect(request, HERE, text="Its token opens nothing any more; its jobs go to others.")


async def _page(
    request: Request, session: AsyncSession, staff: Actor, form: Entered, *, token: str | None = None
) -> MachinesPage:
    settings = state_of(request).settings
    rules = settings.agents
    listed: Sequence[Entry] = await agents.listed(session, staff)
    services = await offering.offers(session, window="24h", lease_s=rules.lease_s)
    return MachinesPage(
        lines=tuple(AgentLine(entry, entry.alive(rules)) for entry in listed),
        queues=tuple(await queues.queues(session, staff, lease_s=rules.lease_s)),
        services=tuple(one for one in services if one.figures.requests or one.agents),
        troubles=tuple(await queues.troubles(session, staff)),
        prices=tuple(sorted(pricing.book().prices.items())),
        letters=len((await dead_letters.page(session)).items),
        form=form,
        token=token,
        server=str(request.base_url).rstrip("/"),
    )
