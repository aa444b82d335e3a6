"""Telling a person by mail that something about their account changed."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.messages import SendLetter
from civitas.domains.accounts.tables import Person
from civitas.infra.queue.outbox import defer


async def notify(session: AsyncSession, person_id: int, letter: str, *, detail: str = "") -> None:
    """Mail a letter of `letters` to a person's address after the commit; nothing without an address."""
    row = (await session.execute(select(Person.username, Person.email).where(Person.id == person_id))).first()
    if row is None or row.email is None:
        return
    await send(session, to=row.email, letter=letter, username=row.username or "", detail=detail)


async def send(session: AsyncSession, *, to: str, letter: str, username: str = "", detail: str = "") -> None:
    """The same to an address that is not, or no longer, the person's."""
    await defer(session, SendLetter(to=to, letter=letter, context={"username": username, "detail": detail}))
