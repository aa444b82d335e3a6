"""Several accounts in one browser (FEATURES A5): which of the sessions it keeps still live, and going over to one.

The browser keeps the secrets of its other sessions in an encrypted cookie; nothing here is stored beside the sessions
themselves, so that signing out everywhere ends those too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.actors import COLUMNS, actor_from
from civitas.domains.accounts.sessions import SignedIn
from civitas.domains.accounts.tables import Person, PersonSession
from civitas.domains.accounts.types import Actor
from civitas.kit import clock
from civitas.kit.errors import Unauthorised
from civitas.kit.ids import digest, new_secret

# Beside the one that is in use.
MOST_KEPT = 4


@dataclass(frozen=True, slots=True)
class KeptAccount:
    """An account that this browser is still signed in to, beside the one in use."""

    person_id: int
    username: str
    avatar_key: str | None
    token: str
    last_seen_at: datetime


async def kept(session: AsyncSession, actor: Actor, *, tokens: Sequence[str]) -> list[KeptAccount]:
    """Whose sessions these secrets open, each account once, in the order given; dead ones and one's own left out."""
    wanted = {digest(token): token for token in tokens[: 2 * MOST_KEPT]}
    if not wanted:
        return []
    rows = await session.execute(
        select(
            PersonSession.digest,
            PersonSession.last_seen_at,
            Person.id,
            Person.username,
            Person.avatar_key,
        )
        .join(Person, Person.id == PersonSession.person_id)
        .where(
            PersonSession.digest.in_(wanted),
            PersonSession.expires_at > clock.now(),
            Person.status == "active",
        )
    )
    found = {bytes(row.digest): row for row in rows}
    accounts: dict[int, KeptAccount] = {}
    for key, token in wanted.items():
        row = found.get(key)
        if row is not None and row.id != actor.id:
            account = KeptAccount(row.id, row.username, row.avatar_key, token, row.last_seen_at)
            accounts.setdefault(row.id, account)
    return list(accounts.values())[:MOST_KEPT]


async def go_over(session: AsyncSession, *, token: str) -> SignedIn:
    """Use the session that this secret opens, under a new secret; the old one stops working.

    Raises Unauthorised (`session_ended`) when it ended or its account is no longer active.
    """
    fresh, moment = new_secret(), clock.now()
    row = (
        await session.execute(
            update(PersonSession)
            .where(
                PersonSession.digest == digest(token),
                PersonSession.expires_at > moment,
                PersonSession.person_id.in_(select(Person.id).where(Person.status == "active")),
            )
            .values(digest=digest(fresh), last_seen_at=moment)
            .returning(
                PersonSession.id, PersonSession.person_id, PersonSession.expires_at, PersonSession.proved_at
            )
        )
    ).first()
    if row is None:
        raise Unauthorised("This account is signed out here; sign in to it again.", code="session_ended")
    person = (await session.execute(select(*COLUMNS).where(Person.id == row.person_id))).one()
    actor = actor_from(person, via="session", session_id=row.id, proved_at=row.proved_at)
    return SignedIn(actor, fresh, row.expires_at)


async def end_all(session: AsyncSession, *, tokens: Sequence[str]) -> None:
    """End the sessions that these secrets open."""
    await session.execute(
        delete(PersonSession).where(PersonSession.digest.in_([digest(token) for token in tokens]))
    )
