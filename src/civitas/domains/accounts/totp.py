"""The second step: codes from an authenticator app (RFC 6238), and recovery codes for its loss."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyotp
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.notices import notify
from civitas.domains.accounts.policy import require_browser, require_fresh
from civitas.domains.accounts.sessions import revoke_others
from civitas.domains.accounts.tables import RecoveryCode, TotpSecret
from civitas.domains.accounts.types import Actor
from civitas.infra.db.changes import count_changed
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid, Limited
from civitas.kit.ids import digest
from civitas.kit.sealing import seal, unseal

STEP_S = 30
RECOVERY_CODES = 10
# Wrong codes in a row before a pause; a million codes at ten an hour last longer than any session.
FAILURES = 10
PAUSE = timedelta(hours=1)
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_PURPOSE = b"civitas totp secrets"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the app needs: the secret to type, or the `otpauth:` address to show as a picture."""

    secret: str
    uri: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether the second step is on, since when, and how many recovery codes are left."""

    on: bool
    since: datetime | None
    codes_left: int


async def is_on(session: AsyncSession, person_id: int) -> bool:
    """Whether this person must give a code when they sign in."""
    found = await session.scalar(
        select(TotpSecret.person_id).where(
            TotpSecret.person_id == person_id, TotpSecret.confirmed_at.is_not(None)
        )
    )
    return found is not None


async def standing(session: AsyncSession, actor: Actor) -> Standing:
    """How the actor's second step stands."""
    person_id = actor.require()
    since = await session.scalar(select(TotpSecret.confirmed_at).where(TotpSecret.person_id == person_id))
    left = await session.scalar(
        select(func.count())
        .select_from(RecoveryCode)
        .where(RecoveryCode.person_id == person_id, RecoveryCode.used_at.is_(None))
    )
    return Standing(since is not None, since, left or 0)


async def enrol(session: AsyncSession, actor: Actor, *, secret: bytes, issuer: str) -> Enrolment:
    """Make a secret for the actor's app; it counts only after `confirm`.

    `secret` is the instance's secret key, from which the key that encrypts ours is derived; `issuer` is what
    the app calls the site. Raises Conflict (`second_step_on`) when it is on already.
    """
    person_id = require_fresh(actor)
    if await is_on(session, person_id):
        raise Conflict("Two-step sign-in is on already; turn it off first.", code="second_step_on")
    shared = pyotp.random_base32()
    values = {"secret": _seal(secret, person_id, shared), "last_step": 0, "failures": 0, "locked_until": None}
    await session.execute(
        insert(TotpSecret)
        .values(person_id=person_id, **values)
        .on_conflict_do_update(index_elements=["person_id"], set_=values)
    )
    name = actor.username or str(person_id)
    return Enrolment(shared, pyotp.TOTP(shared).provisioning_uri(name=name, issuer_name=issuer))


async def confirm(session: AsyncSession, actor: Actor, *, code: str, secret: bytes) -> list[str]:
    """Turn the second step on with a first code from the app; the recovery codes, shown this once.

    Every other session ends. Raises Invalid (`wrong_code`), Conflict when there is nothing to confirm.
    """
    person_id = require_fresh(actor)
    found = await session.get(TotpSecret, person_id, with_for_update=True)
    if found is None or found.confirmed_at is not None:
        raise Conflict("There is no two-step sign-in waiting to be confirmed.", code="nothing_to_confirm")
    step = _step_of(_open(secret, person_id, found.secret), code)
    if step is None:
        raise _wrong()
    found.confirmed_at, found.last_step = clock.now(), step
    await session.flush()
    codes = await _new_codes(session, person_id)
    await revoke_others(session, actor)
    await notify(session, person_id, "second_step_on")
    return codes


async def disable(session: AsyncSession, actor: Actor) -> None:
    """Turn the second step off and void the recovery codes."""
    person_id = require_fresh(actor)
    gone = await count_changed(session, delete(TotpSecret).where(TotpSecret.person_id == person_id))
    await session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person_id))
    if gone:
        await notify(session, person_id, "second_step_off")


async def renew_codes(session: AsyncSession, actor: Actor) -> list[str]:
    """New recovery codes in place of the old ones; Conflict when the second step is off."""
    person_id = require_fresh(actor)
    if not await is_on(session, person_id):
        raise Conflict("Two-step sign-in is off.", code="second_step_off")
    return await _new_codes(session, person_id)


async def check(session: AsyncSession, actor: Actor, *, code: str, secret: bytes) -> bool:
    """Whether the actor can give a code now: for proving again. A wrong one is counted, so commit it."""
    return await accept(session, require_browser(actor), code=code, secret=secret)


async def accept(session: AsyncSession, person_id: int, *, code: str, secret: bytes) -> bool:
    """Take a code from the app or a recovery code; each is good once.

    A wrong one is counted on the row, so the caller commits. Raises Limited after `FAILURES` in a row.
    """
    found = await session.get(TotpSecret, person_id, with_for_update=True)
    if found is None or found.confirmed_at is None:
        return False
    moment = clock.now()
    if found.locked_until is not None and found.locked_until > moment:
        wait = int((found.locked_until - moment).total_seconds()) + 1
        raise Limited(
            "Too many wrong codes; wait before you try again.", retry_after=wait, code="codes_locked"
        )
    plain = "".join(code[:64].split()).replace("-", "").lower()
    step = _step_of(_open(secret, person_id, found.secret), plain)
    if step is not None and step > found.last_step:
        found.last_step, found.failures, found.locked_until = step, 0, None
        await session.flush()
        return True
    used = await count_changed(
        session,
        update(RecoveryCode)
        .where(
            RecoveryCode.person_id == person_id,
            RecoveryCode.digest == digest(plain),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=moment),
    )
    if used:
        found.failures, found.locked_until = 0, None
        await session.flush()
        return True
    found.failures += 1
    if found.failures >= FAILURES:
        found.failures, found.locked_until = 0, moment + PAUSE
    await session.flush()
    return False


async def reset(session: AsyncSession, person_id: int) -> None:
    """Take the second step away from a person who lost everything; for staff, who log it."""
    await session.execute(delete(TotpSecret).where(TotpSecret.person_id == person_id))
    await session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person_id))


async def _new_codes(session: AsyncSession, person_id: int) -> list[str]:
    await session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == person_id))
    codes = ["".join(secrets.choice(_ALPHABET) for _ in range(12)) for _ in range(RECOVERY_CODES)]
    await session.execute(
        insert(RecoveryCode), [{"person_id": person_id, "digest": digest(code)} for code in codes]
    )
    return [f"{code[:4]}-{code[4:8]}-{code[8:]}" for code in codes]


def _step_of(shared: str | None, code: str) -> int | None:
    """The 30-second step whose code this is: now, or one step to either side for clocks that differ."""
    if shared is None or len(code) != 6 or not (code.isascii() and code.isdigit()):
        return None
    now_step = int(clock.now().timestamp()) // STEP_S
    totp = pyotp.TOTP(shared)
    for step in (now_step, now_step - 1, now_step + 1):
        if secrets.compare_digest(totp.generate_otp(step), code):
            return step
    return None


def _seal(secret: bytes, person_id: int, shared: str) -> bytes:
    return seal(secret, _PURPOSE, person_id, shared)


def _open(secret: bytes, person_id: int, sealed: bytes) -> str | None:
    """None when the instance's key has changed since; recovery codes still work then."""
    return unseal(secret, _PURPOSE, person_id, sealed)


def _wrong() -> Invalid:
    return Invalid(
        "This code does not fit; use the newest one from your app.",
        code="wrong_code",
        fields={"code": "This code does not fit."},
    )
