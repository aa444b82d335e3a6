"""The PostgreSQL that comes along: start, attach, crash, orphan, backup, restore."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from civitas.infra.db import backup
from civitas.infra.db.embedded import EmbeddedServer
from civitas.kit.errors import Unavailable


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    # Not pytest's own folder: root's database runs as a user who may not enter it.
    folder = Path(tempfile.mkdtemp(prefix="civitas-embedded-"))
    folder.chmod(0o755)
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(home: Path) -> Iterator[EmbeddedServer]:
    made = EmbeddedServer(home)
    made.stop_orphan()
    made.start()
    yield made
    made.stop()


def one(dsn: str, query: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def test_it_listens_on_loopback_with_a_password_that_only_the_owner_reads(
    server: EmbeddedServer, home: Path
) -> None:
    address = server.address()
    assert one(address.dsn, "SHOW listen_addresses") == "127.0.0.1"
    assert stat.S_IMODE((home / "postgres.password").stat().st_mode) == 0o600
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address.dsn.replace(address.password, "wrong"))
    assert not (home / "postgres.initial").exists()


def test_a_second_process_attaches_and_does_not_stop_it(server: EmbeddedServer, home: Path) -> None:
    other = EmbeddedServer(home)
    address = other.start()
    assert not other.running
    other.stop()
    assert one(address.dsn, "SELECT 1") == 1


def test_after_a_kill_it_starts_again_with_what_was_committed(server: EmbeddedServer) -> None:
    address = server.address()
    with psycopg.connect(address.dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS kept")
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    for _ in range(100):
        if not server.running:
            break
        time.sleep(0.05)
    again = server.start()
    assert one(again.dsn, "SELECT n FROM kept") == 7


def test_an_orphan_is_ended_before_a_new_start(server: EmbeddedServer, home: Path) -> None:
    first = server.pid
    assert first is not None
    heir = EmbeddedServer(home)
    heir.stop_orphan()
    assert not Path(f"/proc/{first}").exists() or not server.running
    heir.start()
    assert heir.running
    heir.stop()


def test_a_backup_restores_what_was_there(server: EmbeddedServer, tmp_path: Path) -> None:
    dsn = server.address().dsn
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS kept")
        connection.execute("CREATE TABLE kept AS SELECT 'before' AS word")
    assert backup.backup(dsn, tmp_path / "copy.dump") > 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE kept SET word = 'after'")
    backup.restore(dsn, tmp_path / "copy.dump")
    assert one(dsn, "SELECT word FROM kept") == "before"


def test_a_broken_backup_changes_nothing(server: EmbeddedServer, tmp_path: Path) -> None:
    dsn = server.address().dsn
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS kept")
        connection.execute("CREATE TABLE kept AS SELECT 'here' AS word")
    (tmp_path / "bad.dump").write_bytes(b"not a dump")
    with pytest.raises(Unavailable, match="nothing was changed"):
        backup.restore(dsn, tmp_path / "bad.dump")
    with pytest.raises(Unavailable, match="no backup"):
        backup.restore(dsn, tmp_path / "missing.dump")
    assert one(dsn, "SELECT word FROM kept") == "here"
