"""Signing in with an account from elsewhere. The HTTP dance is a face's; here is what it means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import addresses, joining, signing_in, usernames
from civitas.domains.accounts.addresses import Address
from civitas.domains.accounts.notices import notify
from civitas.domains.accounts.policy import require_fresh
from civitas.domains.accounts.sessions import Browser, SignedIn
from civitas.domains.accounts.signing_in import SecondStep
from civitas.domains.accounts.tables import Identity, Person
from civitas.domains.accounts.types import Actor
from civitas.infra.db.changes import count_changed
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound
from civitas.kit.text import clean_line

PROVIDERS = ("google", "github", "discord", "reddit")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What a provider tells about somebody. `subject` is its own stable id, never the name or the address."""

    provider: str
    subject: str
    name: str = ""
    email: str | None = None
    email_verified: bool = False
    picture: str | None = None


@dataclass(frozen=True, slots=True)
class IdentityInfo:
    """One line of the list of linked accounts."""

    id: int
    provider: str
    name: str
    email: str | None
    created_at: datetime
    last_used_at: datetime | None


async def sign_in_or_join(
    session: AsyncSession, *, profile: Elsewhere, may_join: bool = True, browser: Browser = Browser()
) -> SignedIn | SecondStep:
    """Sign in whoever the provider vouches for: by a link made before, else by an address that both sides have
    verified, else as a new person.

    An address that the provider has not verified counts for nothing: it neither finds an account nor is kept.
    A new person gets a username near their name there and chooses in the profile step. Raises Forbidden
    (`joining_closed`) when new people are not taken, Invalid (`email_domain_blocked`).
    """
    _check(profile)
    person_id = await _linked(session, profile)
    if person_id is None:
        address = _address(profile)
        person_id = await _owner_of(session, address)
        if person_id is None:
            if not may_join:
                raise Forbidden("New accounts are not taken here at the moment.", code="joining_closed")
            if address is not None:
                await addresses.check_welcome(session, address)
            wish = profile.name or (address.folded.partition("@")[0] if address else "")
            person_id = await joining.join_from_elsewhere(
                session, username=await usernames.propose(session, wish), address=address
            )
        else:
            await notify(session, person_id, "way_in_added", detail=f"{profile.provider} sign-in")
        await _attach(session, person_id, profile)
    return await signing_in.proceed(session, person_id, method=profile.provider, browser=browser)


async def link(session: AsyncSession, actor: Actor, *, profile: Elsewhere) -> None:
    """Let the actor sign in with this account too.

    Raises Conflict: `linked_elsewhere` when it opens another account, `provider_linked` when one of this
    provider is linked already.
    """
    person_id = require_fresh(actor)
    _check(profile)
    holder = await session.scalar(
        select(Identity.person_id).where(
            Identity.provider == profile.provider, Identity.subject == profile.subject
        )
    )
    if holder == person_id:
        return
    if holder is not None:
        raise Conflict("That account opens another account here.", code="linked_elsewhere")
    await _attach(session, person_id, profile)
    await notify(session, person_id, "way_in_added", detail=f"{profile.provider} sign-in")


async def unlink(session: AsyncSession, actor: Actor, *, identity_id: int) -> None:
    """Remove a linked account. NotFound, Conflict (`last_way_in`) when nothing else opens the account."""
    person_id = require_fresh(actor)
    gone = await count_changed(
        session, delete(Identity).where(Identity.id == identity_id, Identity.person_id == person_id)
    )
    if not gone:
        raise NotFound("You have no such linked account.", code="no_such_identity")
    await signing_in.require_way_in(session, person_id)


async def mine(session: AsyncSession, actor: Actor) -> list[IdentityInfo]:
    """The actor's linked accounts, at most one of each provider."""
    rows = await session.execute(
        select(
            Identity.id,
            Identity.provider,
            Identity.name,
            Identity.email,
            Identity.created_at,
            Identity.last_used_at,
        )
        .where(Identity.person_id == actor.require())
        .order_by(Identity.provider)
    )
    return [IdentityInfo(*row) for row in rows]


def _check(profile: Elsewhere) -> None:
    if profile.provider not in PROVIDERS or not 0 < len(profile.subject) <= 255 or "\0" in profile.subject:
        raise Invalid("The provider's answer cannot be used.", code="bad_identity")


async def _linked(session: AsyncSession, profile: Elsewhere) -> int | None:
    found: int | None = await session.scalar(
        update(Identity)
        .where(Identity.provider == profile.provider, Identity.subject == profile.subject)
        .values(last_used_at=clock.now(), name=clean_line(profile.name[:500])[:100])
        .returning(Identity.person_id)
    )
    return found


def _address(profile: Elsewhere) -> Address | None:
    if not profile.email or not profile.email_verified:
        return None
    try:
        return addresses.read(profile.email)
    except Invalid:
        return None


async def _owner_of(session: AsyncSession, address: Address | None) -> int | None:
    if address is None:
        return None
    row = (
        await session.execute(
            select(Person.id, Person.email_verified_at).where(Person.email_folded == address.folded)
        )
    ).first()
    if row is None:
        return None
    if row.email_verified_at is None:
        # Whoever typed this address here never showed that it is theirs, so they must not gain by the link.
        raise Conflict(
            "An account here uses this address but has not confirmed it; sign in there and link this one.",
            code="email_unconfirmed",
        )
    return int(row.id)


async def _attach(session: AsyncSession, person_id: int, profile: Elsewhere) -> None:
    address = _address(profile)
    made = await session.scalar(
        insert(Identity)
        .values(
            person_id=person_id,
            provider=profile.provider,
            subject=profile.subject,
            name=clean_line(profile.name[:500])[:100],
            email=address.written if address else None,
            created_at=clock.now(),
            last_used_at=clock.now(),
        )
        .on_conflict_do_nothing()
        .returning(Identity.id)
    )
    if made is None:
        raise Conflict(
            f"Another {profile.provider} account is linked already; remove it first.", code="provider_linked"
        )
