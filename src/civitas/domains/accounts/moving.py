"""Changing the address of an account, confirmed at both ends."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import PersonVerified
from civitas.domains.accounts import addresses, mail_links, notices
from civitas.domains.accounts.addresses import Address
from civitas.domains.accounts.mail_links import Purpose
from civitas.domains.accounts.policy import require_fresh
from civitas.domains.accounts.tables import MailToken, Person
from civitas.domains.accounts.types import Actor
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid
from civitas.kit.ids import new_uuid

End = Literal["old", "new"]
_PURPOSE: dict[str, Purpose] = {"old": Purpose.CHANGE_OLD, "new": Purpose.CHANGE_NEW}


async def request_change(session: AsyncSession, actor: Actor, *, email: str) -> None:
    """Ask to use another address: both the old and the new one get a link, and both links must be used.

    An account without a verified address only confirms at the new one. When the new address has an account, no
    mail goes there and the answer is the same. An earlier request is void. Raises Invalid (`bad_email`,
    `email_domain_blocked`, `same_email`) and Forbidden (`prove_again`).
    """
    person_id = require_fresh(actor)
    address = addresses.read(email)
    await addresses.check_welcome(session, address)
    row = (
        await session.execute(
            select(Person.email, Person.email_folded, Person.email_verified_at).where(Person.id == person_id)
        )
    ).one()
    if row.email_folded == address.folded and row.email_verified_at is not None:
        told = "This is your address already."
        raise Invalid(told, code="same_email", fields={"email": told})
    await mail_links.void(session, person_id, Purpose.CHANGE_OLD, Purpose.CHANGE_NEW)
    holder = await session.scalar(
        select(Person.id).where(Person.email_folded == address.folded, Person.id != person_id)
    )
    two_ends = row.email is not None and row.email_verified_at is not None
    payload = {
        "pair": str(new_uuid()),
        "old": row.email or "",
        "new": address.written,
        "ends": 2 if two_ends else 1,
    }
    await mail_links.request(
        session,
        Purpose.CHANGE_NEW,
        address,
        person_id=person_id if holder is None else None,
        payload=payload,
    )
    if two_ends:
        old = Address(row.email, row.email_folded)
        await mail_links.request(session, Purpose.CHANGE_OLD, old, person_id=person_id, payload=payload)


async def confirm_end(session: AsyncSession, *, token: str, end: End) -> bool:
    """Use the link of one end. True when the address has changed now, False when the other end is awaited.

    Raises Invalid (`link_expired`), Conflict (`email_taken`) when somebody took the address meanwhile.
    """
    redeemed = await mail_links.redeem(session, _PURPOSE[end], token)
    pair = redeemed.payload.get("pair")
    person_id = redeemed.person_id or 0
    # Both ends at once: the second waits here and then sees the first.
    await session.execute(select(Person.id).where(Person.id == person_id).with_for_update())
    rows = (
        await session.execute(
            select(MailToken.purpose, MailToken.email, MailToken.email_folded).where(
                MailToken.person_id == person_id,
                MailToken.purpose.in_([Purpose.CHANGE_OLD.value, Purpose.CHANGE_NEW.value]),
                MailToken.payload["pair"].astext == pair,
                MailToken.used_at.is_not(None),
            )
        )
    ).all()
    if len(rows) < int(redeemed.payload.get("ends", 2)):
        return False
    new = next(row for row in rows if row.purpose == Purpose.CHANGE_NEW.value)
    await _apply(session, person_id, Address(new.email, new.email_folded))
    return True


async def set_by_staff(session: AsyncSession, *, person_id: int, email: str) -> None:
    """Set a person's address, taken as verified; for staff, who log it. Raises Conflict (`email_taken`)."""
    await _apply(session, person_id, addresses.read(email))


async def _apply(session: AsyncSession, person_id: int, address: Address) -> None:
    before = await session.scalar(select(Person.email).where(Person.id == person_id))
    statement = (
        update(Person)
        .where(Person.id == person_id, Person.status != "deleted")
        .values(email=address.written, email_folded=address.folded, email_verified_at=clock.now())
    )
    try:
        async with session.begin_nested():
            await session.execute(statement)
    except IntegrityError:
        raise Conflict("Another account uses this address now.", code="email_taken") from None
    await mail_links.void(session, person_id)
    await publish(session, PersonVerified(person_id))
    if before is not None:
        await notices.send(session, to=before, letter="address_changed", detail=address.written)
