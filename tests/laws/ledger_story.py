"""A fixed story of money that any number of processes play at once, each in an order of its own.

    python -m tests.laws.ledger_story DSN SEED IDS...

Everything in it has a key and enough money behind it, so that every order ends at the same balances.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.app.tables import METADATA
from civitas.domains.buzz.ledger import holds, posting
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.infra.db.database import Database
from civitas.kit import clock

BLUE, YELLOW = Currency.BLUE, Currency.YELLOW
# Rows are written through mapped classes, whose keys to people need all of them.
assert METADATA.tables
GRANT = 1_000_000
STEPS = 60

Step = Callable[[AsyncSession], Awaitable[object]]


def grants(ids: Sequence[int]) -> list[Entry]:
    """What everybody starts with."""
    return [
        Entry(
            f"grant:{person}:{colour}",
            EntryType.PURCHASE,
            transfer(house(Purpose.MINT, colour), wallet(person, colour), GRANT),
        )
        for person in ids
        for colour in (BLUE, YELLOW)
    ]


def tip(number: int, ids: Sequence[int]) -> Step:
    """Most tips go to the first person."""
    giver = ids[1 + number % (len(ids) - 1)]
    taker = ids[0] if number % 10 else ids[1 + (number + 1) % (len(ids) - 1)]

    async def step(session: AsyncSession) -> object:
        entry = Entry(
            f"tip:{number}",
            EntryType.TIP,
            transfer(wallet(giver, YELLOW), wallet(taker, YELLOW), 10 + number),
        )
        return await posting.post(session, entry)

    return step


def generation(number: int, ids: Sequence[int]) -> Step:
    """A hold that is captured in two parts, the rest given back."""
    person = ids[number % len(ids)]

    async def step(session: AsyncSession) -> object:
        hold = await holds.reserve(
            session, key=f"hold:{number}", person_id=person, colours=(BLUE, YELLOW), total=100,
            type=EntryType.GENERATION, expires_at=clock.now() + timedelta(days=1),
        )  # fmt: skip
        await holds.capture(session, hold_id=hold.id, key="first", amount=30)
        return await holds.capture(session, hold_id=hold.id, key="second", amount=20, final=True)

    return step


def purchase_and_refund(number: int, ids: Sequence[int]) -> Step:
    """A charge over two purses and the refund of half of it."""
    person = ids[number % len(ids)]

    async def step(session: AsyncSession) -> object:
        posted = await posting.charge(
            session,
            Entry(f"charge:{number}", EntryType.PURCHASE, ()),
            source=wallet(person, BLUE),
            target=house(Purpose.REVENUE, BLUE),
            colours=(BLUE, YELLOW),
            total=40,
        )
        return await posting.refund(session, of=posted.entry_id, key=f"refund:{number}", amount=15)

    return step


def batch(number: int, ids: Sequence[int]) -> Step:
    """One person pays all the others at once."""
    giver = ids[number % len(ids)]
    entries = [
        Entry(
            f"batch:{number}:{taker}",
            EntryType.COMPENSATION,
            transfer(wallet(giver, BLUE), wallet(taker, BLUE), 3),
        )
        for taker in ids
        if taker != giver
    ]

    async def step(session: AsyncSession) -> object:
        return await posting.post_batch(session, entries)

    return step


def steps(ids: Sequence[int]) -> list[Step]:
    """The whole story."""
    kinds = (tip, generation, purchase_and_refund, batch, tip, tip)
    return [kinds[number % len(kinds)](number, ids) for number in range(STEPS)]


def expected(ids: Sequence[int]) -> dict[tuple[int, Currency], int]:
    """Where everybody stands when the story has been told."""
    found: Counter[tuple[int, Currency]] = Counter()
    for person in ids:
        found[person, BLUE] = found[person, YELLOW] = GRANT
    for number in range(STEPS):
        kind = number % 6
        person = ids[number % len(ids)]
        if kind in (0, 4, 5):
            giver = ids[1 + number % (len(ids) - 1)]
            taker = ids[0] if number % 10 else ids[1 + (number + 1) % (len(ids) - 1)]
            found[giver, YELLOW] -= 10 + number
            found[taker, YELLOW] += 10 + number
        elif kind == 1:
            found[person, BLUE] -= 50
        elif kind == 2:
            found[person, BLUE] -= 25
        else:
            found[person, BLUE] -= 3 * (len(ids) - 1)
            for taker in ids:
                if taker != person:
                    found[taker, BLUE] += 3
    return dict(found)


async def play(database: Database, ids: Sequence[int], seed: int) -> None:
    """Take every step once, in the order that `seed` gives."""
    story = steps(ids)
    random.Random(seed).shuffle(story)
    for step in story:
        async with database.unit() as session:
            await step(session)


async def main(dsn: str, seed: int, ids: Sequence[int]) -> None:
    """Play until killed."""
    database = Database(dsn)
    for round in range(10_000):
        await play(database, ids, seed + round)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), [int(one) for one in sys.argv[3:]]))
