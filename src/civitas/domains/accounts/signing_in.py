"""Proving who one is, and being recognised afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import addresses, hashing, mail_links, sessions, totp
from civitas.domains.accounts.actors import COLUMNS, actor_from
from civitas.domains.accounts.mail_links import Purpose
from civitas.domains.accounts.policy import require_browser
from civitas.domains.accounts.sessions import Browser, SignedIn
from civitas.domains.accounts.tables import Ceremony, Identity, Passkey, Person, PersonSession
from civitas.domains.accounts.types import Actor
from civitas.infra.db.changes import count_changed
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid, Unauthorised
from civitas.kit.ids import digest, new_secret

SECOND_STEP_LIFETIME = timedelta(minutes=10)
SECOND_STEP_ATTEMPTS = 5
SEEN_EVERY = timedelta(minutes=1)
LONGEST_TOKEN = 200


@dataclass(frozen=True, slots=True)
class SecondStep:
    """The first proof held; a code from the app (or a recovery code) must follow. `ticket` goes back with it."""

    ticket: str
    expires_at: datetime


async def by_password(
    session: AsyncSession, *, login: str, password: str, browser: Browser = Browser()
) -> SignedIn | SecondStep:
    """Sign in with a username or an address, and a password.

    Raises Unauthorised (`wrong_credentials`), the same and after the same work whether the person, the
    password or the account's password is missing or wrong; Forbidden (`banned`) only to who knows the password.
    """
    person_id, stored = await _find(session, login)
    fits, renewed = await hashing.verify(password, stored)
    if not fits or person_id is None:
        raise _wrong()
    if renewed is not None:
        await session.execute(update(Person).where(Person.id == person_id).values(password_hash=renewed))
    return await proceed(session, person_id, method="password", browser=browser)


async def _find(session: AsyncSession, login: str) -> tuple[int | None, str | None]:
    column, folded = Person.username_folded, login.strip().lower()[:64]
    if "@" in login:
        column = Person.email_folded
        try:
            folded = addresses.read(login).folded
        except Invalid:
            folded = ""
    row = (
        await session.execute(
            select(Person.id, Person.password_hash).where(column == folded.replace("\0", ""))
        )
    ).first()
    return (row.id, row.password_hash) if row else (None, None)


async def proceed(
    session: AsyncSession, person_id: int, *, method: str, browser: Browser = Browser()
) -> SignedIn | SecondStep:
    """After a first proof: ask for the second step where the person has turned it on, else open the session."""
    if not await totp.is_on(session, person_id):
        return await sessions.open_session(session, person_id, method=method, browser=browser)
    ticket, expires = new_secret(), clock.now() + SECOND_STEP_LIFETIME
    await session.execute(
        insert(Ceremony).values(
            digest=digest(ticket),
            purpose="second_step",
            person_id=person_id,
            method=method,
            expires_at=expires,
        )
    )
    return SecondStep(ticket, expires)


async def by_second_step(
    session: AsyncSession, *, ticket: str, code: str, secret: bytes, browser: Browser = Browser()
) -> SignedIn | None:
    """Finish signing in with a code; None for a wrong one.

    None must be committed, because the attempt is counted: answer it, do not raise. After
    `SECOND_STEP_ATTEMPTS` the ticket is void. `secret` is the instance's secret key.
    Raises Unauthorised (`ticket_expired`) when the first step has to be repeated, Limited when the person's
    codes were guessed at too often.
    """
    found = await session.scalar(
        select(Ceremony)
        .where(
            Ceremony.digest == digest(ticket[: LONGEST_TOKEN + 1]),
            Ceremony.purpose == "second_step",
            Ceremony.expires_at > clock.now(),
            Ceremony.attempts < SECOND_STEP_ATTEMPTS,
        )
        .with_for_update()
    )
    if found is None or found.person_id is None:
        raise Unauthorised("That took too long or too many tries; sign in again.", code="ticket_expired")
    if not await totp.accept(session, found.person_id, code=code, secret=secret):
        found.attempts += 1
        await session.flush()
        return None
    person_id, method = found.person_id, found.method
    await session.delete(found)
    return await sessions.open_session(session, person_id, method=method, browser=browser)


async def request_link(session: AsyncSession, *, email: str) -> None:
    """Mail a link that signs in. The answer is the same whether the address has an account or not."""
    address = addresses.read(email)
    person_id = await session.scalar(
        select(Person.id).where(Person.email_folded == address.folded, Person.status == "active")
    )
    await mail_links.request(session, Purpose.SIGN_IN, address, person_id=person_id)


async def by_link(
    session: AsyncSession, *, token: str, browser: Browser = Browser()
) -> SignedIn | SecondStep:
    """Sign in with a mailed link; it also shows that the address is theirs.

    Raises Invalid (`link_expired`).
    """
    redeemed = await mail_links.redeem(session, Purpose.SIGN_IN, token)
    person_id = redeemed.person_id or 0
    await session.execute(
        update(Person)
        .where(
            Person.id == person_id,
            Person.email_folded == redeemed.email_folded,
            Person.email_verified_at.is_(None),
        )
        .values(email_verified_at=clock.now())
    )
    return await proceed(session, person_id, method="link", browser=browser)


async def actor_of_session(session: AsyncSession, token: str) -> Actor | None:
    """Whoever this cookie's secret belongs to, or None.

    In a writing transaction it also moves the session's end, at most once in `SEEN_EVERY`; in a READ ONLY one
    it only reads.
    """
    if not 0 < len(token) <= LONGEST_TOKEN:
        return None
    moment = clock.now()
    row = (
        await session.execute(
            select(
                *COLUMNS,
                PersonSession.id.label("session_id"),
                PersonSession.proved_at,
                PersonSession.last_seen_at,
                func.current_setting("transaction_read_only").label("read_only"),
            )
            .join(Person, Person.id == PersonSession.person_id)
            .where(
                PersonSession.digest == digest(token),
                PersonSession.expires_at > moment,
                Person.status == "active",
            )
        )
    ).first()
    if row is None:
        return None
    if row.read_only == "off" and row.last_seen_at < moment - SEEN_EVERY:
        await session.execute(
            update(PersonSession)
            .where(PersonSession.id == row.session_id, PersonSession.last_seen_at < moment - SEEN_EVERY)
            .values(
                last_seen_at=moment,
                expires_at=func.least(moment + sessions.IDLE, PersonSession.created_at + sessions.LONGEST),
            )
        )
    return actor_from(row, via="session", session_id=row.session_id, proved_at=row.proved_at)


async def prove_again(session: AsyncSession, actor: Actor, *, password: str) -> SignedIn:
    """Confirm by password that it is still the same person, before something dangerous.

    The session gets a new secret. Raises Unauthorised (`wrong_credentials`).
    """
    person_id = require_browser(actor)
    stored = await session.scalar(select(Person.password_hash).where(Person.id == person_id))
    fits, _ = await hashing.verify(password, stored)
    if not fits:
        raise _wrong()
    return await proved(session, actor)


async def proved(session: AsyncSession, actor: Actor) -> SignedIn:
    """Note that the person of this session has just proved who they are, and give it a new secret."""
    await session.execute(
        update(PersonSession).where(PersonSession.id == actor.session_id).values(proved_at=clock.now())
    )
    return await sessions.rotate(session, actor)


async def require_way_in(session: AsyncSession, person_id: int) -> None:
    """Raise Conflict (`last_way_in`) when nothing is left by which this person can sign in."""
    ways = await session.scalar(
        select(
            or_(
                Person.password_hash.is_not(None),
                Person.email_verified_at.is_not(None),
                select(Passkey.id).where(Passkey.person_id == person_id).exists(),
                select(Identity.id).where(Identity.person_id == person_id).exists(),
            )
        ).where(Person.id == person_id)
    )
    if not ways:
        raise Conflict(
            "Nothing else opens your account; set a password or an address first.", code="last_way_in"
        )


async def sweep(session: AsyncSession) -> int:
    """Delete sessions and half-done sign-ins that have expired; how many rows that were."""
    gone = 0
    for table in (PersonSession, Ceremony):
        gone += await count_changed(session, delete(table).where(table.expires_at < clock.now()))
    return gone


def _wrong() -> Unauthorised:
    return Unauthorised("The name or password is wrong.", code="wrong_credentials")
