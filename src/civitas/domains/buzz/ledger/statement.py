"""The statement: every movement of a person's accounts, explained, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC as ZONE
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject, SubjectFacts, resolve_all
from civitas.domains.accounts import queries as people
from civitas.domains.buzz.types import COLOURS, HOUSE, TYPE_LABELS, Currency, EntryType
from civitas.kit import paging
from civitas.kit.errors import Invalid
from civitas.kit.sql import statements
from civitas.kit.text import clean_line

SQL = statements("civitas.domains.buzz.ledger", "statement.sql")
PAGE = 50
MOST = 200
CHUNK = 1000
LONGEST_WORDS = 100
# How many movements of each account are looked through for one page of a filtered statement.
LOOK = 2000
NEWEST = 2**62
# Entries are numbered in the order of time but for transactions that overlapped, which is never by so much.
OVERLAP = timedelta(hours=1)
MOST_BALANCES = 8

# Which accounts a statement is about.
KINDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "wallet": (("wallet",), tuple(COLOURS)),
    "bank": (("bank",), ("green", "yellow")),
    "cash": (("pending", "settled"), ("cash",)),
}
# Types as people look for them.
GROUPS: Mapping[str, tuple[EntryType, ...]] = {
    "earned": (EntryType.REWARD, EntryType.INCENTIVE, EntryType.COMPENSATION, EntryType.BOOST),
    "tips": (EntryType.TIP, EntryType.DONATION),
    "bought": (EntryType.PURCHASE, EntryType.REDEEMABLE, EntryType.DUES, EntryType.CHARGE_BACK),
    "generation": (EntryType.GENERATION, EntryType.TRAINING, EntryType.LICENSE_FEE),
    "shop": (EntryType.SELL, EntryType.AUTHORIZED_PURCHASE, EntryType.FEE, EntryType.BID),
    "bounties": (EntryType.BOUNTY, EntryType.BOUNTY_ENTRY),
    "programme": (EntryType.BANK, EntryType.EXTRACT, EntryType.WITHDRAWAL),
    "refunds": (EntryType.REFUND, EntryType.APPEAL),
}
_HOUSE_NAMES = {
    "mint": "New Buzz",
    "burn": "Out of circulation",
    "escrow": "Kept safe until it is decided",
    "pool": "The creators' pool",
    "revenue": "The site",
    "world": "Payment",
}
_OWN_NAMES = {"wallet": "Your wallet", "held": "Held", "bank": "Your bank", "pending": "Cash under way",
              "settled": "Your cash"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filter:
    """What of a statement to show; days are UTC and both included."""

    kind: str = "wallet"
    colour: Currency | None = None
    types: tuple[EntryType, ...] = ()
    way: int = 0
    since: date | None = None
    until: date | None = None
    # Words that the description must have, in any case.
    words: str = ""

    @property
    def sifted(self) -> bool:
        """Whether movements are left out, so that balances cannot be run along."""
        return bool(self.types or self.way or self.since or self.until or self.words)


@dataclass(frozen=True, slots=True)
class Movement:
    """One line: what an entry did to one account, and why. `balance` is what was there afterwards, if known."""

    entry_id: int
    account_id: int
    purpose: str
    currency: Currency
    amount: int
    balance: int | None
    type: EntryType
    description: str
    hold: str | None
    at: datetime
    other_id: int | None
    other: str
    subject: Subject | None
    about: SubjectFacts | None
    reverses_id: int | None
    reversed_by: tuple[int, ...]

    @property
    def label(self) -> str:
        """Its type in words; what a hold takes and gives back is said so."""
        name = TYPE_LABELS[self.type]
        return {"reserve": f"{name}, held", "return": f"{name}, given back"}.get(self.hold or "", name)


@dataclass(frozen=True, slots=True)
class StatementPage:
    """Movements, the newest first. A search may end early: `looked_back` says so, and the cursor goes on."""

    items: tuple[Movement, ...]
    next_cursor: str | None
    looked_back: bool = False


def type_of(given: str) -> tuple[EntryType, ...]:
    """Types by group (`tips`), name (`tip`) or number (`0`). Raises Invalid (`bad_type`)."""
    if given in GROUPS:
        return GROUPS[given]
    numbered = list(EntryType)
    if given.isascii() and given.isdigit() and len(given) < 4 and int(given) < len(numbered):
        return (numbered[int(given)],)
    found = next((one for one in numbered if one.value.lower() == given.lower()), None)
    if found is None:
        raise Invalid(
            "There is no such type of movement.", code="bad_type", fields={"type": "Not a type we know."}
        )
    return (found,)


async def page(
    session: AsyncSession,
    person_id: int,
    *,
    chosen: Filter = Filter(),
    cursor: str | None = None,
    limit: int = PAGE,
) -> StatementPage:
    """A page of a person's statement. Raises Invalid for a forged cursor or an unknown kind."""
    before, account, carried = _place(cursor)
    purposes, currencies = _accounts(chosen)
    lowest, newest = await _bounds(session, chosen)
    wanted = {
        "person": person_id,
        "purposes": list(purposes),
        "currencies": list(currencies),
        "before": min(before, newest),
        "before_account": account if before <= newest else 0,
        "from_entry": lowest,
        "look": LOOK if chosen.sifted else limit + 1,
        "types": [one.value for one in chosen.types] or None,
        "way": chosen.way,
        "since": _midnight(chosen.since),
        "until": _midnight(chosen.until, 1),
        "words": _pattern(chosen.words),
        "most": limit + 1,
    }
    rows = (await session.execute(text(SQL["page"]), wanted)).all()
    low = rows[0].low if rows else None
    found = [row for row in rows if row.entry_id is not None]
    shown = found[:limit]
    balances = None if chosen.sifted else dict(carried)
    items = await _explained(session, person_id, shown, balances)
    if len(found) > limit:
        last = shown[-1]
        return StatementPage(items, _cursor(last.entry_id, last.account_id, balances))
    if low is not None and chosen.sifted and low > lowest:
        return StatementPage(items, _cursor(low, 0, None), looked_back=True)
    return StatementPage(items, None)


