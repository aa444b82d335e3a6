"""Statements past the mapper on the connection of a unit: its transaction, its errors, and what is prepared on it."""

from __future__ import annotations

import asyncio
from enum import IntEnum

import psycopg
import pytest
from sqlalchemy import text

from civitas.infra.db.database import Database, direct_of
from civitas.infra.db.settings import DatabaseSettings
from civitas.infra.db.statements import fetch

ADD = "INSERT INTO service_notes (word) VALUES (%(word)s) RETURNING word"
COUNT = "SELECT count(*) FROM service_notes"


class Size(IntEnum):
    """A number with a name."""

    LARGE = 3


@pytest.fixture
async def database(own_dsn: str) -> Database:
    """One connection, a table of our own."""
    made = Database(own_dsn, DatabaseSettings(pool_size=1))
    async with made.unit() as session:
        await session.execute(text("CREATE TABLE service_notes (word text UNIQUE)"))
    return made


async def test_the_first_statement_begins_the_transaction_and_a_fault_takes_all_of_it_back(
    database: Database,
) -> None:
    with pytest.raises(LookupError):
        async with database.unit() as session:
            assert await fetch(session, ADD, {"word": "one"}) == [("one",)]
            await session.execute(text("INSERT INTO service_notes VALUES ('two')"))
            assert await fetch(session, COUNT) == [(2,)]
            raise LookupError
    async with database.unit() as session:
        # What was prepared before the rollback is not there any more, and is prepared anew.
        assert await fetch(session, COUNT) == [(0,)]
        await fetch(session, ADD, {"word": "three"})
    async with database.reading() as session:
        assert await fetch(session, COUNT) == [(1,)]
    await database.close()


@pytest.mark.parametrize("first", [True, False])
async def test_an_error_of_the_server_is_told_and_the_connection_is_as_good_as_before(
    database: Database, first: bool
) -> None:
    async with database.unit() as session:
        await fetch(session, ADD, {"word": "one"})
    with pytest.raises(psycopg.errors.UniqueViolation):
        async with database.unit() as session:
            if not first:
                await fetch(session, COUNT)
            await fetch(session, ADD, {"word": "one"})
    async with database.unit() as session:
        backend = await fetch(session, "SELECT pg_backend_pid()")
        assert await fetch(session, COUNT) == [(1,)]
    async with database.unit() as session:
        assert await fetch(session, "SELECT pg_backend_pid()") == backend
    await database.close()


async def test_a_savepoint_that_is_taken_back_leaves_what_was_before(database: Database) -> None:
    async with database.unit() as session:
        # The driver has prepared something, too, and forgets it with ours.
        connection = (await direct_of(session)).connection
        await connection.execute("SELECT 1", prepare=True)
        await fetch(session, ADD, {"word": "one"})
        with pytest.raises(LookupError):
            async with session.begin_nested():
                await fetch(session, ADD, {"word": "two"})
                raise LookupError
        await connection.execute("SELECT 1", prepare=True)
        await fetch(session, ADD, {"word": "three"})
    async with database.reading() as session:
        assert await fetch(session, "SELECT word FROM service_notes ORDER BY word") == [("one",), ("three",)]
    await database.close()


@pytest.mark.parametrize("first", [True, False])
async def test_who_is_cancelled_ends_the_statement_and_leaves_the_connection_in_order(
    database: Database, first: bool
) -> None:
    begun = asyncio.Event()

    async def slow() -> None:
        async with database.unit() as session:
            if not first:
                await fetch(session, ADD, {"word": "never"})
            begun.set()
            await fetch(session, "SELECT pg_sleep(%(seconds)s::float8)", {"seconds": 60})

    async with database.unit() as session:
        backend = await fetch(session, "SELECT pg_backend_pid()")
    task = asyncio.create_task(slow())
    await begun.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with database.unit() as session:
        assert await fetch(session, "SELECT pg_backend_pid()") == backend
        assert await fetch(session, COUNT) == [(0,)]
    await database.close()


async def test_values_arrive_as_what_they_are(database: Database) -> None:
    async with database.unit() as session:
        values = {
            "size": Size.LARGE,
            "words": ["a", 'b"\\', None],
            "bytes": b"\x00\xff",
            "flag": True,
            "none": None,
        }
        (row,) = await fetch(
            session,
            "SELECT %(size)s::int, %(words)s::text[], %(bytes)s::bytea, %(flag)s::bool, %(none)s::text, '{\"a\": 1}'::jsonb",
            values,
        )
        assert row == (3, ["a", 'b"\\', None], b"\x00\xff", True, None, {"a": 1})
        with pytest.raises(psycopg.DataError):
            await fetch(session, "SELECT %(word)s::text", {"word": "\0"})
    await database.close()


async def test_a_connection_that_rested_is_proved_alive_and_keeps_what_it_has_prepared(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'civitas%%'"
    async with database.unit() as session:
        await fetch(session, COUNT)
        ((before,),) = await fetch(session, prepared)
    monkeypatch.setattr("civitas.infra.db.database.FRESH_S", 0.0)
    async with database.unit() as session:
        assert await fetch(session, prepared) == [(before,)]
        assert before >= 2
    await database.close()


async def test_a_burst_opens_connections_that_the_next_one_finds(own_dsn: str) -> None:
    made = Database(own_dsn, DatabaseSettings(pool_size=2))
    seen: set[int] = set()

    async def one() -> None:
        async with made.unit() as session:
            seen.update(pid for (pid,) in await fetch(session, "SELECT pg_backend_pid()"))

    for _ in range(3):
        await asyncio.gather(*(one() for _ in range(12)))
    assert 1 < len(seen) <= 4
    await made.close()
