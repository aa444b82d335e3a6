"""Secrets that callbacks are signed with: shown once, replaced with an overlap, taken back at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.orchestration.callback_tables import CallbackSecret
from civitas.domains.orchestration.delivering import signing
from civitas.domains.orchestration.delivering.signing import CallbackKey
from civitas.kit import clock
from civitas.kit.errors import NotFound
from civitas.kit.sealing import seal, unseal

_PURPOSE: Final = b"civitas callback secrets"
_HINT: Final = 4
# More would only make every callback longer.
_MOST_SIGNING: Final = 2


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """A secret without itself; `expires_at` is set while another one replaces it."""

    id: int
    hint: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Issued:
    """A new secret, shown this once."""

    facts: SecretFacts
    secret: str


async def issue(session: AsyncSession, actor: Actor, *, key: CallbackKey, overlap: timedelta) -> Issued:
    """Make a secret. The one before it goes on signing for `overlap`, older ones end at once."""
    person, now = actor.require(Scope.AI_SERVICES_WRITE), clock.now()
    older = list(
        await session.scalars(
            select(CallbackSecret)
            .where(CallbackSecret.person_id == person, _still(now))
            .order_by(CallbackSecret.id.desc())
            .with_for_update()
        )
    )
    ends = now + overlap
    for secret in older[: _MOST_SIGNING - 1]:
        secret.expires_at = min(secret.expires_at or ends, ends)
    for secret in older[_MOST_SIGNING - 1 :]:
        secret.expires_at = now
    text = signing.new_secret()
    made = CallbackSecret(
        person_id=person,
        sealed=seal(key.secret, _PURPOSE, person, text),
        hint=text[-_HINT:],
        created_at=now,
    )
    session.add(made)
    await session.flush()
    return Issued(_facts(made), text)


async def of_person(session: AsyncSession, actor: Actor) -> Sequence[SecretFacts]:
    """The secrets that sign now, the newest first."""
    found = await session.scalars(
        select(CallbackSecret)
        .where(CallbackSecret.person_id == actor.require(Scope.AI_SERVICES_READ), _still(clock.now()))
        .order_by(CallbackSecret.id.desc())
    )
    return [_facts(secret) for secret in found]


async def revoke(session: AsyncSession, actor: Actor, *, secret_id: int) -> None:
    """Let a secret sign nothing more from now on. Raises NotFound (`secret_not_found`)."""
    ended = await session.scalar(
        update(CallbackSecret)
        .where(
            CallbackSecret.id == secret_id,
            CallbackSecret.person_id == actor.require(Scope.AI_SERVICES_WRITE),
            _still(clock.now()),
        )
        .values(expires_at=clock.now())
        .returning(CallbackSecret.id)
    )
    if ended is None:
        raise NotFound("There is no such secret; it may have ended.", code="secret_not_found")


async def signing_for(
    session: AsyncSession, people: Collection[int], *, key: CallbackKey
) -> Mapping[int, Sequence[str]]:
    """What each person's callbacks are signed with now, the newest first. One that cannot be unsealed is left out."""
    found: dict[int, list[str]] = {}
    if not people:
        return found
    rows = await session.scalars(
        select(CallbackSecret)
        .where(CallbackSecret.person_id.in_(set(people)), _still(clock.now()))
        .order_by(CallbackSecret.id.desc())
    )
    for row in rows:
        text = unseal(key.secret, _PURPOSE, row.person_id, row.sealed)
        if text is not None:
            found.setdefault(row.person_id, []).append(text)
    return found


async def forget_ended(session: AsyncSession) -> None:
    """Remove secrets that sign nothing any more."""
    await session.execute(delete(CallbackSecret).where(CallbackSecret.expires_at <= clock.now()))


def _still(now: datetime) -> ColumnElement[bool]:
    return or_(CallbackSecret.expires_at.is_(None), CallbackSecret.expires_at > now)


def _facts(secret: CallbackSecret) -> SecretFacts:
    return SecretFacts(secret.id, secret.hint, secret.created_at, secret.expires_at)
