"""Holds of one colour, which take a short way through the ledger, and of several: what they answer is the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import text
from tests.factories.accounts import make_person

from civitas.domains.buzz.errors import InsufficientFunds, KeyReused, WalletFrozen
from civitas.domains.buzz.ledger import auditing, holds, posting
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.types import Account, Currency, EntryType, Purpose, house, wallet
from civitas.infra.db.database import Database, driver_connection
from civitas.infra.db.settings import DatabaseSettings
from civitas.infra.db.writepool import WritePool
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid

BLUE, YELLOW = Currency.BLUE, Currency.YELLOW
WAYS = pytest.mark.parametrize("colours", [(YELLOW,), (YELLOW, BLUE)], ids=["one colour", "two colours"])


@pytest.fixture
async def database(own_dsn: str) -> AsyncIterator[Database]:
    opened = Database(own_dsn)
    yield opened
    await opened.close()


@pytest.fixture
async def pool(own_dsn: str) -> AsyncIterator[WritePool]:
    writes = WritePool(own_dsn, DatabaseSettings(pool_size=2))
    yield writes
    await writes.close()


async def person_with(database: Database, pool: WritePool, yellow: int) -> int:
    async with database.unit() as session:
        ana = await make_person(session)
    await pay_in(pool, ana, yellow, "first")
    return ana


async def pay_in(pool: WritePool, person: int, amount: int, key: str) -> None:
    legs = transfer(house(Purpose.MINT, YELLOW), wallet(person, YELLOW), amount)
    await posting.post(pool, Entry(f"in:{key}", EntryType.PURCHASE, legs))


async def reserve(
    pool: WritePool, person: int, total: int, colours: Sequence[Currency], key: str = "w"
) -> holds.Held:
    return await holds.reserve(
        pool, key=key, person_id=person, colours=colours, total=total, type=EntryType.GENERATION,
        expires_at=clock.now() + timedelta(hours=1), description="A picture",
    )  # fmt: skip


async def yellow_of(database: Database, *accounts: Account) -> list[int]:
    """Balances, of a ledger in which every law holds."""
    async with database.reading() as session:
        assert (await auditing.audit(session)).findings == ()
        found = await posting.balances(session, accounts)
        return [found[account] for account in accounts]


@WAYS
async def test_a_hold_is_made_once_and_refused_as_any_charge(
    database: Database, pool: WritePool, colours: tuple[Currency, ...]
) -> None:
    ana = await person_with(database, pool, 100)
    made = await reserve(pool, ana, 60, colours)
    assert (made.status, made.reserved, made.remaining) == ("open", {YELLOW: 60}, {YELLOW: 60})
    again = await reserve(pool, ana, 60, colours)
    assert again == made
    with pytest.raises(KeyReused):
        await reserve(pool, ana, 61, colours)
    with pytest.raises(InsufficientFunds) as refused:
        await reserve(pool, ana, 41, colours, "x")
    assert refused.value.missing == 1
    # The accounts are there now, and the second goes the way of most.
    second = await reserve(pool, ana, 40, colours, "y")
    assert await reserve(pool, ana, 40, colours, "y") == second
    with pytest.raises(KeyReused):
        await reserve(pool, ana, 39, colours, "y")
    async with database.unit() as session:
        await posting.freeze(session, ana, at=clock.now())
    await pay_in(pool, ana, 10, "more")
    with pytest.raises(WalletFrozen):
        await reserve(pool, ana, 1, colours, "z")
    assert await reserve(pool, ana, 40, colours, "y") == second, "what was done stays done"
    await holds.capture(pool, hold_id=second.id, key="all")
    held = Account(ana, Purpose.HELD, YELLOW)
    assert await yellow_of(database, wallet(ana, YELLOW), held, house(Purpose.REVENUE, YELLOW)) == [
        10,
        60,
        40,
    ]


@WAYS
async def test_a_hold_is_captured_in_parts_and_each_part_once(
    database: Database, pool: WritePool, colours: tuple[Currency, ...]
) -> None:
    ana = await person_with(database, pool, 100)
    hold = await reserve(pool, ana, 80, colours)
    for amount in (0, -5, 81):
        with pytest.raises(Invalid):
            await holds.capture(pool, hold_id=hold.id, key="a", amount=amount)
    first = await holds.capture(pool, hold_id=hold.id, key="a", amount=30)
    assert (await holds.capture(pool, hold_id=hold.id, key="a", amount=30)) == posting.Posted(
        first.entry_id, True
    )
    with pytest.raises(KeyReused):
        await holds.capture(pool, hold_id=hold.id, key="a", amount=31)
    assert (await reserve(pool, ana, 80, colours)).remaining == {YELLOW: 50}
    pot = house(Purpose.POOL.of("test"), YELLOW)
    await holds.capture(pool, hold_id=hold.id, key="b", amount=20, target=pot, type=EntryType.FEE)
    last = await holds.capture(pool, hold_id=hold.id, key="c", amount=10, final=True)
    assert (
        await holds.capture(pool, hold_id=hold.id, key="c", amount=10, final=True)
    ).entry_id == last.entry_id
    with pytest.raises(Conflict):
        await holds.capture(pool, hold_id=hold.id, key="d", amount=1)
    held, revenue = Account(ana, Purpose.HELD, YELLOW), house(Purpose.REVENUE, YELLOW)
    assert await yellow_of(database, wallet(ana, YELLOW), held, revenue, pot) == [40, 0, 40, 20]
    async with database.reading() as session:
        told = await session.execute(
            text("SELECT type, description, details FROM buzz_entries WHERE key LIKE 'capture:%' ORDER BY id")
        )
        assert [tuple(row) for row in told] == [
            (type_, "A picture", {"hold": "capture"}) for type_ in ("generation", "fee", "generation")
        ]


@WAYS
async def test_what_waits_beside_an_account_can_be_held_and_captured(
    database: Database, pool: WritePool, colours: tuple[Currency, ...]
) -> None:
    ana = await person_with(database, pool, 100)
    first = await reserve(pool, ana, 30, colours, "first")
    async with database.unit() as session:
        connection = await driver_connection(session)
        await connection.execute(
            "SELECT FROM buzz_accounts WHERE owner_id = %s AND purpose = 'wallet' FOR UPDATE", (ana,)
        )
        await pay_in(pool, ana, 50, "beside")
    second = await reserve(pool, ana, 110, colours, "second")
    async with database.unit() as session:
        connection = await driver_connection(session)
        await connection.execute(
            "SELECT FROM buzz_accounts WHERE owner_id = %s AND purpose = 'held' FOR UPDATE", (ana,)
        )
        third = await reserve(pool, ana, 10, colours, "third")
    async with database.reading() as session:
        assert await session.scalar(text("SELECT sum(amount) FROM buzz_unfolded")) == 10
    for hold in (second, third, first):
        await holds.capture(pool, hold_id=hold.id, key="all")
    held, revenue = Account(ana, Purpose.HELD, YELLOW), house(Purpose.REVENUE, YELLOW)
    assert await yellow_of(database, wallet(ana, YELLOW), held, revenue) == [0, 0, 150]
