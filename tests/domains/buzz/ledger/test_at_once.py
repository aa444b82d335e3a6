"""Posting without a unit of work: one round trip, a transaction of its own, the same rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import text
from tests.factories.accounts import make_person

from civitas.domains.buzz.errors import InsufficientFunds, KeyReused, WalletFrozen
from civitas.domains.buzz.ledger import auditing, holds, posting, tasks
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.types import COLOURS, Currency, EntryType, Purpose, house, wallet
from civitas.infra.db.database import Database, driver_connection
from civitas.infra.db.settings import DatabaseSettings
from civitas.infra.db.writepool import WritePool
from civitas.infra.queue.context import TaskContext
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid, NotFound

BLUE, YELLOW = Currency.BLUE, Currency.YELLOW


@pytest.fixture
async def database(own_dsn: str) -> AsyncIterator[Database]:
    opened = Database(own_dsn)
    yield opened
    await opened.close()


@pytest.fixture
async def pool(own_dsn: str) -> AsyncIterator[WritePool]:
    writes = WritePool(own_dsn, DatabaseSettings(pool_size=4))
    yield writes
    await writes.close()


async def people(database: Database, count: int) -> list[int]:
    async with database.unit() as session:
        ids = [await make_person(session) for _ in range(count)]
        for colour in (BLUE, YELLOW):
            await posting.post_batch(
                session,
                [
                    Entry(
                        f"g:{colour}:{person}",
                        EntryType.PURCHASE,
                        transfer(house(Purpose.MINT, colour), wallet(person, colour), 100),
                    )
                    for person in ids
                ],
            )
        return ids


async def in_wallet(database: Database, person: int) -> dict[Currency, int]:
    async with database.reading() as session:
        assert (await auditing.audit(session)).findings == ()
        found = await posting.balances(session, [wallet(person, colour) for colour in (BLUE, YELLOW)])
        return {account.currency: amount for account, amount in found.items()}


async def test_a_posting_is_committed_when_it_returns_and_done_once(
    database: Database, pool: WritePool
) -> None:
    ana, ben = await people(database, 2)
    entry = Entry("t", EntryType.TIP, transfer(wallet(ana, YELLOW), wallet(ben, YELLOW), 30), "Thanks")
    first = await posting.post(pool, entry)
    assert await in_wallet(database, ben) == {BLUE: 100, YELLOW: 130}
    again = await posting.post(pool, entry)
    assert (again.entry_id, first.replayed, again.replayed) == (first.entry_id, False, True)
    async with database.unit() as session:
        assert (await posting.post(session, entry)).replayed, "in a unit of work it is the same entry"
    with pytest.raises(KeyReused):
        await posting.post(
            pool, Entry("t", EntryType.TIP, transfer(wallet(ana, YELLOW), wallet(ben, YELLOW), 31))
        )
    with pytest.raises(InsufficientFunds) as refused:
        await posting.post(
            pool, Entry("u", EntryType.TIP, transfer(wallet(ana, YELLOW), wallet(ben, YELLOW), 71))
        )
    assert refused.value.missing == 1
    assert await in_wallet(database, ana) == {BLUE: 100, YELLOW: 70}


async def test_purses_are_charged_in_order_and_frozen_ones_not_at_all(
    database: Database, pool: WritePool
) -> None:
    (ana,) = await people(database, 1)

    async def pay(key: str, total: int) -> posting.Posted:
        return await posting.charge(
            pool, Entry(key, EntryType.GENERATION, ()),
            source=wallet(ana, BLUE), target=house(Purpose.REVENUE, BLUE), colours=COLOURS, total=total,
        )  # fmt: skip

    assert (await pay("a", 130)).parts == {BLUE: 100, YELLOW: 30}
    replayed = await pay("a", 130)
    assert replayed.replayed and replayed.parts == {BLUE: 100, YELLOW: 30}
    with pytest.raises(InsufficientFunds) as refused:
        await pay("b", 75)
    assert refused.value.missing == 5
    async with database.unit() as session:
        await posting.freeze(session, ana, at=clock.now())
    with pytest.raises(WalletFrozen):
        await pay("c", 1)
    assert (await pay("a", 130)).replayed, "what was done stays done"
    assert await in_wallet(database, ana) == {BLUE: 0, YELLOW: 70}


async def test_what_waits_to_be_folded_is_spent_in_its_turn(database: Database, pool: WritePool) -> None:
    ana, ben = await people(database, 2)
    async with database.unit() as session:
        connection = await driver_connection(session)
        await connection.execute("SELECT FROM buzz_accounts WHERE owner_id = %s FOR UPDATE", (ben,))
        await posting.post(
            pool, Entry("w", EntryType.TIP, transfer(wallet(ana, BLUE), wallet(ben, BLUE), 40))
        )
        await posting.post(
            pool, Entry("v", EntryType.TIP, transfer(wallet(ana, YELLOW), wallet(ben, YELLOW), 5))
        )
    taken = await posting.charge(
        pool, Entry("c", EntryType.GENERATION, ()),
        source=wallet(ben, BLUE), target=house(Purpose.REVENUE, BLUE), colours=COLOURS, total=150,
    )  # fmt: skip
    assert taken.parts == {BLUE: 140, YELLOW: 10}
    assert await in_wallet(database, ben) == {BLUE: 0, YELLOW: 95}


async def test_the_task_folds_what_nobody_spent(database: Database, pool: WritePool) -> None:
    ana, ben = await people(database, 2)
    async with database.unit() as session:
        connection = await driver_connection(session)
        await connection.execute("SELECT FROM buzz_accounts WHERE owner_id = %s FOR UPDATE", (ben,))
        await posting.post(
            pool, Entry("w", EntryType.TIP, transfer(wallet(ana, BLUE), wallet(ben, BLUE), 40))
        )
    await tasks.fold_credits(TaskContext(database, {WritePool: pool}))
    async with database.reading() as session:
        left = await session.execute(
            text(
                "SELECT (SELECT count(*) FROM buzz_unfolded), balance"
                "  FROM buzz_accounts WHERE owner_id = :ben AND currency = 'blue'"
            ),
            {"ben": ben},
        )
        assert tuple(left.one()) == (0, 140)


async def test_a_batch_is_whole_or_nothing_and_its_repetition_changes_nothing(
    database: Database, pool: WritePool
) -> None:
    ana, ben, cleo = await people(database, 3)

    def batch(amount: int, *keys: str) -> list[Entry]:
        return [
            Entry(
                key,
                EntryType.COMPENSATION,
                (*transfer(wallet(ana, BLUE), wallet(ben, BLUE), amount), *transfer(wallet(ana, BLUE), wallet(cleo, BLUE), 1)),
            )
            for key in keys
        ]  # fmt: skip

    first = await posting.post_batch(pool, batch(20, "b1", "b2"))
    assert [one.replayed for one in first] == [False, False]
    mixed = await posting.post_batch(pool, batch(20, "b0", "b2", "b1", "b3"))
    assert [one.replayed for one in mixed] == [False, True, True, False]
    assert [mixed[1].entry_id, mixed[2].entry_id] == [first[1].entry_id, first[0].entry_id]
    with pytest.raises(InsufficientFunds) as refused:
        await posting.post_batch(pool, batch(20, "b4", "b1"))
    assert refused.value.missing == 5
    with pytest.raises(KeyReused):
        await posting.post_batch(pool, batch(2, "b5", "b1"))
    assert await in_wallet(database, ana) == {BLUE: 16, YELLOW: 100}
    assert await in_wallet(database, cleo) == {BLUE: 104, YELLOW: 100}


async def test_batches_with_the_same_keys_at_once_do_each_once(database: Database, pool: WritePool) -> None:
    ids = await people(database, 6)

    def batch(start: int) -> list[Entry]:
        numbers = [(start + step) % 30 for step in range(20)]
        return [
            Entry(
                f"n{n}",
                EntryType.TIP,
                transfer(wallet(ids[n % 6], BLUE), wallet(ids[(n + 1) % 6], BLUE), 1 + n % 6),
            )
            for n in numbers
        ]

    async def play(start: int) -> None:
        await posting.post_batch(pool, batch(start))

    await asyncio.gather(*(play(start) for start in (0, 5, 10, 15, 20, 25)))
    for n, person in enumerate(ids):
        given, taken = (1 + n) * 5, (1 + (n - 1) % 6) * 5
        assert (await in_wallet(database, person))[BLUE] == 100 - given + taken


async def test_a_connection_that_was_lost_does_it_once(
    database: Database, pool: WritePool, own_dsn: str
) -> None:
    ana, ben = await people(database, 2)
    tip = transfer(wallet(ana, YELLOW), wallet(ben, YELLOW), 1)
    await posting.post(pool, Entry("k0", EntryType.TIP, tip))
    async with await psycopg.AsyncConnection.connect(own_dsn, autocommit=True) as other:
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'civitas-write'"
        )
    await asyncio.sleep(0.1)
    await posting.post(pool, Entry("k1", EntryType.TIP, tip))
    assert await in_wallet(database, ben) == {BLUE: 100, YELLOW: 102}


async def test_what_an_api_key_spends_is_weighed_in_a_unit_of_work(
    database: Database, pool: WritePool
) -> None:
    ana, ben = await people(database, 2)
    entry = Entry("k", EntryType.TIP, transfer(wallet(ana, BLUE), wallet(ben, BLUE), 1), key_id=5)
    with pytest.raises(ValueError, match="unit of work"):
        await posting.post(pool, entry)


async def test_holds_are_taken_and_captured_in_one_round_trip_each(
    database: Database, pool: WritePool
) -> None:
    (ana,) = await people(database, 1)

    async def reserve(key: str, total: int, hours: int = 1) -> holds.Held:
        return await holds.reserve(
            pool, key=key, person_id=ana, colours=COLOURS, total=total, type=EntryType.GENERATION,
            expires_at=clock.now() + timedelta(hours=hours),
        )  # fmt: skip

    hold = await reserve("w", 150)
    assert (hold.status, hold.reserved, hold.left) == ("open", {BLUE: 100, YELLOW: 50}, 150)
    with pytest.raises(KeyReused):
        await reserve("w", 151)
    with pytest.raises(InsufficientFunds) as refused:
        await reserve("x", 60)
    assert refused.value.missing == 10
    for hours in (-1, 24 * 46):
        with pytest.raises(Invalid):
            await reserve("y", 10, hours)
    first = await holds.capture(pool, hold_id=hold.id, key="a", amount=110)
    assert (await holds.capture(pool, hold_id=hold.id, key="a", amount=110)).entry_id == first.entry_id
    with pytest.raises(KeyReused):
        await holds.capture(pool, hold_id=hold.id, key="a", amount=10)
    with pytest.raises(Invalid):
        await holds.capture(pool, hold_id=hold.id, key="b", amount=41)
    assert (await reserve("w", 150)).remaining == {YELLOW: 40}
    last = await holds.capture(pool, hold_id=hold.id, key="b", amount=15, final=True)
    assert not last.replayed
    with pytest.raises(Conflict):
        await holds.capture(pool, hold_id=hold.id, key="c", amount=1)
    assert (await holds.capture(pool, hold_id=hold.id, key="b", amount=15, final=True)).replayed
    with pytest.raises(NotFound):
        await holds.capture(pool, hold_id=hold.id + 1000, key="a")
    assert await in_wallet(database, ana) == {BLUE: 0, YELLOW: 75}
    async with database.reading() as session:
        assert (await holds.by_key(session, "w")).status == "captured"


async def test_holds_of_one_person_end_at_once_and_everything_comes_back(
    database: Database, pool: WritePool
) -> None:
    (ana,) = await people(database, 1)

    async def work(number: int) -> None:
        colours = (BLUE, YELLOW) if number % 2 else (YELLOW, BLUE)
        hold = await holds.reserve(
            pool, key=f"w{number}", person_id=ana, colours=colours, total=10, type=EntryType.GENERATION,
            expires_at=clock.now() + timedelta(hours=1),
        )  # fmt: skip
        await holds.capture(pool, hold_id=hold.id, key="a", amount=3)
        await holds.capture(pool, hold_id=hold.id, key="b", amount=2, final=True)

    for start in range(0, 16, 8):
        await asyncio.gather(*(work(number) for number in range(start, start + 8)))
    assert sum((await in_wallet(database, ana)).values()) == 200 - 16 * 5
