"""The index beside a real database: it loses no change, says when it does not know, and comes back."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from tests.factories.indexes import following, until

from civitas.infra.db.database import Database
from civitas.infra.db.embedded import Address
from civitas.infra.search import changes
from civitas.infra.search.asking import SocketIndex
from civitas.infra.search.following import Follower
from civitas.infra.search.shape import Question
from civitas.kit.errors import Conflict, Unavailable

NEWEST = Question("images", "published_at", 1000)


def connect(dsn: str, *, autocommit: bool = True) -> psycopg.Connection[Any]:
    return psycopg.connect(dsn, autocommit=autocommit)


@pytest.fixture
def dsn(lone_dsn: str) -> str:
    """A feed alone, without the pictures that its rows are of; its triggers fire."""
    with psycopg.connect(lone_dsn) as connection:
        connection.execute("ALTER TABLE feed_images DROP CONSTRAINT fk_feed_images_image_id")
    return lone_dsn


def put(
    connection: psycopg.Connection[Any], number: int, *, person: int = 1, terms: str = "{5}", rank: int = 0
) -> None:
    connection.execute(
        "INSERT INTO feed_images (image_id, post_id, person_id, published_at, reactions, shuffle, week, fresh, level, terms) "
        "VALUES (%(n)s, %(n)s, %(p)s, timestamptz '2026-01-01' + make_interval(secs => %(n)s), %(r)s, 0, 1, true, 1, %(t)s) "
        "ON CONFLICT (image_id) DO UPDATE SET terms = excluded.terms, reactions = excluded.reactions",
        {"n": number, "p": person, "t": terms, "r": rank},
    )


def held(follower: Follower) -> set[int]:
    collection = follower.state.collections["images"]
    return {number for number in range(1, 2000) if collection.numbers.find(number) is not None}


async def test_changes_are_seen_at_once_and_none_is_lost_when_transactions_end_out_of_order(
    dsn: str, tmp_path: Path
) -> None:
    with connect(dsn) as plain:
        for number in (1, 2, 3):
            put(plain, number)
        async with following(dsn, tmp_path / "i") as (follower, index):
            await until(lambda: follower.state.answers)
            found = await index.find(NEWEST)
            assert found is not None and found.ids == [3, 2, 1]
            early, late = connect(dsn, autocommit=False), connect(dsn, autocommit=False)
            with early, late:
                put(early, 10)
                put(late, 11)
                put(plain, 12)
                # What is committed is seen, whatever older transactions are still open.
                await until(lambda: held(follower) == {1, 2, 3, 12}, seconds=2)
                late.commit()
                await until(lambda: held(follower) == {1, 2, 3, 11, 12}, seconds=2)
                plain.execute("DELETE FROM feed_images WHERE image_id = 1")
                await until(lambda: held(follower) == {2, 3, 11, 12}, seconds=2)
                early.commit()
                await until(lambda: held(follower) == {2, 3, 10, 11, 12}, seconds=2)
            with connect(dsn, autocommit=False) as undone:
                put(undone, 13)
                undone.rollback()
            put(plain, 14, terms="{7}")
            await until(lambda: 14 in held(follower), seconds=2)
            assert 13 not in held(follower)
            assert follower.state.loads == 1 and len(follower._seen) < 5


async def test_many_writers_at_once_leave_it_as_the_database_is(dsn: str, tmp_path: Path) -> None:
    """Transactions of random lengths over the same rows, ended or undone in any order, while it loads and follows."""

    def writer(seed: int) -> None:
        rng = random.Random(seed)
        with connect(dsn, autocommit=False) as connection:
            for _ in range(25):
                # In one order, so that nobody waits for one who waits.
                for number in sorted(rng.sample(range(1, 300), rng.randint(1, 8))):
                    if rng.random() < 0.2:
                        connection.execute("DELETE FROM feed_images WHERE image_id = %s", [number])
                    else:
                        put(connection, number, rank=rng.randint(0, 9), terms=f"{{{rng.randint(1, 9)}}}")
                connection.execute("SELECT pg_sleep(%s)", [rng.random() * 0.03])
                if rng.random() < 0.2:
                    connection.rollback()
                else:
                    connection.commit()

    async with following(dsn, tmp_path / "i") as (follower, index):
        await asyncio.gather(*(asyncio.to_thread(writer, seed) for seed in range(6)))
        with psycopg.connect(dsn) as plain:
            rows = plain.execute("SELECT image_id, reactions, terms[1] FROM feed_images").fetchall()
        await until(lambda: follower.state.answers)
        for term in range(1, 10):
            asked = Question("images", "reactions", 1000, groups=((term,),))
            wanted = [
                (r[0], r[1]) for r in sorted(rows, key=lambda r: (r[1], r[0]), reverse=True) if r[2] == term
            ]
            async with asyncio.timeout(5):
                while True:
                    found = await index.find(asked)
                    if found is not None and list(zip(found.ids, found.keys, strict=True)) == wanted:
                        break
                    await asyncio.sleep(0.1)
        assert follower.state.collections["images"].count == len(rows)


async def test_what_it_cannot_know_makes_it_load_anew(dsn: str, tmp_path: Path) -> None:
    with connect(dsn) as plain:
        put(plain, 1)
        async with following(dsn, tmp_path / "i") as (follower, _):
            await until(lambda: follower.state.answers)
            plain.execute("TRUNCATE feed_images")
            put(plain, 2)
            await until(lambda: follower.state.loads == 2 and follower.state.answers)
            assert held(follower) == {2}
            # The first mark that is ever made says nothing of what was kept before.
            plain.execute("SELECT pg_current_xact_id()")
            plain.execute("INSERT INTO index_marks VALUES (now(), pg_current_xact_id()::text::bigint)")
            put(plain, 2, rank=3)
            await until(lambda: int(follower.state.collections["images"].orders[1].keys[0]) == 3)
            assert follower.state.loads == 2
            plain.execute("DELETE FROM index_marks")
            # Somebody let go of changes that it has not heard of.
            with plain.transaction():
                plain.execute("UPDATE feed_images SET reactions = 4")
                plain.execute("DELETE FROM index_changes")
                plain.execute(
                    "INSERT INTO index_marks VALUES ('2020-01-01', pg_current_xact_id()::text::bigint + 1)"
                )
            plain.execute("SELECT pg_current_xact_id()")
            await until(lambda: follower.state.loads == 3 and follower.state.answers)
            assert int(follower.state.collections["images"].orders[1].keys[0]) == 4
            # Its connection ends: it goes on where it was.
            plain.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'civitas-index'"
            )
            put(plain, 3)
            await until(lambda: follower.state.answers and held(follower) == {2, 3})
            assert follower.state.loads == 3


async def test_a_transaction_of_another_database_holds_nothing_up(
    dsn: str, lone_server: Address, tmp_path: Path
) -> None:
    """It may last for hours, and is older than whatever the log tells meanwhile."""
    elsewhere = Address(lone_server.port, lone_server.password, "postgres").dsn
    with connect(elsewhere, autocommit=False) as other, connect(dsn) as plain:
        other.execute("SELECT pg_current_xact_id()")
        put(plain, 1)
        async with following(dsn, tmp_path / "i") as (follower, _):
            await until(lambda: follower.state.answers)
            plain.execute("TRUNCATE feed_images")
            put(plain, 2)
            await until(lambda: follower.state.loads == 2 and follower.state.answers)
            known = dict(follower._seen)
            put(plain, 3)
            await until(lambda: held(follower) == {2, 3})
            assert follower.state.loads == 2, "what a load saw is not told again"
            assert known.items() <= follower._seen.items()
            other.rollback()
            put(plain, 4)
            await until(lambda: held(follower) == {2, 3, 4} and not known.keys() & follower._seen.keys())


async def test_it_is_behind_when_it_hears_nothing(dsn: str, tmp_path: Path) -> None:
    with connect(dsn) as plain:
        put(plain, 1)
        async with following(dsn, tmp_path / "i") as (follower, index):
            await until(lambda: follower.state.answers)
            with connect(dsn, autocommit=False) as rude:
                # It may not read the log, nor whatever else.
                rude.execute("LOCK TABLE index_changes IN ACCESS EXCLUSIVE MODE")
                await until(lambda: not follower.state.answers)
                assert await index.find(NEWEST) is None
                rude.rollback()
            await until(lambda: follower.state.answers)
            index._paused_until = 0.0
            assert await index.find(NEWEST) is not None


async def test_limits_of_size(dsn: str, tmp_path: Path) -> None:
    with connect(dsn) as plain:
        put(plain, 1)
        async with following(dsn, tmp_path / "i", memory_mb=1) as (follower, index):
            await until(lambda: follower.state.state == "refused")
            assert "index.memory_mb" in follower.state.note and not follower.state.collections
            assert await index.find(NEWEST) is None
            status = await index.status()
            assert status is not None and status["state"] == "refused" and not status["answers"]
        async with following(dsn, tmp_path / "i", least_rows=2) as (follower, index):
            await until(lambda: follower.state.state == "small")
            assert await index.find(NEWEST) is None
            put(plain, 2)
            follower.anew.set()
            await until(lambda: follower.state.answers)


async def test_the_log_is_let_go_when_all_have_read_it(dsn: str) -> None:
    database = Database(dsn)
    with connect(dsn) as plain:

        def lines() -> int:
            row = plain.execute("SELECT count(*) FROM index_changes").fetchone()
            return int(row[0]) if row else 0

        async def pruned() -> int:
            async with database.unit() as session:
                return await changes.prune(session)

        put(plain, 1)
        assert await pruned() == 0 and lines() == 1
        plain.execute("UPDATE index_marks SET marked_at = marked_at - interval '14 minutes'")
        assert await pruned() == 0
        plain.execute("UPDATE index_marks SET marked_at = marked_at - interval '14 minutes'")
        put(plain, 2)
        with connect(dsn, autocommit=False) as slow:
            put(slow, 3)
            assert await pruned() == 1 and lines() == 1, "only what was over before the mark"
            plain.execute("UPDATE index_marks SET marked_at = marked_at - interval '1 hour'")
            assert await pruned() == 1
            slow.commit()
        assert lines() == 1, "what the slow one wrote stays until a mark is above it"
        # A copy of another server's database, which was further than this one.
        plain.execute(
            "INSERT INTO index_changes (xid, collection, ids) VALUES (9000000000000, 'images', '{1}')"
        )
        plain.execute("INSERT INTO index_marks VALUES (now() - interval '1 minute', 9000000000000)")
        assert await pruned() == 1 and lines() == 1
        row = plain.execute("SELECT max(xid) FROM index_marks").fetchone()
        assert row is not None and row[0] < 9000000000000
    async with database.reading() as session:
        assert (await session.execute(text("SELECT count(*) FROM index_marks"))).scalar_one() >= 1
    await database.close()


async def test_one_index_at_a_socket(dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "i"
    async with following(dsn, path, least_rows=1):
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(Conflict):
            async with following(dsn, path):
                pass
    assert not path.exists()
    path.write_text("something of somebody's")
    with pytest.raises(Conflict):
        async with following(dsn, path):
            pass
    assert path.read_text() == "something of somebody's"
    with pytest.raises(Unavailable):
        async with following(dsn, tmp_path / ("x" * 120)):
            pass


async def test_who_asks_an_index_that_is_away_or_speaks_nonsense_gets_no_answer(tmp_path: Path) -> None:
    away = SocketIndex(tmp_path / "nobody")
    assert await away.find(NEWEST) is None
    assert await away.status() is None

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xff\xff\xff\xffwhat?")
        await reader.read()
        writer.close()

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    for number, other in enumerate((nonsense, silence)):
        path = tmp_path / str(number)
        async with await asyncio.start_unix_server(other, path):
            index = SocketIndex(path, timeout_s=0.05)
            for _ in range(4):
                assert await index.find(NEWEST) is None
            assert index._paused_until > 0
            await index.aclose()
