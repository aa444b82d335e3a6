"""Passkeys: WebAuthn registration and sign-in without a name (W3C Web Authentication level 3)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import webauthn
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from civitas.domains.accounts import sessions, signing_in
from civitas.domains.accounts.notices import notify
from civitas.domains.accounts.policy import require_browser, require_fresh
from civitas.domains.accounts.sessions import Browser, SignedIn
from civitas.domains.accounts.tables import Ceremony, Passkey, Person
from civitas.domains.accounts.types import Actor
from civitas.infra.db.changes import count_changed
from civitas.kit import clock
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid, NotFound, Unauthorised
from civitas.kit.ids import digest, new_secret
from civitas.kit.text import clean_line

LIFETIME = timedelta(minutes=5)
MOST = 20
LONGEST_ANSWER = 32 * 1024
LONGEST_NAME = 60
LONGEST_TICKET = 200

# What the library's parsers raise on hostile answers, beside their own exceptions.
_HOSTILE = (
    WebAuthnException,
    InvalidSignature,
    UnsupportedAlgorithm,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """This site in WebAuthn's words: `id` is the host name, `origins` what the browser shows, such as
    `https://hub.example.org`."""

    id: str
    name: str
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the browser gets: `options` for `navigator.credentials`, and a `ticket` to send back with its answer."""

    ticket: str
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PasskeyInfo:
    """One line of the list of passkeys."""

    id: int
    name: str
    backed_up: bool
    created_at: datetime
    last_used_at: datetime | None


async def begin_registration(session: AsyncSession, actor: Actor, *, party: RelyingParty) -> Challenge:
    """Start adding a passkey. Forbidden (`prove_again`), Conflict beyond `MOST` passkeys."""
    person_id = require_fresh(actor)
    person = (
        await session.execute(select(Person.handle, Person.username).where(Person.id == person_id))
    ).one()
    known = (
        await session.scalars(
            select(Passkey.credential_id).where(Passkey.person_id == person_id).limit(MOST + 1)
        )
    ).all()
    if len(known) >= MOST:
        raise Conflict(f"You have {MOST} passkeys; remove one first.", code="too_many_passkeys")
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=person.handle.bytes,
        user_name=person.username or str(person_id),
        user_display_name=person.username or str(person_id),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=credential) for credential in known],
    )
    ticket = await _keep(session, "passkey_register", options.challenge, person_id)
    return Challenge(ticket, orjson.loads(webauthn.options_to_json(options)))


async def finish_registration(
    session: AsyncSession,
    actor: Actor,
    *,
    ticket: str,
    answer: str | Mapping[str, Any],
    name: str,
    party: RelyingParty,
) -> PasskeyInfo:
    """Check the browser's answer and keep the public key.

    Raises Invalid (`bad_passkey`) for an answer that does not hold, Invalid (`challenge_expired`), Conflict
    (`passkey_known`).
    """
    person_id = require_fresh(actor)
    challenge = await _take(session, "passkey_register", ticket, person_id)
    text = _bounded(answer)
    try:
        made = webauthn.verify_registration_response(
            credential=text,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            require_user_verification=True,
        )
        transports = orjson.loads(text).get("response", {}).get("transports")
    except _HOSTILE:
        raise _bad() from None
    moment = clock.now()
    passkey_id = await session.scalar(
        insert(Passkey)
        .values(
            person_id=person_id,
            credential_id=made.credential_id,
            public_key=made.credential_public_key,
            sign_count=made.sign_count,
            name=clean_line(name[:500])[:LONGEST_NAME] or "Passkey",
            transports=_transports(transports),
            backed_up=made.credential_backed_up,
            created_at=moment,
        )
        .on_conflict_do_nothing()
        .returning(Passkey.id)
    )
    if passkey_id is None:
        raise Conflict("This passkey is registered already.", code="passkey_known")
    await notify(session, person_id, "way_in_added", detail="a passkey")
    return (await _list(session, person_id, passkey_id))[0]


async def begin_sign_in(session: AsyncSession, *, party: RelyingParty) -> Challenge:
    """Start signing in with whichever passkey the browser offers; no name is asked for."""
    options = webauthn.generate_authentication_options(
        rp_id=party.id, user_verification=UserVerificationRequirement.REQUIRED
    )
    ticket = await _keep(session, "passkey_sign_in", options.challenge, None)
    return Challenge(ticket, orjson.loads(webauthn.options_to_json(options)))


async def finish_sign_in(
    session: AsyncSession,
    *,
    ticket: str,
    answer: str | Mapping[str, Any],
    party: RelyingParty,
    browser: Browser = Browser(),
) -> SignedIn:
    """Check the browser's answer and open a session. A passkey is both steps: no code is asked for.

    Raises Unauthorised (`unknown_passkey`), the same for one that nobody has, one whose signature is wrong and
    one whose counter went back (a copy); Invalid (`challenge_expired`, `bad_passkey`); Forbidden (`banned`).
    """
    person_id = await _authenticate(session, ticket, answer, party)
    return await sessions.open_session(session, person_id, method="passkey", browser=browser)


