"""API keys: secrets for programs, shown once (FEATURES A12, U4-U7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.actors import actor_from
from civitas.domains.accounts.notices import notify
from civitas.domains.accounts.policy import require_browser
from civitas.domains.accounts.tables import ApiKey
from civitas.domains.accounts.types import KNOWN_SCOPES, Actor, Scope
from civitas.infra.db.changes import count_changed
from civitas.infra.db.readpool import ReadPool
from civitas.infra.db.statements import fetch
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound
from civitas.kit.ids import digest, new_secret
from civitas.kit.text import clean_line

PREFIX = "civitas_"
SHOWN = len(PREFIX) + 6
MOST = 100
LONGEST_NAME = 60
LONGEST_SECRET = 256
SEEN_EVERY = timedelta(minutes=1)


class BuzzRule(BaseModel):
    """One limit on what a key may spend (FEATURES U7)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["absolute", "sliding"]
    amount: int = Field(ge=0, le=10**12)
    # For sliding rules: over the last `window` units.
    unit: Literal["second", "minute", "hour", "day", "week", "month"] | None = None
    window: int | None = Field(default=None, ge=1, le=10_000)
    currency: Literal["blue", "green", "yellow"] | None = None


_RULES = TypeAdapter(list[BuzzRule])


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """One line of the list of keys."""

    id: int
    name: str
    prefix: str
    scopes: Scope
    buzz_limit: list[dict[str, Any]] | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: `secret` is shown now and never again."""

    info: KeyInfo
    secret: str


_INFO = (
    ApiKey.id,
    ApiKey.name,
    ApiKey.prefix,
    ApiKey.scopes,
    ApiKey.buzz_limit,
    ApiKey.created_at,
    ApiKey.expires_at,
    ApiKey.last_used_at,
)


def read_scopes(mask: int) -> Scope:
    """A scope mask from outside; UserRead is always in it.

    Raises Invalid (`invalid_scope`) as a whole when any bit is unknown, rather than dropping it.
    """
    if isinstance(mask, bool) or mask < 0 or mask & ~int(KNOWN_SCOPES):
        raise Invalid(
            "This scope mask has bits that mean nothing here.",
            code="invalid_scope",
            fields={"scopes": "Unknown scope bits."},
        )
    return Scope(mask) | Scope.USER_READ


async def create(
    session: AsyncSession,
    actor: Actor,
    *,
    name: str,
    scopes: int = int(Scope.FULL),
    expires_at: datetime | None = None,
    buzz_limit: Sequence[dict[str, Any]] | None = None,
) -> NewKey:
    """Make a key for the actor and return its secret, once.

    A key that makes a key can only pass on scopes that it has, and not longer than it lives itself; that needs
    UserWrite. Raises Invalid for a bad name, scope, expiry or limit, Conflict beyond `MOST` keys.
    """
    person_id = actor.require(Scope.USER_WRITE)
    wanted = read_scopes(scopes)
    if actor.via == "key" and wanted & ~actor.scopes:
        raise Forbidden("A key can only pass on scopes that it has.", code="insufficient_scope")
    if actor.via == "key":
        await _require_unlimited(session, actor)
        expires_at = await _no_longer_than(session, actor, expires_at)
    moment = clock.now()
    label = clean_line(name[:1000])
    fields: dict[str, str] = {}
    if not 0 < len(label) <= LONGEST_NAME:
        fields["name"] = f"Use 1 to {LONGEST_NAME} characters."
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= moment):
        fields["expiresAt"] = "Choose a moment in the future, with its time zone."
    if fields:
        raise Invalid("This key cannot be made.", code="bad_key", fields=fields)
    rules = _rules(buzz_limit)
    held = await session.scalar(select(func.count()).select_from(ApiKey).where(ApiKey.person_id == person_id))
    if (held or 0) >= MOST:
        raise Conflict(f"You have {MOST} keys; revoke one first.", code="too_many_keys")
    secret = PREFIX + new_secret()
    row = (
        await session.execute(
            insert(ApiKey)
            .values(
                person_id=person_id,
                name=label,
                prefix=secret[:SHOWN],
                digest=digest(secret),
                scopes=int(wanted),
                buzz_limit=rules,
                created_at=moment,
                expires_at=expires_at,
            )
            .returning(*_INFO)
        )
    ).one()
    await notify(session, person_id, "key_made", detail=label)
    return NewKey(_info(row), secret)


async def _require_unlimited(session: AsyncSession, actor: Actor) -> None:
    """A key whose spending is limited makes no other, which would spend beside it."""
    if await session.scalar(select(ApiKey.buzz_limit).where(ApiKey.id == actor.key_id)):
        raise Forbidden(
            "The spending of this key is limited, so it cannot make other keys; do that on the site.",
            code="limited_key",
        )


async def _no_longer_than(session: AsyncSession, actor: Actor, wanted: datetime | None) -> datetime | None:
    own = await session.scalar(select(ApiKey.expires_at).where(ApiKey.id == actor.key_id))
    if own is None:
        return wanted
    if wanted is not None and wanted.tzinfo is not None and wanted <= own:
        return wanted
    return own


def _rules(given: Sequence[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    if given is None:
        return None
    try:
        rules = _RULES.validate_python(list(given)[:21])
    except ValidationError as error:
        raise Invalid(
            "This Buzz limit cannot be read.",
            code="bad_buzz_limit",
            fields={"buzzLimit": str(error.errors()[0]["msg"])},
        ) from None
    told = ""
    if len(rules) > 20:
        told = "Use at most 20 rules."
    elif any(
        (rule.kind == "sliding") != (rule.unit is not None and rule.window is not None) for rule in rules
    ):
        told = "A sliding rule needs a unit and a window; an absolute one has neither."
    if told:
        raise Invalid(told, code="bad_buzz_limit", fields={"buzzLimit": told})
    return [rule.model_dump(exclude_none=True) for rule in rules]


def read_rules(stored: Sequence[Any] | None) -> list[BuzzRule]:
    """The limits of a key as they are stored; none for None."""
    return _RULES.validate_python(list(stored or ()))


async def mine(session: AsyncSession, actor: Actor) -> list[KeyInfo]:
    """The actor's keys, the newest first, expired ones too; at most `MOST`."""
    person_id = actor.require(Scope.USER_READ)
    rows = await session.execute(
        select(*_INFO).where(ApiKey.person_id == person_id).order_by(ApiKey.id.desc()).limit(MOST)
    )
    return [_info(row) for row in rows]


