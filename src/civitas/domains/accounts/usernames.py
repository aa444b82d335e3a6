"""What a person may be called (FEATURES A2)."""

from __future__ import annotations

import re
import secrets
from functools import cache
from importlib import resources

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import BlocklistEntry, Person
from civitas.kit.errors import Conflict, Invalid
from civitas.kit.text import fold

SHORTEST, LONGEST = 3, 25
_FORM = re.compile(rf"[A-Za-z0-9_]{{{SHORTEST},{LONGEST}}}", re.ASCII)
_NOT_NAME = re.compile(r"[^A-Za-z0-9_]+")


@cache
def reserved() -> frozenset[str]:
    """First segments of our own pages and APIs, and words that would pass for the site or its staff."""
    data = resources.files("civitas.domains.accounts").joinpath("data", "reserved_usernames.txt")
    return frozenset(data.read_text(encoding="utf-8").split())


def check_form(username: str, *, reserved_too: bool = False) -> str:
    """The name as given when it has the right form and, unless `reserved_too`, is not reserved.

    Raises Invalid (`bad_username`, `username_reserved`) with the field named.
    """
    if not _FORM.fullmatch(username):
        told = f"Use {SHORTEST} to {LONGEST} letters (A-Z), digits and underscores."
        raise Invalid(f"This username cannot be used. {told}", code="bad_username", fields={"username": told})
    if not reserved_too and username.lower() in reserved():
        raise _reserved()
    return username


async def check(session: AsyncSession, username: str, *, person_id: int | None = None) -> str:
    """The name as given when a person (`person_id` when they have an account already) may take it.

    Raises Invalid for form and blocklists, Conflict (`username_taken`) when somebody has it. Two people who
    ask at once are told apart by the unique index; see `taken`.
    """
    check_form(username)
    folded = username.lower()
    blocked = await session.scalar(
        select(BlocklistEntry.id)
        .where(
            or_(
                (BlocklistEntry.kind == "username_exact") & (BlocklistEntry.value == folded),
                (BlocklistEntry.kind == "username_partial") & (func.strpos(folded, BlocklistEntry.value) > 0),
            )
        )
        .limit(1)
    )
    if blocked is not None:
        raise _reserved()
    holder = await session.scalar(select(Person.id).where(Person.username_folded == folded))
    if holder is not None and holder != person_id:
        raise taken()
    return username


def taken() -> Conflict:
    """The fault for a name that somebody else has."""
    return Conflict(
        "Somebody else has this username; choose another.",
        code="username_taken",
        details={"fields": {"username": "Somebody else has this username."}},
    )


async def propose(session: AsyncSession, wish: str) -> str:
    """A free name close to `wish`: what a person from elsewhere is called until they choose."""
    base = _NOT_NAME.sub("_", fold(wish)).strip("_")[: LONGEST - 5] or "person"
    for tail in ("", "_" + secrets.token_hex(2), "_" + secrets.token_hex(2), secrets.token_hex(8)):
        name = (base + tail)[:LONGEST] if len(tail) < 8 else f"person_{tail}"
        if len(name) < SHORTEST:
            continue
        try:
            return await check(session, name)
        except (Invalid, Conflict):
            continue
    return f"person_{secrets.token_hex(8)}"


def _reserved() -> Invalid:
    return Invalid(
        "This username is reserved; choose another.",
        code="username_reserved",
        fields={"username": "This username is reserved."},
    )
