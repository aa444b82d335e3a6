"""Signed-in browsers: opening, listing, ending, and a new secret when rights change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.actors import COLUMNS, actor_from
from civitas.domains.accounts.policy import require_browser
from civitas.domains.accounts.tables import Person, PersonSession
from civitas.domains.accounts.types import Actor
from civitas.infra.db.changes import count_changed
from civitas.kit import clock
from civitas.kit.errors import Forbidden, NotFound, Unauthorised
from civitas.kit.ids import digest, new_secret
from civitas.kit.text import clean_line

# A session ends this long after it was last seen, and in any case a year after it began.
IDLE = timedelta(days=30)
LONGEST = timedelta(days=365)
# The oldest sessions of a person give way beyond this many.
MOST = 50


@dataclass(frozen=True, slots=True)
class Browser:
    """Where somebody signs in from, as their list of sessions shows it."""

    user_agent: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session was opened: `token` goes into the cookie and exists nowhere else."""

    actor: Actor
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One line of the list of sessions."""

    id: int
    method: str
    user_agent: str
    address: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    current: bool


async def open_session(
    session: AsyncSession, person_id: int, *, method: str, browser: Browser = Browser()
) -> SignedIn:
    """Sign a living person in. `method` is how they proved it: password, link, passkey, google ...

    Raises Forbidden (`banned`) for a closed account and Unauthorised for one that does not exist.
    """
    row = (await session.execute(select(*COLUMNS, Person.ban_code).where(Person.id == person_id))).first()
    if row is None or row.status == "deleted":
        raise Unauthorised("This account does not exist any more.", code="no_such_person")
    if row.status == "banned":
        raise Forbidden("This account was closed by staff.", code="banned", details={"banCode": row.ban_code})
    token, moment = new_secret(), clock.now()
    expires = moment + IDLE
    session_id = await session.scalar(
        insert(PersonSession)
        .values(
            person_id=person_id,
            digest=digest(token),
            method=method,
            user_agent=clean_line(browser.user_agent[:1000])[:400],
            address=browser.address[:64],
            created_at=moment,
            proved_at=moment,
            last_seen_at=moment,
            expires_at=expires,
        )
        .returning(PersonSession.id)
    )
    await _trim(session, person_id)
    actor = actor_from(row, via="session", session_id=session_id, proved_at=moment)
    return SignedIn(actor, token, expires)


async def _trim(session: AsyncSession, person_id: int) -> None:
    surplus = (
        select(PersonSession.id)
        .where(PersonSession.person_id == person_id)
        .order_by(PersonSession.last_seen_at.desc(), PersonSession.id.desc())
        .offset(MOST)
    )
    await session.execute(delete(PersonSession).where(PersonSession.id.in_(surplus)))


async def mine(session: AsyncSession, actor: Actor) -> list[SessionInfo]:
    """The actor's live sessions, the one seen last first; at most `MOST`."""
    rows = await session.execute(
        select(
            PersonSession.id,
            PersonSession.method,
            PersonSession.user_agent,
            PersonSession.address,
            PersonSession.created_at,
            PersonSession.last_seen_at,
            PersonSession.expires_at,
        )
        .where(PersonSession.person_id == actor.require(), PersonSession.expires_at > clock.now())
        .order_by(PersonSession.last_seen_at.desc(), PersonSession.id.desc())
        .limit(MOST)
    )
    return [SessionInfo(*row, current=row.id == actor.session_id) for row in rows]


async def rotate(session: AsyncSession, actor: Actor) -> SignedIn:
    """The same session with a new secret; the old one stops working at once.

    For every change of rights or credentials, so that a secret seen before it is worth nothing after it.
    Raises Unauthorised when the session has ended meanwhile.
    """
    require_browser(actor)
    token = new_secret()
    row = (
        await session.execute(
            update(PersonSession)
            .where(PersonSession.id == actor.session_id, PersonSession.person_id == actor.require())
            .values(digest=digest(token), last_seen_at=clock.now())
            .returning(PersonSession.expires_at, PersonSession.proved_at)
        )
    ).first()
    if row is None:
        raise Unauthorised("You have been signed out; sign in again.", code="session_ended")
    person = (await session.execute(select(*COLUMNS).where(Person.id == actor.id))).one()
    fresh = actor_from(person, via="session", session_id=actor.session_id, proved_at=row.proved_at)
    return SignedIn(fresh, token, row.expires_at)


async def end(session: AsyncSession, actor: Actor) -> None:
    """Sign this browser out."""
    if actor.session_id is not None:
        await session.execute(delete(PersonSession).where(PersonSession.id == actor.session_id))


async def revoke(session: AsyncSession, actor: Actor, *, session_id: int) -> None:
    """End one of the actor's sessions; NotFound when it is not theirs or has ended."""
    require_browser(actor)
    gone = await count_changed(
        session,
        delete(PersonSession).where(
            PersonSession.id == session_id, PersonSession.person_id == actor.require()
        ),
    )
    if not gone:
        raise NotFound("This session has ended already.", code="no_such_session")


async def revoke_others(session: AsyncSession, actor: Actor) -> int:
    """End every session of the actor but this one, and say how many that were."""
    require_browser(actor)
    return await revoke_all(session, actor.require(), but=actor.session_id)


async def revoke_all(session: AsyncSession, person_id: int, *, but: int | None = None) -> int:
    """End every session of a person (except `but`), and say how many that were."""
    statement = delete(PersonSession).where(PersonSession.person_id == person_id)
    if but is not None:
        statement = statement.where(PersonSession.id != but)
    return await count_changed(session, statement)
