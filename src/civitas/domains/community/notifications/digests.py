"""A mail a day with what one has not read, for those who ask for it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.community.notifications.messages import MailDigest
from civitas.domains.community.notifications.reading import Line, doers, line_of
from civitas.domains.community.notifications.tables import Notification, NotificationDigest
from civitas.infra.queue.outbox import defer
from civitas.kit import clock
from civitas.kit.errors import Invalid
from civitas.kit.ids import row_id
from civitas.kit.sql import statements

BATCH: Final = 500
# Lines in one mail; how many more there are is said.
SHOWN: Final = 20
# A schedule that comes a little early, or twice, mails nobody twice a day.
APART: Final = timedelta(hours=20)
_DUE: Final = statements("civitas.domains.community.notifications", "delivering.sql")["due_digests"]


@dataclass(frozen=True, slots=True)
class DigestKey:
    """What links to unsubscribe are signed with: they work without signing in, for this one thing, and do not expire."""

    secret: bytes

    @classmethod
    def derived(cls, instance_secret: bytes) -> DigestKey:
        """The key for this purpose (HKDF's expand step, RFC 5869)."""
        return cls(hmac.new(instance_secret, b"digest unsubscribing\x01", hashlib.sha256).digest())

    def token(self, person_id: int) -> str:
        """A person's token, always the same."""
        number = str(person_id).encode()
        signature = hmac.digest(self.secret, number, hashlib.sha256)[:18]
        return f"{person_id}.{base64.urlsafe_b64encode(signature).decode()}"

    def person(self, token: str) -> int:
        """Whose token it is. Raises Invalid (`bad_token`)."""
        number = row_id(token.partition(".")[0])
        if number is None or not hmac.compare_digest(self.token(number).encode(), token.encode()):
            raise Invalid("This link is not complete. Copy all of it from the mail.", code="bad_token")
        return number


@dataclass(frozen=True, slots=True)
class Digest:
    """What one mail tells."""

    email: str
    username: str
    lines: Sequence[Line]
    total: int


async def wanted(session: AsyncSession, actor: Actor) -> bool:
    """Whether the actor gets the mail of the day."""
    person = actor.require(Scope.NOTIFICATIONS_READ)
    return await session.get(NotificationDigest, person) is not None


async def want(session: AsyncSession, actor: Actor, *, on: bool) -> None:
    """Ask for the mail of the day, or do without it. The first one tells what comes from now on. Twice is once."""
    person = actor.require(Scope.NOTIFICATIONS_WRITE)
    if not on:
        await unsubscribe(session, person_id=person)
        return
    await session.execute(
        insert(NotificationDigest).values(person_id=person, told_until=clock.now()).on_conflict_do_nothing()
    )


async def unsubscribe(session: AsyncSession, *, person_id: int) -> None:
    """No mail of the day for this person, who came by a signed link."""
    await session.execute(delete(NotificationDigest).where(NotificationDigest.person_id == person_id))


async def claim(session: AsyncSession, *, limit: int = BATCH) -> int:
    """Mark the next who are due as told, and defer a mail for those with something unread; how many were marked."""
    now = clock.now()
    rows = (await session.execute(text(_DUE), {"before": now - APART, "now": now, "limit": limit})).all()
    for row in rows:
        if row.worth:
            await defer(
                session,
                MailDigest(row.person_id, row.since.isoformat(), now.isoformat()),
                once=f"digest:{row.person_id}",
            )
    return len(rows)


async def of(session: AsyncSession, *, person_id: int, since: datetime, until: datetime) -> Digest | None:
    """What a person has not read of a time; None when they no longer want it, or have read everything."""
    who = (
        await session.execute(
            select(Person.email, Person.username)
            .join(NotificationDigest, NotificationDigest.person_id == Person.id)
            .where(Person.id == person_id, Person.status == "active", Person.email_verified_at.is_not(None))
        )
    ).first()
    if who is None or who.email is None:
        return None
    unread = (
        Notification.person_id == person_id,
        Notification.read_at.is_(None),
        Notification.changed_at > since,
        Notification.changed_at <= until,
    )
    total = await session.scalar(select(func.count()).where(*unread))
    rows = (
        await session.scalars(
            select(Notification)
            .where(*unread)
            .order_by(Notification.changed_at.desc(), Notification.id.desc())
            .limit(SHOWN)
        )
    ).all()
    if not rows:
        return None
    known = await doers(session, [person for row in rows for person in row.actors[:3]])
    return Digest(who.email, who.username or "", [line_of(row, known) for row in rows], int(total or 0))
