"""Choosing and changing a password."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import addresses, hashing, mail_links, sessions
from civitas.domains.accounts.mail_links import Purpose
from civitas.domains.accounts.notices import notify
from civitas.domains.accounts.policy import require_browser, require_fresh
from civitas.domains.accounts.sessions import SignedIn
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.kit import clock
from civitas.kit.errors import Invalid, NotFound


async def has_password(session: AsyncSession, actor: Actor) -> bool:
    """Whether the actor can sign in by password."""
    stored = await session.scalar(select(Person.password_hash).where(Person.id == actor.require()))
    return stored is not None


async def change(session: AsyncSession, actor: Actor, *, current: str | None, new: str) -> SignedIn:
    """Set the actor's password; every other session ends and this one gets a new secret.

    With a password already set `current` must be it; without one, a fresh proof of identity is needed
    (Forbidden, `prove_again`). Raises Invalid (`wrong_password`, `weak_password`).
    """
    person_id = require_browser(actor)
    stored = await session.scalar(select(Person.password_hash).where(Person.id == person_id))
    if stored is None:
        require_fresh(actor)
    else:
        fits, _ = await hashing.verify(current or "", stored)
        if not fits:
            told = "This is not your present password."
            raise Invalid(told, code="wrong_password", fields={"current": told})
    await _store(session, person_id, new)
    await sessions.revoke_others(session, actor)
    return await sessions.rotate(session, actor)


async def request_reset(session: AsyncSession, *, email: str) -> None:
    """Mail a link to choose a new password. The answer is the same whether the address has an account or not."""
    address = addresses.read(email)
    person_id = await session.scalar(
        select(Person.id).where(Person.email_folded == address.folded, Person.status == "active")
    )
    await mail_links.request(session, Purpose.RESET, address, person_id=person_id)


async def can_reset(session: AsyncSession, *, token: str) -> bool:
    """Whether a link of `request_reset` still holds; for the page that asks for the new password."""
    return await mail_links.look(session, Purpose.RESET, token) is not None


async def reset(session: AsyncSession, *, token: str, new: str) -> int:
    """Set a password by a mailed link and end every session; the person's id. It signs nobody in.

    A weak password (Invalid, `weak_password`) leaves the link good. Raises Invalid (`link_expired`).
    """
    redeemed = await mail_links.redeem(session, Purpose.RESET, token)
    person_id = await session.scalar(
        select(Person.id).where(
            Person.id == redeemed.person_id,
            Person.email_folded == redeemed.email_folded,
            Person.status == "active",
        )
    )
    if person_id is None:
        raise Invalid("This link has expired; ask for a new one.", code="link_expired")
    await _store(session, person_id, new)
    await session.execute(
        update(Person)
        .where(Person.id == person_id, Person.email_verified_at.is_(None))
        .values(email_verified_at=clock.now())
    )
    await sessions.revoke_all(session, person_id)
    return person_id


async def set_by_operator(session: AsyncSession, *, person_id: int, new: str) -> None:
    """Set a person's password from the command line and end every session of theirs."""
    await _store(session, person_id, new)
    await sessions.revoke_all(session, person_id)


async def _store(session: AsyncSession, person_id: int, new: str) -> None:
    row = (
        await session.execute(
            select(Person.username, Person.email).where(Person.id == person_id, Person.status != "deleted")
        )
    ).first()
    if row is None:
        raise NotFound("There is no such person.", code="no_such_person")
    hashing.check_strength(new, username=row.username or "", email=row.email or "")
    await session.execute(
        update(Person).where(Person.id == person_id).values(password_hash=await hashing.make_hash(new))
    )
    # Links that were asked for before must not undo the change.
    await mail_links.void(session, person_id, Purpose.RESET, Purpose.SIGN_IN)
    await notify(session, person_id, "password_changed")