async def set_limit(
    session: AsyncSession, actor: Actor, *, key_id: int, buzz_limit: Sequence[dict[str, Any]] | None
) -> None:
    """Change what a key may spend; NotFound when it is not the actor's."""
    person_id = require_browser(actor)
    changed = await count_changed(
        session,
        update(ApiKey)
        .where(ApiKey.id == key_id, ApiKey.person_id == person_id)
        .values(buzz_limit=_rules(buzz_limit)),
    )
    if not changed:
        raise _missing()


async def revoke(session: AsyncSession, actor: Actor, *, key_id: int) -> None:
    """Make a key useless for ever; a key with UserWrite may revoke itself or another of its owner's."""
    person_id = actor.require(Scope.USER_WRITE)
    gone = await count_changed(
        session, delete(ApiKey).where(ApiKey.id == key_id, ApiKey.person_id == person_id)
    )
    if not gone:
        raise _missing()


class _Found(NamedTuple):
    """The row of a key and of whose it is, as `actor_from` reads it."""

    id: int
    username: str | None
    role: str
    status: str
    email_verified_at: datetime | None
    muted_until: datetime | None
    onboarding: int
    adult_confirmed_at: datetime | None
    show_mature: bool
    browsing_level: int
    blur_level: int
    avatar_key: str | None
    hide: dict[str, Any] | None
    key_id: int
    scopes: int
    expires_at: datetime | None
    last_used_at: datetime | None
    read_only: str


_WHOSE: Final = """
    SELECT p.id, p.username, p.role, p.status, p.email_verified_at, p.muted_until, p.onboarding, p.adult_confirmed_at,
           p.show_mature, p.browsing_level, p.blur_level, p.avatar_key, p.settings -> 'hide',
           k.id, k.scopes, k.expires_at, k.last_used_at,
           current_setting('transaction_read_only')
      FROM api_keys k JOIN people p ON p.id = k.person_id
     WHERE k.digest = %s AND p.status = 'active'
"""
_SEEN: Final = (
    "UPDATE api_keys SET last_used_at = %(now)s"
    " WHERE id = %(key)s AND (last_used_at IS NULL OR last_used_at < %(before)s)"
)


async def actor_of_key(session: AsyncSession, secret: str) -> Actor | None:
    """Whoever this key belongs to, with the key's scopes, or None when it does not hold.

    In a writing transaction the moment is noted, at most once in `SEEN_EVERY`; in a READ ONLY one it only reads.
    """
    if not 0 < len(secret) <= LONGEST_SECRET:
        return None
    await session.flush()
    found = _holding(await fetch(session, _WHOSE, (digest(secret),)))
    if found is None:
        return None
    if found.read_only == "off" and _long_unseen(found):
        now = clock.now()
        await fetch(session, _SEEN, {"now": now, "key": found.key_id, "before": now - SEEN_EVERY})
    return _actor(found)


async def actor_seen(reads: ReadPool, secret: str) -> tuple[Actor | None, bool]:
    """The same without a transaction of its own, and whether its use is to be noted by asking `actor_of_key`."""
    if not 0 < len(secret) <= LONGEST_SECRET:
        return None, False
    found = _holding(await reads.fetch(_WHOSE, (digest(secret),)))
    return (None, False) if found is None else (_actor(found), _long_unseen(found))


def _holding(rows: Sequence[tuple[Any, ...]]) -> _Found | None:
    found = _Found(*rows[0]) if rows else None
    if found is None or (found.expires_at is not None and found.expires_at <= clock.now()):
        return None
    return found


def _long_unseen(found: _Found) -> bool:
    return found.last_used_at is None or found.last_used_at < clock.now() - SEEN_EVERY


def _actor(found: _Found) -> Actor:
    return actor_from(found, via="key", scopes=Scope(found.scopes), key_id=found.key_id)


async def revoke_all(session: AsyncSession, person_id: int) -> int:
    """Revoke every key of a person, and say how many that were."""
    return await count_changed(session, delete(ApiKey).where(ApiKey.person_id == person_id))


async def sweep(session: AsyncSession) -> int:
    """Delete keys that expired three months ago; until then their owner sees in the list why they fail."""
    return await count_changed(
        session, delete(ApiKey).where(ApiKey.expires_at < clock.now() - timedelta(days=90))
    )


def _info(row: Any) -> KeyInfo:
    return KeyInfo(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        scopes=Scope(row.scopes),
        buzz_limit=row.buzz_limit,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )


def _missing() -> NotFound:
    return NotFound("You have no such key.", code="no_such_key")