async def everything(
    reading: Callable[[], AbstractAsyncContextManager[AsyncSession]],
    person_id: int,
    *,
    chosen: Filter = Filter(),
) -> AsyncIterator[tuple[Movement, ...]]:
    """The whole statement in chunks, each read in a transaction of its own."""
    cursor: str | None = None
    while True:
        async with reading() as session:
            found = await page(session, person_id, chosen=chosen, cursor=cursor, limit=CHUNK)
        if found.items:
            yield found.items
        cursor = found.next_cursor
        if cursor is None:
            return


async def of_entry(session: AsyncSession, person_id: int, entry_id: int) -> tuple[Movement, ...]:
    """What one entry did to a person's accounts; nothing for an entry that is not theirs."""
    found: list[Movement] = []
    if not 0 < entry_id < NEWEST:
        return ()
    for kind in KINDS:
        wanted = Filter(kind=kind)
        part = await page(session, person_id, chosen=wanted, cursor=_cursor(entry_id, 2**62, None), limit=20)
        # What was there afterwards is only known when one comes from the newest one.
        found += [replace(one, balance=None) for one in part.items if one.entry_id == entry_id]
    return tuple(found)


def _accounts(chosen: Filter) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if chosen.kind not in KINDS:
        raise Invalid("A statement is of the wallet, the bank or cash.", code="bad_kind")
    purposes, currencies = KINDS[chosen.kind]
    if chosen.colour is not None:
        currencies = tuple(one for one in currencies if one == chosen.colour)
    return purposes, currencies


async def _bounds(session: AsyncSession, chosen: Filter) -> tuple[int, int]:
    """The entries between which the days lie: the first one, and the first one beyond."""
    lowest, newest = 0, NEWEST
    if (since := _midnight(chosen.since)) is not None:
        found = await session.scalar(text(SQL["entry_at"]), {"at": since - OVERLAP})
        lowest = NEWEST if found is None else int(found)
    if (until := _midnight(chosen.until, 1)) is not None:
        found = await session.scalar(text(SQL["entry_at"]), {"at": until + OVERLAP})
        newest = NEWEST if found is None else int(found)
    return lowest, newest


