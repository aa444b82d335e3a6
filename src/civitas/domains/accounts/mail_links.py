"""Secrets that travel by mail: made when the mail is written, kept as digests, good once and for one purpose.

A request only writes a row that cannot be matched. The task that writes the mail makes the secret, so that it
is never at rest: not in the database, not in the queue.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.addresses import Address
from civitas.domains.accounts.messages import SendLink
from civitas.domains.accounts.tables import MailToken
from civitas.infra.queue.outbox import defer
from civitas.kit import clock
from civitas.kit.errors import Invalid
from civitas.kit.ids import digest, new_secret

LONGEST_SECRET = 200
# So many links of one purpose go to one address in an hour; further requests are answered the same and send nothing.
PER_HOUR = 5


class Purpose(StrEnum):
    """What a mailed link does."""

    JOIN = "join"
    # Somebody tried to join with an address that has an account: its owner is told, no link works.
    JOIN_AGAIN = "join_again"
    VERIFY = "verify"
    SIGN_IN = "sign_in"
    RESET = "reset"
    CHANGE_OLD = "change_old"
    CHANGE_NEW = "change_new"


LIFETIME: dict[Purpose, timedelta] = {
    Purpose.JOIN: timedelta(hours=24),
    Purpose.JOIN_AGAIN: timedelta(hours=24),
    Purpose.VERIFY: timedelta(hours=24),
    Purpose.SIGN_IN: timedelta(minutes=15),
    Purpose.RESET: timedelta(hours=1),
    Purpose.CHANGE_OLD: timedelta(hours=24),
    Purpose.CHANGE_NEW: timedelta(hours=24),
}


async def request(
    session: AsyncSession,
    purpose: Purpose,
    address: Address,
    *,
    person_id: int | None,
    payload: dict[str, Any] | None = None,
) -> None:
    """Have a link mailed to `address`, or do the same work for nothing.

    Nothing is sent when more than `PER_HOUR` were asked for, or when nobody is behind an address that needs
    somebody (`person_id` None for any purpose but JOIN). The caller cannot tell the difference.
    """
    moment = clock.now()
    token_id = await session.scalar(
        insert(MailToken)
        .values(
            digest=secrets.token_bytes(32),
            purpose=purpose.value,
            person_id=person_id,
            email=address.written,
            email_folded=address.folded,
            payload=payload or {},
            created_at=moment,
            expires_at=moment + LIFETIME[purpose],
        )
        .returning(MailToken.id)
    )
    await defer(session, SendLink(token_id=int(token_id or 0)))


async def arm(session: AsyncSession, token_id: int) -> tuple[MailToken, str] | None:
    """Give a requested link its secret; None when it must not be sent. Called by the task that mails it."""
    token = await session.get(MailToken, token_id, with_for_update=True)
    if token is None or token.used_at is not None or token.expires_at <= clock.now():
        return None
    if token.person_id is None and token.purpose != Purpose.JOIN:
        return None
    recent = await session.scalar(
        select(func.count())
        .select_from(MailToken)
        .where(
            MailToken.purpose == token.purpose,
            MailToken.email_folded == token.email_folded,
            MailToken.created_at > token.created_at - timedelta(hours=1),
            MailToken.id < token.id,
        )
    )
    if (recent or 0) >= PER_HOUR:
        return None
    secret = new_secret()
    token.digest = digest(secret)
    return token, secret


async def look(session: AsyncSession, purpose: Purpose, secret: str) -> MailToken | None:
    """The live token behind a secret, not used up by this: for the page that shows the button."""
    if not 0 < len(secret) <= LONGEST_SECRET:
        return None
    found: MailToken | None = await session.scalar(
        select(MailToken).where(
            MailToken.digest == digest(secret),
            MailToken.purpose == purpose.value,
            MailToken.used_at.is_(None),
            MailToken.expires_at > clock.now(),
        )
    )
    return found


async def redeem(session: AsyncSession, purpose: Purpose, secret: str) -> MailToken:
    """Use a secret up; of two who come at once one succeeds.

    Raises Invalid (`link_expired`) for one that is unknown, used, expired or made for something else.
    """
    if 0 < len(secret) <= LONGEST_SECRET:
        token: MailToken | None = await session.scalar(
            update(MailToken)
            .where(
                MailToken.digest == digest(secret),
                MailToken.purpose == purpose.value,
                MailToken.used_at.is_(None),
                MailToken.expires_at > clock.now(),
            )
            .values(used_at=clock.now())
            .returning(MailToken)
        )
        if token is not None:
            return token
    raise Invalid("This link has expired or was used already; ask for a new one.", code="link_expired")


async def void(session: AsyncSession, person_id: int, *purposes: Purpose) -> None:
    """Make a person's links of these purposes (all when none is named) useless."""
    statement = update(MailToken).where(MailToken.person_id == person_id, MailToken.used_at.is_(None))
    if purposes:
        statement = statement.where(MailToken.purpose.in_([p.value for p in purposes]))
    await session.execute(statement.values(used_at=clock.now()))
