"""Agents: tokens that staff make, what machines say of themselves, and what operators want of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.agent_rules import AgentRules
from civitas.contracts.wire import agents as wire
from civitas.contracts.wire.base import PROTOCOL
from civitas.domains.accounts.types import Actor
from civitas.domains.orchestration.agent_tables import Agent, AgentResource
from civitas.domains.orchestration.dispatch import leases
from civitas.domains.orchestration.tables import JobClaim
from civitas.domains.orchestration.types import ClaimState
from civitas.infra.db.changes import count_changed
from civitas.infra.db.readpool import ReadPool
from civitas.kit import clock
from civitas.kit.errors import Invalid, NotFound, Unauthorised
from civitas.kit.ids import digest, new_secret
from civitas.kit.text import clean_line

PREFIX: Final = "civa_"
SHOWN: Final = len(PREFIX) + 6
LONGEST_TOKEN: Final = 200
LONGEST_NAME: Final = 80
LONGEST_CAPABILITY: Final = 120
REMEMBERED_S: Final = 10.0
MOST_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Known:
    """The agent behind a token."""

    id: int
    name: str
    wish: wire.Wish


@dataclass(frozen=True, slots=True)
class Entry:
    """An agent as operators see it."""

    id: int
    name: str
    token_prefix: str
    wish: wire.Wish
    created_at: datetime
    registered_at: datetime | None
    seen_at: datetime | None
    revoked_at: datetime | None
    capabilities: list[str]
    slots: int
    software: str
    hardware: Mapping[str, Any]
    resources: int
    running: int

    def alive(self, settings: AgentRules) -> bool:
        """Whether it was heard of lately, and may work."""
        return (
            self.revoked_at is None
            and self.seen_at is not None
            and (clock.now() - self.seen_at).total_seconds() <= settings.lease_s
        )


async def make(
    session: AsyncSession, actor: Actor, *, name: str, token: str | None = None
) -> tuple[int, str]:
    """A new agent and its token, which is shown now and never again; a given `token` is taken as it is.

    Raises Forbidden unless an administrator asks, Invalid (`bad_agent_name`, `bad_agent_token`).
    """
    maker = actor.require_admin()
    clean = clean_line(name)
    if not clean or len(clean) > LONGEST_NAME:
        raise Invalid(f"An agent's name has 1 to {LONGEST_NAME} characters.", code="bad_agent_name")
    secret = token or PREFIX + new_secret()
    if not secret.startswith(PREFIX) or not len(PREFIX) + 32 <= len(secret) <= LONGEST_TOKEN:
        raise Invalid(f"A token begins with {PREFIX} and has 32 more characters.", code="bad_agent_token")
    made = await session.execute(
        insert(Agent)
        .values(name=clean, token_hash=digest(secret), token_prefix=secret[:SHOWN], made_by=maker)
        .returning(Agent.id)
    )
    return int(made.scalar_one()), secret


_KNOWN: Final = "SELECT id, name, wish FROM agents WHERE token_hash = %(hash)s::bytea AND revoked_at IS NULL"


async def by_token(reads: ReadPool, token: str) -> Known:
    """The agent with this token. Raises Unauthorised (`bad_agent_token`) when it never was or was revoked."""
    if token.startswith(PREFIX) and len(token) <= LONGEST_TOKEN:
        rows = await reads.fetch(_KNOWN, {"hash": "\\x" + digest(token).hex()})
        for id, name, wish in rows:
            return Known(id, name, wire.Wish(wish))
    raise _not_known()


def _not_known() -> Unauthorised:
    return Unauthorised(
        "This agent token does not exist or was revoked; an operator can make a new one.",
        code="bad_agent_token",
    )


class Tokens:
    """Agents by their tokens, each remembered for a moment: a busy one says something many times a second.

    Whoever was revoked meanwhile can do nothing: it has no claims, gets none, and can neither register nor be heard.
    When something is refused under a token that was remembered, ask `again`.
    """

    def __init__(self, reads: ReadPool) -> None:
        self._reads = reads
        self._known: dict[str, tuple[float, Known]] = {}

    async def agent(self, token: str) -> Known:
        """As `by_token`."""
        found = self._known.get(token)
        if found is not None and found[0] > monotonic():
            return found[1]
        return await self.again(token)

    async def again(self, token: str) -> Known:
        """The same, looked up now."""
        self._known.pop(token, None)
        found = await by_token(self._reads, token)
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[token] = (monotonic() + REMEMBERED_S, found)
        return found


async def register(
    session: AsyncSession, agent_id: int, *, said: wire.Registration, settings: AgentRules
) -> wire.Registered:
    """Replace what the agent said of itself; claims of an earlier life of it go back to the queue.

    Raises Invalid (`wrong_protocol`, `bad_capability`), Unauthorised when its token was revoked.
    """
    if said.protocol != PROTOCOL:
        raise Invalid(
            f"This orchestrator speaks protocol {PROTOCOL}, not {said.protocol}.", code="wrong_protocol"
        )
    capabilities = _checked(said.capabilities)
    now = clock.now()
    changed = await count_changed(
        session,
        update(Agent)
        .where(Agent.id == agent_id, Agent.revoked_at.is_(None))
        .values(
            name=clean_line(said.name) or f"agent {agent_id}",
            capabilities=capabilities,
            slots=said.slots,
            software=said.software,
            hardware=said.hardware,
            registered_at=now,
            seen_at=now,
        ),
    )
    if not changed:
        raise _not_known()
    await _replace_resources(session, agent_id, said.resources)
    await leases.give_up(session, agent_id=agent_id, reason="the agent began anew")
    return wire.Registered(
        agent_id=agent_id,
        heartbeat_s=settings.heartbeat_s,
        lease_s=max(settings.lease_s, 3 * settings.heartbeat_s),
    )


def _checked(capabilities: Sequence[str]) -> list[str]:
    """Without repetition, `*` only as the whole of what is after the slash."""
    for one in capabilities:
        if not one or len(one) > LONGEST_CAPABILITY or "*" in one.removesuffix("/*"):
            raise Invalid(
                f"{one[:LONGEST_CAPABILITY]!r} is not a capability: a step's type, or that and a slash and a name or *.",
                code="bad_capability",
            )
    return sorted(set(capabilities))


async def _replace_resources(session: AsyncSession, agent_id: int, digests: Sequence[str]) -> None:
    known = sorted({one.upper() for one in digests if len(one) == 64 and one.isalnum()})
    await session.execute(
        delete(AgentResource).where(
            AgentResource.agent_id == agent_id, AgentResource.digest.not_in(known) if known else text("true")
        )
    )
    if known:
        rows = [{"digest": one, "agent_id": agent_id} for one in known]
        await session.execute(upsert(AgentResource).on_conflict_do_nothing(), rows)


async def beat(
    session: AsyncSession, agent_id: int, *, said: wire.Heartbeat, settings: AgentRules
) -> wire.Beat:
    """Note that the agent lives, renew the leases that it names, and tell which of them are no longer its own.

    Raises Unauthorised when its token was revoked.
    """
    wish = await session.scalar(
        update(Agent)
        .where(Agent.id == agent_id, Agent.revoked_at.is_(None))
        .values(seen_at=clock.now())
        .returning(Agent.wish)
    )
    if wish is None:
        raise _not_known()
    if said.resources is not None:
        await _replace_resources(session, agent_id, said.resources)
    kept = await leases.renew(session, agent_id=agent_id, claims=said.claims, settings=settings)
    return wire.Beat(wish=wire.Wish(wish), lost=sorted(set(said.claims) - kept))


async def want(session: AsyncSession, actor: Actor, *, agent_id: int, wish: wire.Wish) -> None:
    """Let an agent work, pause or end; it hears of it with its next word. Raises Forbidden, NotFound."""
    actor.require_moderator()
    changed = await count_changed(
        session, update(Agent).where(Agent.id == agent_id, Agent.revoked_at.is_(None)).values(wish=wish.value)
    )
    if not changed:
        raise _no_such_agent()


async def revoke(session: AsyncSession, actor: Actor, *, agent_id: int) -> None:
    """Make a token worthless at once and give what it had claimed to others. Raises Forbidden, NotFound."""
    actor.require_admin()
    changed = await count_changed(
        session,
        update(Agent).where(Agent.id == agent_id, Agent.revoked_at.is_(None)).values(revoked_at=clock.now()),
    )
    if not changed:
        raise _no_such_agent()
    await session.execute(delete(AgentResource).where(AgentResource.agent_id == agent_id))
    await leases.give_up(session, agent_id=agent_id, reason="the agent's token was revoked")


async def listed(session: AsyncSession, actor: Actor, *, revoked: bool = False) -> list[Entry]:
    """Every agent, by name. Raises Forbidden unless staff asks."""
    actor.require_moderator()
    files = select(func.count()).where(AgentResource.agent_id == Agent.id).correlate(Agent).scalar_subquery()
    running = (
        select(func.count())
        .where(JobClaim.agent_id == Agent.id, JobClaim.state == ClaimState.OPEN.value)
        .correlate(Agent)
        .scalar_subquery()
    )
    found = select(
        Agent.id,
        Agent.name,
        Agent.token_prefix,
        Agent.wish,
        Agent.created_at,
        Agent.registered_at,
        Agent.seen_at,
        Agent.revoked_at,
        Agent.capabilities,
        Agent.slots,
        Agent.software,
        Agent.hardware,
        files,
        running,
    ).order_by(Agent.name, Agent.id)
    if not revoked:
        found = found.where(Agent.revoked_at.is_(None))
    rows = await session.execute(found)
    return [_entry(tuple(row)) for row in rows]


def _entry(row: tuple[Any, ...]) -> Entry:
    id, name, prefix, wish, *rest = row
    return Entry(id, name, prefix, wire.Wish(wish), *rest)


def _no_such_agent() -> NotFound:
    return NotFound("There is no such agent, or its token was revoked.", code="no_such_agent")
