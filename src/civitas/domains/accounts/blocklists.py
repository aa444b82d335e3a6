"""Names and domains that staff do not want (FEATURES A2, A23)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import BlocklistEntry
from civitas.domains.accounts.types import Actor
from civitas.kit import paging
from civitas.kit.errors import Invalid
from civitas.kit.text import clean_line

PAGE = 200
MOST_AT_ONCE = 100_000
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}", re.ASCII)
_NAME = re.compile(r"[a-z0-9_]{2,25}", re.ASCII)


class Blocklist(StrEnum):
    """The lists. Domains cover what is below them."""

    USERNAME_EXACT = "username_exact"
    USERNAME_PARTIAL = "username_partial"
    EMAIL_DOMAIN = "email_domain"
    LINK_DOMAIN = "link_domain"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list."""

    value: str
    note: str
    created_by: int
    created_at: datetime


async def add(
    session: AsyncSession, actor: Actor, *, blocklist: Blocklist, values: Iterable[str], note: str = ""
) -> int:
    """Add entries and return how many are new; what is listed already stays. It does not touch old accounts.

    Raises Invalid (`bad_entry`) naming the first value that this list cannot hold; at most `MOST_AT_ONCE`.
    """
    by = actor.require_moderator()
    form = _DOMAIN if blocklist in (Blocklist.EMAIL_DOMAIN, Blocklist.LINK_DOMAIN) else _NAME
    wanted: set[str] = set()
    for value in islice(values, MOST_AT_ONCE):
        folded = value[:300].strip().lower().lstrip("@")
        if not form.fullmatch(folded):
            raise Invalid(f"{clean_line(folded[:60])!r} cannot be on this list.", code="bad_entry")
        wanted.add(folded)
    told, added, ordered = clean_line(note[:1000])[:300], 0, sorted(wanted)
    for start in range(0, len(ordered), 5000):
        rows = [
            {"kind": blocklist.value, "value": value, "note": told, "created_by": by}
            for value in ordered[start : start + 5000]
        ]
        made = await session.scalars(
            insert(BlocklistEntry).on_conflict_do_nothing().returning(BlocklistEntry.id), rows
        )
        added += len(made.all())
    return added


async def remove(session: AsyncSession, actor: Actor, *, blocklist: Blocklist, value: str) -> bool:
    """Take an entry off a list; whether it was there."""
    actor.require_moderator()
    found = await session.scalar(
        delete(BlocklistEntry)
        .where(BlocklistEntry.kind == blocklist.value, BlocklistEntry.value == value.strip().lower())
        .returning(BlocklistEntry.id)
    )
    return found is not None


async def page(
    session: AsyncSession, actor: Actor, *, blocklist: Blocklist, cursor: str | None = None
) -> paging.Page[Entry]:
    """A list in alphabetical order, for staff."""
    actor.require_moderator()
    statement = select(
        BlocklistEntry.value, BlocklistEntry.note, BlocklistEntry.created_by, BlocklistEntry.created_at
    ).where(BlocklistEntry.kind == blocklist.value)
    if cursor is not None:
        statement = statement.where(BlocklistEntry.value > paging.decode(cursor, str)[0])
    rows = (await session.execute(statement.order_by(BlocklistEntry.value).limit(PAGE + 1))).all()
    entries = [Entry(*row) for row in rows[:PAGE]]
    return paging.Page(entries, paging.encode(entries[-1].value) if len(rows) > PAGE else None)
