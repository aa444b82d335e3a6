"""One PostgreSQL for the run, a migrated template cloned for each xdist process, a rolled-back connection a test."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from filelock import FileLock
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from tests.factories.http import Client, make_settings, serving

from civitas.app import schema, wiring
from civitas.infra.db.database import BoundDatabase, Database
from civitas.infra.db.embedded import Address, EmbeddedServer
from civitas.infra.queue.context import TaskContext

SOURCES = Path(schema.__file__).parent / "migrations" / "versions"


def _fingerprint() -> str:
    found = hashlib.sha256()
    for path in sorted([*SOURCES.glob("*.py"), *SOURCES.glob("*.sql")]):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """The run's PostgreSQL: TEST_DATABASE_PORT of a running one, or one started by the first process."""
    root = (
        Path(tempfile.gettempdir())
        / f"civitas-test-{os.getppid() if 'PYTEST_XDIST_WORKER' in os.environ else os.getpid()}"
    )
    root.mkdir(exist_ok=True)
    root.chmod(0o755)
    with FileLock(str(root / "lock")):
        users = root / "users"
        count = int(users.read_text()) if users.exists() else 0
        started = EmbeddedServer(root / "home")
        address = started.start() if count == 0 else started.address()
        users.write_text(str(count + 1))
    yield address
    with FileLock(str(root / "lock")):
        count = int((root / "users").read_text()) - 1
        (root / "users").write_text(str(count))
    if started.running:
        _stop_when_last(root, started)


def _stop_when_last(root: Path, started: EmbeddedServer) -> None:
    import shutil
    import time

    # The other processes may have long tests left; they need the server until their last one.
    for _ in range(36_000):
        # Under the lock: somebody who signs off writes the file anew.
        with FileLock(str(root / "lock")):
            left = int((root / "users").read_text())
        if left <= 0:
            break
        time.sleep(0.1)
    started.stop()
    shutil.rmtree(root, ignore_errors=True)


def _create(address: Address, name: str, template: str | None = None) -> str:
    with psycopg.connect(
        Address(address.port, address.password, "postgres").dsn, autocommit=True
    ) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
        suffix = f' TEMPLATE "{template}"' if template else ""
        connection.execute(f'CREATE DATABASE "{name}"{suffix}'.encode())
    return Address(address.port, address.password, name).dsn


@pytest.fixture(scope="session")
def template(server: Address) -> str:
    """The name of a migrated, empty database that others are cloned from."""
    name = f"template_{_fingerprint()}"
    root = Path(tempfile.gettempdir()) / f"civitas-test-{server.port}.lock"
    with FileLock(str(root)):
        with psycopg.connect(Address(server.port, server.password, "postgres").dsn) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if found is None:
            schema.upgrade(_create(server, f"{name}_new"))
            with psycopg.connect(
                Address(server.port, server.password, "postgres").dsn, autocommit=True
            ) as connection:
                connection.execute(f'ALTER DATABASE "{name}_new" RENAME TO "{name}"'.encode())
    root.unlink(missing_ok=True)
    return name


@pytest.fixture(scope="session")
def dsn(server: Address, template: str) -> str:
    """A migrated database of this process's own, shared by its tests, which leave it empty."""
    return _create(server, f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}", template)


@pytest.fixture
def own_dsn(server: Address, template: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated database for one test that commits, or that runs other processes."""
    name = f"own_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{abs(hash(request.node.nodeid)) % 10**8}"
    yield _create(server, name, template)
    with psycopg.connect(
        Address(server.port, server.password, "postgres").dsn, autocommit=True
    ) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


@pytest.fixture(scope="session", autouse=True)
def _wired() -> None:
    wiring.wire()


@pytest.fixture(scope="session")
async def database(dsn: str) -> AsyncIterator[Database]:
    """The pool on this process's database."""
    opened = Database(dsn)
    yield opened
    await opened.close()


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction that is rolled back after the test."""
    async with database.engine.connect() as opened:
        transaction = await opened.begin()
        yield opened
        await transaction.rollback()


@pytest.fixture
def units(connection: AsyncConnection) -> BoundDatabase:
    """Units of work as savepoints in the test's connection."""
    return BoundDatabase(connection)


@pytest.fixture
async def session(units: BoundDatabase) -> AsyncIterator[AsyncSession]:
    """One unit of work for a test of a chapter."""
    async with units.unit() as opened:
        yield opened


@pytest.fixture
def context(units: BoundDatabase) -> TaskContext:
    """What tasks get in a test, with no adapters; tests add the fakes they need."""
    return TaskContext(units)


@pytest.fixture
async def client(units: BoundDatabase, connection: AsyncConnection, tmp_path: Path) -> AsyncIterator[Client]:
    """The app in this process on the test's connection, with fakes for everything outside the database."""
    async with serving(units, connection, make_settings(tmp_path)) as opened:
        yield opened
