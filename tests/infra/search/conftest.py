"""A PostgreSQL of these tests' own: transactions in any database of a server hold back what its others may know as ended."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest

from civitas.app import schema
from civitas.infra.db.embedded import Address, EmbeddedServer

_NUMBERS = count()


@pytest.fixture(scope="session")
def lone_server() -> Iterator[Address]:
    """A server with nobody else on it; its database `civitas` is migrated and stays empty."""
    with tempfile.TemporaryDirectory(prefix=f"civitas-lone-{os.getpid()}-") as root:
        Path(root).chmod(0o755)
        started = EmbeddedServer(Path(root) / "home")
        address = started.start()
        try:
            schema.upgrade(address.dsn)
            yield address
        finally:
            started.stop()


@pytest.fixture
def lone_dsn(lone_server: Address) -> Iterator[str]:
    """A migrated database on a server where no transaction runs but the test's."""
    name = f"lone_{next(_NUMBERS)}"
    above = Address(lone_server.port, lone_server.password, "postgres").dsn
    with psycopg.connect(above, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE civitas'.encode())
        yield Address(lone_server.port, lone_server.password, name).dsn
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())
