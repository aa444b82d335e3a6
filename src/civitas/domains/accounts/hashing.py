"""Passwords: which ones are good enough, and argon2id off the event loop."""

from __future__ import annotations

import asyncio
import unicodedata
from functools import cache
from importlib import resources

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError

from civitas.kit.errors import Invalid

SHORTEST, LONGEST = 8, 256

_hasher = PasswordHash.recommended()


@cache
def _nobody() -> str:
    """A hash of nobody's password with today's parameters: unknown people cost the same work as known ones."""
    return _hasher.hash("nobody has this password")


@cache
def _common() -> frozenset[str]:
    """The guesses that come first everywhere."""
    data = resources.files("civitas.domains.accounts").joinpath("data", "common_passwords.txt")
    return frozenset(data.read_text(encoding="utf-8").split())


def normal(password: str) -> str:
    """NFKC, so that one password is the same from every keyboard (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def check_strength(password: str, *, username: str = "", email: str = "") -> None:
    """Raise Invalid (`weak_password`) for one that is too short, too long, or among the first guesses.

    Length is what counts (NIST SP 800-63B): no rules about kinds of characters.
    """
    told = ""
    plain = normal(password).casefold()
    own = {
        part for part in (username.casefold(), email.casefold(), email.partition("@")[0].casefold()) if part
    }
    if len(password) < SHORTEST:
        told = f"Use at least {SHORTEST} characters; a few random words are easy to remember."
    elif len(password) > LONGEST:
        told = f"Use at most {LONGEST} characters."
    elif plain in _common() or len(set(plain)) < 3:
        told = "This password is among the first that anybody would guess; choose another."
    elif plain in own:
        told = "Choose a password that is not your name or address."
    if told:
        raise Invalid(told, code="weak_password", fields={"password": told})


async def make_hash(password: str) -> str:
    """The argon2id hash of a password, in the PHC string format; takes some 50 ms of one core."""
    return await asyncio.to_thread(_hasher.hash, normal(password))


async def verify(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Whether the password fits, and a new hash when the stored one has weaker parameters than ours.

    With nothing stored the same work is done and the answer is no.
    """
    if len(password) > LONGEST:
        return False, None
    nobody = _nobody()
    try:
        fits, renewed = await asyncio.to_thread(
            _hasher.verify_and_update, normal(password), nobody if stored is None else stored
        )
    except UnknownHashError:
        return False, None
    return (fits, renewed) if stored is not None else (False, None)
