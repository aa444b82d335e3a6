"""Sums of what moved: by day for charts, for a lifetime, for the site as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.buzz.types import COLOURS, Currency, EntryType
from civitas.kit import clock
from civitas.kit.sql import statements

SQL = statements("civitas.domains.buzz.ledger", "daily.sql")
FOLD_BATCH = 20_000
CHART_DAYS = 30
MONTHS = 12


@dataclass(frozen=True, slots=True)
class Day:
    """What came into a person's wallet and what went out of it on a UTC day, in quarters."""

    day: date
    came: int
    went: int


@dataclass(frozen=True, slots=True)
class Total:
    """What came and went of one colour by one type of entry, in quarters."""

    currency: Currency
    type: EntryType
    came: int
    went: int


@dataclass(frozen=True, slots=True)
class Lifetime:
    """All that a wallet ever saw. What was given back counts as neither earned nor spent."""

    totals: tuple[Total, ...]

    @property
    def earned(self) -> dict[Currency, int]:
        """What came in for good, by colour."""
        return {colour: self._sum(colour, came=True) for colour in COLOURS}

    @property
    def spent(self) -> dict[Currency, int]:
        """What went out for good, by colour."""
        return {colour: self._sum(colour, came=False) for colour in COLOURS}

    def _sum(self, colour: Currency, *, came: bool) -> int:
        total = 0
        for one in self.totals:
            if one.currency == colour:
                plus, minus = (one.came, one.went) if came else (one.went, one.came)
                total += -minus if one.type is EntryType.REFUND else plus
        return total


@dataclass(frozen=True, slots=True)
class HouseMonth:
    """One month of the house, in quarters (cash in cents) by currency."""

    month: date
    minted: Mapping[str, int]
    burned: Mapping[str, int]
    revenue: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Supply:
    """What all accounts of a purpose hold."""

    purpose: str
    currency: str
    amount: int
    accounts: int


async def fold(session: AsyncSession) -> bool:
    """Add what was posted since to the daily sums; whether there may be more to do at once.

    An entry is added exactly once, whatever order transactions commit in: a number is taken up only after every
    transaction that was writing when it was seen has ended.
    """
    mark = (await session.execute(text(SQL["mark"]))).first()
    if mark is None:
        return False
    done, following, waits = int(mark.done_id), mark.next_id, list(mark.waits)
    if following is None:
        following = int(await session.scalar(text(SQL["newest"])) or 0)
        waits = list((await session.scalars(text(SQL["writers"]))).all())
    elif waits:
        waits = [one for one in waits if one in set((await session.scalars(text(SQL["writers"]))).all())]
    more = False
    if not waits:
        until = min(following, done + FOLD_BATCH)
        if until > done:
            await session.execute(text(SQL["fold"]), {"done": done, "until": until})
        more = until < following
        done, following = until, (following if more else None)
    await session.execute(
        text(SQL["set_mark"]), {"done": done, "next": following, "waits": orjson.dumps(waits).decode()}
    )
    return more


async def days(session: AsyncSession, person_id: int, *, count: int = CHART_DAYS) -> tuple[Day, ...]:
    """The last days of a wallet, today last, every day there."""
    today = clock.now().date()
    since = today - timedelta(days=count - 1)
    found: dict[date, Day] = {}
    for row in await session.execute(text(SQL["of_person"]), {"person": person_id, "since": since}):
        known = found.get(row.day, Day(row.day, 0, 0))
        found[row.day] = Day(row.day, known.came + row.came, known.went + row.went)
    every = (since + timedelta(days=number) for number in range(count))
    return tuple(found.get(day, Day(day, 0, 0)) for day in every)


async def lifetime(session: AsyncSession, person_id: int) -> Lifetime:
    """All that a wallet ever saw, by colour and type."""
    rows = await session.execute(text(SQL["lifetime"]), {"person": person_id})
    return Lifetime(
        tuple(Total(Currency(row.currency), EntryType(row.type), row.came, row.went) for row in rows)
    )


async def months(session: AsyncSession, *, count: int = MONTHS) -> tuple[HouseMonth, ...]:
    """What was made, ended and earned in the last months, the newest first; as far as it is folded."""
    first = clock.now().date().replace(day=1)
    for _ in range(count - 1):
        first = (first - timedelta(days=1)).replace(day=1)
    found: dict[date, dict[str, dict[str, int]]] = {}
    for row in await session.execute(text(SQL["months_of_house"]), {"since": first}):
        amount = row.went - row.came if row.purpose == "mint" else row.came - row.went
        found.setdefault(row.month, {}).setdefault(row.purpose, {})[row.currency] = int(amount)
    return tuple(
        HouseMonth(month, by.get("mint", {}), by.get("burn", {}), by.get("revenue", {}))
        for month, by in found.items()
    )


async def note_supply(session: AsyncSession) -> None:
    """Look at all accounts and keep today's sums."""
    await session.execute(text(SQL["note_supply"]), {"day": clock.now().date()})


async def supply(session: AsyncSession) -> tuple[Supply, ...]:
    """What all accounts held when it was last looked at, within the hour."""
    rows = await session.execute(text(SQL["supply"]))
    return tuple(Supply(row.purpose, row.currency, int(row.amount), int(row.accounts)) for row in rows)


async def figures(session: AsyncSession) -> tuple[dict[str, int], int, int]:
    """For metrics: people's and kept Buzz by currency in quarters, rows waiting to be folded, open holds."""
    kept: dict[str, int] = {}
    for one in await supply(session):
        if one.purpose not in ("mint", "burn", "revenue", "world"):
            kept[one.currency] = kept.get(one.currency, 0) + one.amount
    row = (await session.execute(text(SQL["figures"]))).one()
    return kept, int(row.unfolded), int(row.holds)
