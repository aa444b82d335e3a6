"""A synthetic catalogue: rows by set-based statements, documents by the product's own rebuilding.

    python -m bench.loading --models 1000000 --home DIR

It takes about two milliseconds of processor time a model, most of it for documents, which are made by as many
processes as there are cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from civitas.app import schema
from civitas.domains.catalog import rebuilding, vocabulary
from civitas.infra.db.database import Database
from civitas.infra.db.embedded import EmbeddedServer
from civitas.infra.db.settings import DatabaseSettings
from civitas.kit import sql

# A quarter of the memory of a machine that keeps such a catalogue.
SHARED_MB = 6144
VOCABULARY = 20_000
TAGS = 2_000
CHUNK = 10_000
# Filled row by row these would cost more time than everything else together.
REBUILT_LATER = ("file_hashes", "model_listings", "model_tags", "version_previews", "blobs", "model_files")
# Nothing here outlives a crash of the machine while it is loaded; it is all put back at the end.
HASTY = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "'8GB'", "autovacuum": "off"}


def words() -> list[str]:
    """The vocabulary, the same on every run."""
    rng = random.Random(7)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en", "il")]
    found: dict[str, None] = {}
    while len(found) < VOCABULARY + 10:
        found["".join(rng.choices(syllables, k=rng.randint(2, 4)))] = None
    return list(found)


@contextmanager
def database(home: Path) -> Iterator[tuple[str, int]]:
    """The embedded server of `home`, with memory for a catalogue; its DSN and process."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)
    server = EmbeddedServer(home, DatabaseSettings(shared_buffers_mb=SHARED_MB))
    try:
        dsn = server.start().dsn
        yield dsn, server.pid or 0
    finally:
        server.stop()


def load(home: Path, models: int) -> None:
    """Fill a new database, or go on where a load was stopped among the documents."""
    pieces = sql._NAME.split((Path(__file__).parent / "catalog_rows.sql").read_text())
    statements = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    params = {
        "models": models, "people": max(10, models // 40), "tags": TAGS, "vocabulary": VOCABULARY,
        # As JSON, whose elements are reached without passing those before; SQL counts from one.
        "words": json.dumps(["", *words()]),
    }  # fmt: skip
    if (home / "bench-indexes.sql").exists():
        with database(home) as (dsn, _):
            finish(dsn, home)
        return
    with database(home) as (dsn, _):
        schema.upgrade(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            for name, value in HASTY.items():
                connection.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("SET session_replication_role = replica")
            connection.execute("SET maintenance_work_mem = '1GB'")
            connection.execute("SELECT setseed(0.42)")
            kept = _drop_indexes(connection)
            for name, statement in statements.items():
                _timed(name, lambda s=statement: connection.execute(s.encode(), params))
            _timed("vacuum", lambda: connection.execute("VACUUM ANALYZE"))
        (home / "bench-indexes.sql").write_text(";\n".join(kept))
        finish(dsn, home)


def finish(dsn: str, home: Path) -> None:
    """Documents, indexes and statistics over rows that are there already."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        for table, column in (("model_files", "version_id"), ("version_previews", "version_id")):
            connection.execute(f"CREATE INDEX IF NOT EXISTS bench_{table} ON {table} ({column})".encode())
        row = connection.execute("SELECT max(id) FROM models").fetchone()
        models = int(row[0]) if row else 0
        _timed("documents", lambda: _rebuild(dsn, models))
        for table in ("model_files", "version_previews"):
            connection.execute(f"DROP INDEX bench_{table}".encode())
        for definition in (home / "bench-indexes.sql").read_text().split(";\n"):
            again = definition.replace("INDEX ", "INDEX IF NOT EXISTS ", 1)
            _timed(definition[:70], lambda d=again: connection.execute(d.encode()))
        _timed("counts", lambda: asyncio.run(_recount(dsn)))
        _timed("vacuum", lambda: connection.execute("VACUUM ANALYZE"))
        for name in HASTY:
            connection.execute(f"ALTER SYSTEM RESET {name}".encode())
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("CHECKPOINT")
        print(connection.execute("SELECT pg_size_pretty(pg_database_size(current_database()))").fetchone())


def _drop_indexes(connection: psycopg.Connection[Any]) -> list[str]:
    rows = connection.execute(
        """SELECT indexname, indexdef FROM pg_indexes
            WHERE tablename = ANY(%s) AND indexname LIKE 'ix%%'""",
        (list(REBUILT_LATER),),
    ).fetchall()
    for name, _ in rows:
        connection.execute(f'DROP INDEX "{name}"'.encode())
    return [definition for _, definition in rows]


def _timed(name: str, work: Any) -> None:
    began = time.perf_counter()
    work()
    print(f"{name:72} {time.perf_counter() - began:8.1f} s", flush=True)


def _rebuild(dsn: str, models: int) -> None:
    """Documents of all models; those of a load that was stopped are not made again."""
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        chunks = range(1, models + 1, CHUNK)
        for done, _ in enumerate(pool.imap_unordered(partial(_rebuild_chunk, dsn), chunks), start=1):
            if done % 5 == 0:
                print(done * CHUNK, "models", flush=True)
            if done in (1, 5, 20, 50):
                # A planner that takes the growing tables for empty reads them from end to end.
                with psycopg.connect(dsn, autocommit=True) as connection:
                    connection.execute("ANALYZE model_documents, version_documents, model_listings")


def _rebuild_chunk(dsn: str, first: int) -> None:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT count(*) FROM model_documents WHERE model_id >= %s AND model_id < %s",
            (first, first + CHUNK),
        ).fetchone()
    if not row or row[0] < CHUNK:
        asyncio.run(_rebuild_range(dsn, first))


async def _rebuild_range(dsn: str, first: int) -> None:
    opened = Database(dsn, DatabaseSettings(statement_timeout_s=3600))
    try:
        for at in range(first, first + CHUNK, rebuilding.BATCH):
            async with opened.unit() as session:
                await rebuilding.rebuild(session, range(at, at + rebuilding.BATCH), count=False)
    finally:
        await opened.close()


async def _recount(dsn: str) -> None:
    opened = Database(dsn, DatabaseSettings(statement_timeout_s=3600))
    try:
        async with opened.unit() as session:
            await vocabulary.recount(session)
    finally:
        await opened.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--models", type=int, default=1_000_000)
    given = parser.parse_args()
    load(given.home, given.models)


if __name__ == "__main__":
    main()