def _pattern(words: str) -> str | None:
    """What a description is compared with; signs that mean something to the database are only signs here."""
    plain = clean_line(words[:1000])[:LONGEST_WORDS]
    for sign in ("\\", "%", "_"):
        plain = plain.replace(sign, f"\\{sign}")
    return f"%{plain}%" if plain else None


def _midnight(day: date | None, later: int = 0) -> datetime | None:
    if day is None:
        return None
    try:
        return datetime.combine(day + timedelta(days=later), time(), ZONE)
    except OverflowError:
        raise Invalid("This day is too far away.", code="bad_day") from None


def _cursor(entry: int, account: int, balances: Mapping[int, int] | None) -> str:
    carried = balances if balances is not None and len(balances) <= MOST_BALANCES else {}
    return paging.encode(entry, account, ",".join(f"{one}:{amount}" for one, amount in carried.items()))


def _place(cursor: str | None) -> tuple[int, int, dict[int, int]]:
    if cursor is None:
        return NEWEST, 0, {}
    entry, account, carried = paging.decode(cursor, int, int, str)
    balances: dict[int, int] = {}
    try:
        for part in str(carried).split(",") if carried else ():
            one, _, amount = part.partition(":")
            balances[int(one)] = int(amount)
    except ValueError:
        raise Invalid(
            "This cursor is not one of ours; start again from the first page.", code="bad_cursor"
        ) from None
    if not 0 <= int(entry or 0) <= NEWEST or not 0 <= int(account or 0) <= NEWEST:
        raise Invalid("This cursor is not one of ours; start again from the first page.", code="bad_cursor")
    return int(entry or 0), int(account or 0), balances


async def _explained(
    session: AsyncSession, person_id: int, rows: Sequence[Any], balances: dict[int, int] | None
) -> tuple[Movement, ...]:
    """Rows with the other side's name, the subject's, related entries and, where it runs along, the balance."""
    if not rows:
        return ()
    entries = sorted({row.entry_id for row in rows})
    others: dict[int, list[tuple[int, str]]] = {}
    reversed_by: dict[int, tuple[int, ...]] = {}
    around = await session.execute(text(SQL["around"]), {"entries": entries, "person": person_id})
    for row in around:
        reversed_by[row.entry_id] = tuple(row.reversed or ())
        if row.owner_id is not None:
            others.setdefault(row.entry_id, []).append((row.owner_id, row.purpose))
    names = await people.by_ids(session, {owner for pair in others.values() for owner, _ in pair if owner})
    subjects = {Subject(row.subject_kind, row.subject_id) for row in rows if row.subject_kind}
    about = await resolve_all(session, sorted(subjects, key=lambda one: (one.kind, one.id)))
    made = []
    for row in rows:
        owner, purpose = _other(others.get(row.entry_id, []))
        card = names.get(owner) if owner else None
        subject = Subject(row.subject_kind, row.subject_id) if row.subject_kind else None
        balance = None
        if balances is not None:
            balance = balances.setdefault(row.account_id, int(row.balance))
            balances[row.account_id] = balance - row.amount
        told = (card.username or "[deleted]") if card else _named(owner, purpose, row.purpose)
        made.append(
            Movement(
                row.entry_id, row.account_id, row.purpose, Currency(row.currency), row.amount, balance,
                EntryType(row.type), row.description, row.hold, row.created_at, owner or None, told, subject,
                about.get(subject) if subject else None, row.reverses_id, reversed_by.get(row.entry_id, ()),
            )
        )  # fmt: skip
    return tuple(made)


def _other(sides: Sequence[tuple[int, str]]) -> tuple[int, str]:
    """The side to name: a person before the house."""
    return next((side for side in sides if side[0] != HOUSE), sides[0] if sides else (HOUSE, ""))


def _named(owner: int, purpose: str, own: str) -> str:
    if owner:
        return "Somebody"
    if not purpose:
        return "Between your own accounts" if own in _OWN_NAMES else ""
    return _HOUSE_NAMES.get(purpose, "The site")