async def prove_again(
    session: AsyncSession,
    actor: Actor,
    *,
    ticket: str,
    answer: str | Mapping[str, Any],
    party: RelyingParty,
) -> SignedIn:
    """Confirm by passkey (a challenge of `begin_sign_in`) that it is still the same person."""
    if await _authenticate(session, ticket, answer, party) != require_browser(actor):
        raise Forbidden("This passkey belongs to another account.", code="other_account")
    return await signing_in.proved(session, actor)


async def _authenticate(
    session: AsyncSession, ticket: str, answer: str | Mapping[str, Any], party: RelyingParty
) -> int:
    challenge = await _take(session, "passkey_sign_in", ticket, None)
    text = _bounded(answer)
    try:
        given = orjson.loads(text)
        credential_id = base64url_to_bytes(given["rawId"])
        handle = given["response"].get("userHandle")
        owner = base64url_to_bytes(handle) if handle else None
    except _HOSTILE:
        raise _bad() from None
    row = (
        await session.execute(
            select(Passkey.id, Passkey.person_id, Passkey.public_key, Passkey.sign_count, Person.handle)
            .join(Person, Person.id == Passkey.person_id)
            .where(Passkey.credential_id == credential_id[:1024])
            .with_for_update(of=Passkey)
        )
    ).first()
    if row is None or (owner is not None and owner != row.handle.bytes):
        raise _unknown()
    try:
        done = webauthn.verify_authentication_response(
            credential=text,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            credential_public_key=row.public_key,
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
    except _HOSTILE:
        raise _unknown() from None
    await session.execute(
        update(Passkey)
        .where(Passkey.id == row.id)
        .values(sign_count=done.new_sign_count, backed_up=done.credential_backed_up, last_used_at=clock.now())
    )
    return int(row.person_id)


async def mine(session: AsyncSession, actor: Actor) -> list[PasskeyInfo]:
    """The actor's passkeys, the newest first; at most `MOST`."""
    return await _list(session, actor.require())


async def rename(session: AsyncSession, actor: Actor, *, passkey_id: int, name: str) -> None:
    """Give a passkey another name; NotFound when it is not the actor's."""
    label = clean_line(name[:500])[:LONGEST_NAME]
    if not label:
        raise Invalid("Give the passkey a name.", code="bad_name", fields={"name": "Give it a name."})
    changed = await count_changed(
        session,
        update(Passkey)
        .where(Passkey.id == passkey_id, Passkey.person_id == require_browser(actor))
        .values(name=label),
    )
    if not changed:
        raise NotFound("You have no such passkey.", code="no_such_passkey")


async def remove(session: AsyncSession, actor: Actor, *, passkey_id: int) -> None:
    """Forget a passkey. Conflict (`last_way_in`) when nothing else opens the account."""
    person_id = require_fresh(actor)
    gone = await count_changed(
        session, delete(Passkey).where(Passkey.id == passkey_id, Passkey.person_id == person_id)
    )
    if not gone:
        raise NotFound("You have no such passkey.", code="no_such_passkey")
    await signing_in.require_way_in(session, person_id)


async def _list(session: AsyncSession, person_id: int, passkey_id: int | None = None) -> list[PasskeyInfo]:
    statement = (
        select(Passkey.id, Passkey.name, Passkey.backed_up, Passkey.created_at, Passkey.last_used_at)
        .where(Passkey.person_id == person_id)
        .order_by(Passkey.id.desc())
        .limit(MOST)
    )
    if passkey_id is not None:
        statement = statement.where(Passkey.id == passkey_id)
    return [PasskeyInfo(*row) for row in await session.execute(statement)]


async def _keep(session: AsyncSession, purpose: str, challenge: bytes, person_id: int | None) -> str:
    ticket = new_secret()
    await session.execute(
        insert(Ceremony).values(
            digest=digest(ticket),
            purpose=purpose,
            person_id=person_id,
            challenge=challenge,
            expires_at=clock.now() + LIFETIME,
        )
    )
    return ticket


async def _take(session: AsyncSession, purpose: str, ticket: str, person_id: int | None) -> bytes:
    """The challenge of a ticket, which is used up; of two who come at once one gets it."""
    found: bytes | None = await session.scalar(
        delete(Ceremony)
        .where(
            Ceremony.digest == digest(ticket[: LONGEST_TICKET + 1]),
            Ceremony.purpose == purpose,
            Ceremony.person_id.is_not_distinct_from(person_id),
            Ceremony.expires_at > clock.now(),
        )
        .returning(Ceremony.challenge)
    )
    if found is None:
        raise Invalid("That took too long; try again.", code="challenge_expired")
    return found


def _bounded(answer: str | Mapping[str, Any]) -> str:
    try:
        text = answer if isinstance(answer, str) else orjson.dumps(dict(answer)).decode()
    except (TypeError, ValueError):
        raise _bad() from None
    if len(text) > LONGEST_ANSWER:
        raise _bad()
    return text


def _transports(given: Any) -> list[str]:
    if not isinstance(given, list):
        return []
    return [word for word in given[:8] if isinstance(word, str) and word.isascii() and len(word) <= 20]


def _bad() -> Fault:
    return Invalid("The browser's answer could not be read; try again.", code="bad_passkey")


def _unknown() -> Fault:
    return Unauthorised("This passkey does not open any account here.", code="unknown_passkey")
