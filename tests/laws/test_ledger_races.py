"""The ledger under many hands, and under the axe: no deadlock, no overdraft, everything once, whatever dies when."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.factories.accounts import make_person
from tests.laws import ledger_story as story

from civitas.domains.buzz.errors import InsufficientFunds
from civitas.domains.buzz.ledger import auditing, posting
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.types import Account, Currency, EntryType, Purpose, house, wallet
from civitas.infra.db.database import Database
from civitas.infra.db.settings import DatabaseSettings

ROOT = Path(__file__).parents[2]
YELLOW = Currency.YELLOW


@pytest.fixture
async def database(own_dsn: str) -> AsyncIterator[Database]:
    """A pool on a database of this test's own, with room for many at once."""
    opened = Database(own_dsn, DatabaseSettings(pool_size=12))
    yield opened
    await opened.close()


async def people(database: Database, count: int) -> list[int]:
    async with database.unit() as session:
        ids = [await make_person(session) for _ in range(count)]
        await posting.post_batch(session, story.grants(ids))
        return ids


async def check(database: Database, expected: dict[tuple[int, Currency], int]) -> None:
    async with database.reading() as session:
        assert (await auditing.audit(session)).findings == ()
        found = await posting.balances(session, [wallet(*purse) for purse in expected])
    assert {(a.owner, a.currency): amount for a, amount in found.items()} == expected


async def test_many_at_once_in_every_order_do_everything_once(database: Database) -> None:
    ids = await people(database, 6)
    await asyncio.gather(*(story.play(database, ids, seed) for seed in range(8)))
    async with database.unit() as session:
        await posting.fold(session)
    await check(database, story.expected(ids))


async def test_what_is_killed_between_any_two_statements_is_done_once_in_the_end(database: Database) -> None:
    ids = await people(database, 5)
    rng = random.Random(11)
    for round in range(6):
        players = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.laws.ledger_story",
                    database.dsn,
                    str(round * 10 + n),
                    *map(str, ids),
                ],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
            )
            for n in range(2)
        ]
        started = await _entries(database)
        for _ in range(400):
            if await _entries(database) > started or round > 2 or any(p.poll() is not None for p in players):
                break
            await asyncio.sleep(0.05)
        for player in players:
            await asyncio.sleep(rng.uniform(0, 0.15) if round <= 2 else rng.uniform(0.8, 1.6))
            assert player.poll() is None, "a player died by itself"
            player.send_signal(signal.SIGKILL)
            player.wait()
    await story.play(database, ids, 1)
    async with database.unit() as session:
        await posting.fold(session)
    await check(database, story.expected(ids))


async def _entries(database: Database) -> int:
    async with database.reading() as session:
        return int(await session.scalar(text("SELECT count(*) FROM buzz_entries")) or 0)


async def test_two_payers_of_one_balance_cannot_both_have_it(database: Database) -> None:
    async with database.unit() as session:
        ana = await make_person(session)
        mint = house(Purpose.MINT, YELLOW)
        await posting.post(session, Entry("g", EntryType.PURCHASE, transfer(mint, wallet(ana, YELLOW), 100)))

    async def pay(number: int) -> int:
        try:
            async with database.unit() as session:
                await posting.charge(
                    session,
                    Entry(f"p{number}", EntryType.GENERATION, ()),
                    source=wallet(ana, YELLOW),
                    target=house(Purpose.REVENUE, YELLOW),
                    colours=(YELLOW,),
                    total=30,
                )
                return 1
        except InsufficientFunds:
            return 0

    assert sum(await asyncio.gather(*(pay(number) for number in range(10)))) == 3
    await check(database, {(ana, YELLOW): 10})


async def test_credits_do_not_wait_for_a_row_that_is_taken(database: Database) -> None:
    ids = await people(database, 8)
    creator, givers = ids[0], ids[1:]

    async def give(number: int) -> None:
        async with database.unit() as session:
            # Should a credit ever wait for the creator's row, this fails it instead of hanging the test.
            await session.execute(text("SET LOCAL lock_timeout = '2s'"))
            source = wallet(givers[number % len(givers)], YELLOW)
            await posting.post(
                session, Entry(f"tip{number}", EntryType.TIP, transfer(source, wallet(creator, YELLOW), 7))
            )

    async with database.unit() as session:
        await session.execute(
            text("SELECT FROM buzz_accounts WHERE owner_id = :id FOR UPDATE"), {"id": creator}
        )
        for start in range(0, 42, len(givers)):
            await asyncio.gather(*(give(number) for number in range(start, start + len(givers))))
        purse = [Account(creator, Purpose.WALLET, YELLOW)]
        async with database.reading() as other:
            assert await posting.balances(other, purse) == {purse[0]: story.GRANT + 42 * 7}
            waiting = await other.scalar(text("SELECT count(*) FROM buzz_unfolded"))
            assert waiting == 42
    async with database.unit() as session:
        assert await posting.fold(session) == 1
        assert await session.scalar(text("SELECT count(*) FROM buzz_unfolded")) == 0
    await check(database, {(creator, YELLOW): story.GRANT + 42 * 7})


async def test_waiting_credits_can_be_spent_at_once_and_never_twice(database: Database) -> None:
    async with database.unit() as session:
        ana, ben = await make_person(session), await make_person(session)
        await posting.post_batch(session, story.grants([ana]))
        await posting.post(
            session, Entry("b", EntryType.TIP, transfer(wallet(ana, YELLOW), wallet(ben, YELLOW), 1))
        )
    async with database.unit() as session:
        await session.execute(text("SELECT FROM buzz_accounts WHERE owner_id = :id FOR UPDATE"), {"id": ben})
        async with database.unit() as other:
            await posting.post(
                other, Entry("c", EntryType.TIP, transfer(wallet(ana, YELLOW), wallet(ben, YELLOW), 50))
            )

    async def spend(number: int) -> bool:
        try:
            async with database.unit() as session:
                burn = house(Purpose.BURN, YELLOW)
                await posting.post(
                    session, Entry(f"s{number}", EntryType.FEE, transfer(wallet(ben, YELLOW), burn, 51))
                )
                return True
        except InsufficientFunds:
            return False

    assert sorted(await asyncio.gather(*(spend(number) for number in range(4)))) == [
        False,
        False,
        False,
        True,
    ]
    await check(database, {(ben, YELLOW): 0})
