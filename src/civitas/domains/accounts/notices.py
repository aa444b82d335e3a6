"""Telling a person by mail that something changed: about their account always, about their work unless they mind."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import preferences
from civitas.domains.accounts.messages import SendLetter
from civitas.domains.accounts.tables import Person
from civitas.infra.queue.outbox import defer

# Letters that a person can do without, by the word that turns them off in `muted_notifications`.
OPTIONAL: Final = {
    "draft-aging": "draft_aging",
    "schedule-failed": "schedule_failed",
    "collaboration": "collaboration",
}


async def notify(session: AsyncSession, person_id: int, letter: str, *, detail: str = "") -> None:
    """Mail a letter of `letters` to a person's address after the commit; nothing without an address."""
    row = (await session.execute(select(Person.username, Person.email).where(Person.id == person_id))).first()
    if row is None or row.email is None:
        return
    await send(session, to=row.email, letter=letter, username=row.username or "", detail=detail)


async def tell(
    session: AsyncSession, person_id: int, kind: str, *, detail: str, more: str = "", path: str = ""
) -> bool:
    """Mail one of the `OPTIONAL` letters after the commit; False when the person has no address or minds.

    `detail` and `more` are what the letter names, `path` where on this site it leads.
    """
    row = (
        await session.execute(
            select(Person.username, Person.email, Person.settings).where(
                Person.id == person_id, Person.deleted_at.is_(None)
            )
        )
    ).first()
    if row is None or row.email is None or kind in preferences.read(row.settings).muted_notifications:
        return False
    context = {"username": row.username or "", "detail": detail, "more": more, "path": path}
    await defer(session, SendLetter(to=row.email, letter=OPTIONAL[kind], context=context))
    return True


async def send(session: AsyncSession, *, to: str, letter: str, username: str = "", detail: str = "") -> None:
    """The same to an address that is not, or no longer, the person's."""
    await defer(session, SendLetter(to=to, letter=letter, context={"username": username, "detail": detail}))


async def inform(
    session: AsyncSession, person_id: int, *, subject: str, told: str, path: str = "", label: str = ""
) -> None:
    """Mail one paragraph in a domain's own words, with a button to a page of ours; nothing without an address."""
    row = (await session.execute(select(Person.username, Person.email).where(Person.id == person_id))).first()
    if row is None or row.email is None:
        return
    words = {"username": row.username or "", "subject": subject, "told": told, "path": path, "label": label}
    await defer(session, SendLetter(to=row.email, letter="told", context=words))
