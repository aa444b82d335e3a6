"""The pool of bare connections: values, rows and bytes, broken connections, and more callers than connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from civitas.infra.db import direct
from civitas.infra.db.direct import as_text, numbered
from civitas.infra.db.readpool import PooledReads
from civitas.infra.db.settings import DatabaseSettings


@pytest.fixture
async def pool(own_dsn: str) -> AsyncIterator[PooledReads]:
    """Two connections."""
    reads = PooledReads(own_dsn, DatabaseSettings(read_pool_size=2, statement_timeout_s=5))
    await reads.open()
    yield reads
    await reads.close()


def test_places_are_numbered_and_names_that_return_are_one_value() -> None:
    assert numbered("SELECT %(a)s, %(b)s, %(a)s, 7 %% 4") == (b"SELECT $1, $2, $1, 7 % 4", ("a", "b"))
    assert numbered("SELECT %s, %s") == (b"SELECT $1, $2", None)


@pytest.mark.parametrize(
    "value",
    [
        7,
        -(2**62),
        1.5,
        True,
        None,
        'it\'s \\ "quoted", {braces}',
        "ünïcode",
        ["a,b", 'c"d', "e\\f", ""],
        [1, 2, 3],
        [],
    ],
)
async def test_values_arrive_as_they_were_sent(pool: PooledReads, value: Any) -> None:
    kinds = {int: "bigint", float: "float8", bool: "bool", str: "text", type(None): "text"}
    kind = kinds.get(type(value)) or ("text[]" if value and isinstance(value[0], str) else "bigint[]")
    assert await pool.fetch(f"SELECT %(value)s::{kind}", {"value": value}) == [(value,)]
    assert await pool.fetch_planned("SELECT 1 WHERE %(value)s IS NOT NULL", {"value": "x"}) == [(1,)]


async def test_moments_and_bytes(pool: PooledReads) -> None:
    moment = datetime(2026, 5, 4, 3, 2, 1, 500_000, tzinfo=UTC)
    assert await pool.fetch("SELECT %(at)s::timestamptz", {"at": moment}) == [(moment,)]
    assert await pool.fetch_bytes("SELECT 'ü', 5, NULL UNION ALL SELECT 'x', 6, NULL") == [
        ["ü".encode(), b"5", None],
        [b"x", b"6", None],
    ]


async def test_large_values_go_and_come(pool: PooledReads) -> None:
    text = "ab" * 4_000_000
    assert (await pool.fetch_bytes("SELECT %(text)s::text", {"text": text}))[0][0] == text.encode()


async def test_errors_are_the_drivers_and_the_connection_stays(pool: PooledReads) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        await pool.fetch("SELECT 1 / %(n)s::int", {"n": 0})
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        await pool.fetch("CREATE TABLE t (a int)")
    with pytest.raises(psycopg.DataError):
        as_text("a\x00b")
    assert await pool.fetch("SELECT 1") == [(1,)]


async def test_more_callers_than_connections(pool: PooledReads) -> None:
    asked = [pool.fetch("SELECT %(n)s::int, pg_sleep(0.01)", {"n": n}) for n in range(20)]
    assert [rows[0][0] for rows in await asyncio.gather(*asked)] == list(range(20))
    counted = await pool.fetch(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name = 'civitas-read' AND datname = current_database()"
    )
    assert counted[0][0] <= 2


async def test_connections_that_the_server_closed_are_replaced(pool: PooledReads, own_dsn: str) -> None:
    await asyncio.gather(*(pool.fetch("SELECT pg_sleep(0.05)") for _ in range(2)))
    with psycopg.connect(own_dsn, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'civitas-read' AND datname = current_database()"
        )
    assert await pool.fetch("SELECT 2") == [(2,)]
    assert await asyncio.gather(*(pool.fetch("SELECT 3") for _ in range(4))) == [[(3,)]] * 4


async def test_who_leaves_in_the_middle_takes_nothing_along(pool: PooledReads) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await pool.fetch("SELECT pg_sleep(3)")
    assert await asyncio.gather(*(pool.fetch("SELECT 4") for _ in range(4))) == [[(4,)]] * 4


async def test_old_statements_make_room(pool: PooledReads) -> None:
    for number in range(direct.MAX_PREPARED + 20):
        assert await pool.fetch(f"SELECT {number}") == [(number,)]
    kept = await pool.fetch("SELECT count(*) FROM pg_prepared_statements")
    assert kept[0][0] <= direct.MAX_PREPARED
