"""The ledger as staff see it: follow any Buzz from the mint to where it ends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject, SubjectFacts, resolve
from civitas.domains.accounts import queries
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.ledger.tables import LedgerEntry
from civitas.domains.buzz.types import HOUSE, Currency, EntryType
from civitas.kit import paging
from civitas.kit.errors import Invalid, NotFound
from civitas.kit.sql import statements

SQL = statements("civitas.domains.buzz.ledger", "explorer.sql")
PAGE = 50
_NUMBER = re.compile(r"#?([0-9]{1,18})")
_SUBJECT = re.compile(r"([a-z_]{1,40})[: ]([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class AccountLine:
    """An account and what it holds, waiting credits included. `owner` is a name; the house's is empty."""

    id: int
    owner_id: int
    owner: str
    purpose: str
    currency: Currency
    amount: int
    frozen_at: datetime | None


@dataclass(frozen=True, slots=True)
class EntryLine:
    """An entry in a list, with what it moved in all and, in an account's list, what it did to that account."""

    id: int
    key: str
    type: EntryType
    description: str
    at: datetime
    moved: Mapping[Currency, int]
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """What an entry did to one account."""

    account: AccountLine
    amount: int


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry whole: its sides, what it reverses and what reverses it, and what it was about."""

    id: int
    key: str
    type: EntryType
    description: str
    details: Mapping[str, Any]
    at: datetime
    actor: str
    sides: tuple[Side, ...]
    reverses_id: int | None
    reversed_by: tuple[int, ...]
    subject: Subject | None
    about: SubjectFacts | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: at most one person, and entries."""

    person_id: int | None
    person: str
    entries: tuple[EntryLine, ...]
    next_cursor: str | None


async def search(session: AsyncSession, actor: Actor, *, query: str, cursor: str | None = None) -> Found:
    """By a person's name, an entry's number or key, or a subject such as `model:7`; the newest entries for nothing."""
    actor.require_moderator()
    given = query.strip()[:255].replace("\0", "")
    before = int(paging.decode(cursor, int)[0] or 0) if cursor else 2**62
    wanted: dict[str, Any] = {"before": before, "id": None, "key": None, "kind": None, "subject": None}
    person_id, name = None, ""
    if number := _NUMBER.fullmatch(given):
        wanted["id"] = int(number[1])
    elif about := _SUBJECT.fullmatch(given):
        wanted |= {"kind": about[1], "subject": int(about[2])}
    elif given:
        wanted["key"] = given
        try:
            card = await queries.by_username(session, given.lstrip("@"))
            person_id, name = card.id, card.username or ""
        except NotFound:
            pass
    rows = (await session.execute(text(SQL["entries"]), wanted | {"most": PAGE + 1})).all()
    lines = await _lines(session, rows[:PAGE])
    return Found(person_id, name, lines, paging.encode(rows[PAGE - 1].id) if len(rows) > PAGE else None)


async def entry(session: AsyncSession, actor: Actor, *, entry_id: int) -> EntryView:
    """One entry whole. Raises NotFound."""
    actor.require_moderator()
    found = await session.get(LedgerEntry, entry_id) if 0 < entry_id < 2**62 else None
    if found is None:
        raise NotFound("There is no such entry.", code="no_such_entry")
    rows = (await session.execute(text(SQL["sides"]), {"entry": entry_id})).all()
    cards = await queries.by_ids(
        session,
        {row.owner_id for row in rows if row.owner_id} | ({found.actor_id} if found.actor_id else set()),
    )
    names = {number: card.username or "[deleted]" for number, card in cards.items()}
    reversed_by = await session.scalars(
        select(LedgerEntry.id).where(LedgerEntry.reverses_id == entry_id).order_by(LedgerEntry.id).limit(100)
    )
    subject = None
    if found.subject_kind and found.subject_id:
        subject = Subject(found.subject_kind, found.subject_id)
    return EntryView(
        id=found.id,
        key=found.key,
        type=EntryType(found.type),
        description=found.description,
        details=found.details,
        at=found.created_at,
        actor=names.get(found.actor_id, "") if found.actor_id else "",
        sides=tuple(Side(_account(row, names), int(row.moved)) for row in rows),
        reverses_id=found.reverses_id,
        reversed_by=tuple(reversed_by),
        subject=subject,
        about=await resolve(session, subject) if subject else None,
    )


async def account(
    session: AsyncSession, actor: Actor, *, account_id: int, cursor: str | None = None
) -> tuple[AccountLine, paging.Page[EntryLine]]:
    """An account and its entries, the newest first. Raises NotFound."""
    actor.require_moderator()
    rows = (await session.execute(text(SQL["account"]), {"account": min(account_id, 2**62)})).all()
    if not rows:
        raise NotFound("There is no such account.", code="no_such_account")
    cards = await queries.by_ids(session, {row.owner_id for row in rows if row.owner_id})
    line = _account(rows[0], {number: card.username or "[deleted]" for number, card in cards.items()})
    before = int(paging.decode(cursor, int)[0] or 0) if cursor else 2**62
    entries = (
        await session.execute(
            text(SQL["of_account"]), {"account": account_id, "before": before, "most": PAGE + 1}
        )
    ).all()
    lines = await _lines(session, entries[:PAGE])
    return line, paging.Page(lines, paging.encode(entries[PAGE - 1].id) if len(entries) > PAGE else None)


async def accounts_of(session: AsyncSession, actor: Actor, *, owner_id: int) -> tuple[AccountLine, ...]:
    """All accounts of a person, or of the house (0)."""
    actor.require_moderator()
    if not 0 <= owner_id < 2**62:
        raise Invalid("There is nobody of this number.", code="no_such_person")
    name = "" if owner_id == HOUSE else (await queries.by_id(session, owner_id)).username or "[deleted]"
    rows = (await session.execute(text(SQL["accounts"]), {"owner": owner_id})).all()
    return tuple(_account(row, {owner_id: name}) for row in rows)


async def _lines(session: AsyncSession, rows: Any) -> tuple[EntryLine, ...]:
    moved: dict[int, dict[Currency, int]] = {}
    for row in await session.execute(text(SQL["moved"]), {"entries": [row.id for row in rows]}):
        moved.setdefault(row.entry_id, {})[Currency(row.currency)] = int(row.amount)
    return tuple(
        EntryLine(
            row.id,
            row.key,
            EntryType(row.type),
            row.description,
            row.created_at,
            moved.get(row.id, {}),
            getattr(row, "amount", None),
        )
        for row in rows
    )


def _account(row: Any, names: Mapping[int, str]) -> AccountLine:
    return AccountLine(
        row.id,
        row.owner_id,
        names.get(row.owner_id, "" if row.owner_id == HOUSE else f"#{row.owner_id}"),
        row.purpose,
        Currency(row.currency),
        int(row.amount),
        row.frozen_at,
    )
