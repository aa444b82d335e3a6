"""Buzz for tests."""

from __future__ import annotations

from itertools import count

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry, Posted, transfer
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.kit import money

_numbers = count(1)


async def give_buzz(
    session: AsyncSession,
    person: int,
    buzz: int,
    colour: Currency = Currency.YELLOW,
    *,
    type: EntryType = EntryType.PURCHASE,
    description: str = "",
) -> Posted:
    """Whole Buzz out of the mint into a purse."""
    legs = transfer(house(Purpose.MINT, colour), wallet(person, colour), money.buzz(buzz))
    return await posting.post(session, Entry(f"given:{next(_numbers)}", type, legs, description))


async def spend_buzz(
    session: AsyncSession,
    person: int,
    buzz: int,
    *,
    type: EntryType = EntryType.GENERATION,
    description: str = "",
    subject: Subject | None = None,
    colours: tuple[Currency, ...] = (Currency.BLUE, Currency.GREEN, Currency.YELLOW),
) -> Posted:
    """A charge that the house earns."""
    return await posting.charge(
        session,
        Entry(f"spent:{next(_numbers)}", type, (), description, subject),
        source=wallet(person, colours[0]),
        target=house(Purpose.REVENUE, colours[0]),
        colours=colours,
        total=money.buzz(buzz),
    )


async def tip_buzz(
    session: AsyncSession,
    giver: int,
    taker: int,
    buzz: int,
    colour: Currency = Currency.YELLOW,
    *,
    subject: Subject | None = None,
    description: str = "Tip",
) -> Posted:
    """From one purse to another."""
    legs = transfer(wallet(giver, colour), wallet(taker, colour), money.buzz(buzz))
    entry = Entry(f"tipped:{next(_numbers)}", EntryType.TIP, legs, description, subject, actor_id=giver)
    return await posting.post(session, entry)
