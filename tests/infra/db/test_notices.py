"""What listeners hear, and when: after the commit, never of what was rolled back, many at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import text

from civitas.infra.db import notices
from civitas.infra.db.database import Database


@pytest.fixture
async def database(own_dsn: str) -> AsyncIterator[Database]:
    opened = Database(own_dsn)
    yield opened
    await opened.close()


async def heard(connection: psycopg.AsyncConnection, count: int) -> list[str]:
    return [one.payload async for one in connection.notifies(timeout=10, stop_after=count)]


async def test_a_notice_comes_after_the_commit_and_none_of_what_was_undone(
    database: Database, own_dsn: str
) -> None:
    async with await psycopg.AsyncConnection.connect(own_dsn, autocommit=True) as listening:
        await listening.execute("LISTEN things")
        with pytest.raises(RuntimeError):
            async with database.unit() as session:
                notices.after_commit(session, "things", "undone")
                raise RuntimeError
        async with database.unit() as session:
            await session.execute(text("SELECT 1"))
            notices.after_commit(session, "things", "done")
            notices.after_commit(session, "things", "done")
            assert [one async for one in listening.notifies(timeout=0.2)] == []
        assert await heard(listening, 1) == ["done"]
        assert [one async for one in listening.notifies(timeout=0.2)] == []


async def test_notices_of_many_transactions_all_arrive(database: Database, own_dsn: str) -> None:
    async def one(number: int) -> None:
        async with database.unit() as session:
            notices.after_commit(session, "things", str(number))

    async with await psycopg.AsyncConnection.connect(own_dsn, autocommit=True) as listening:
        await listening.execute("LISTEN things")
        await asyncio.gather(*(one(number) for number in range(40)))
        assert set(await heard(listening, 40)) == {str(number) for number in range(40)}


async def test_closing_sends_what_waits(own_dsn: str) -> None:
    database = Database(own_dsn)
    async with await psycopg.AsyncConnection.connect(own_dsn, autocommit=True) as listening:
        await listening.execute("LISTEN things")
        async with database.unit() as session:
            notices.after_commit(session, "things", "last words")
        await database.close()
        assert await heard(listening, 1) == ["last words"]


async def test_a_notice_that_cannot_be_sent_breaks_nothing(database: Database) -> None:
    async with database.unit() as session:
        # PostgreSQL takes no payload of 8000 bytes.
        notices.after_commit(session, "things", "x" * 9000)
    async with database.unit() as session:
        assert await session.scalar(text("SELECT 1")) == 1


async def test_a_transaction_with_tasks_does_not_notify_by_itself(database: Database) -> None:
    """Else commits could not become durable together."""
    async with database.reading() as session:
        condition = await session.scalar(
            text(
                "SELECT pg_get_triggerdef(oid) FROM pg_trigger "
                "WHERE tgname = 'procrastinate_jobs_notify_queue_job_inserted_v1'"
            )
        )
    assert condition is not None and "'civitas-queue'" in condition
