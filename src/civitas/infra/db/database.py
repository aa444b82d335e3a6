"""Engine and sessions. One request, task or listener is one unit; only this module commits."""

from __future__ import annotations

import time
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, cast

import orjson
import psycopg
from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import SessionTransaction

from civitas.infra.db import notices
from civitas.infra.db.direct import Direct
from civitas.infra.db.settings import DatabaseSettings

# The queue's functions name their tables without a schema, so every connection must find both.
SEARCH_PATH = "public,procrastinate"


def driver_url(dsn: str) -> str:
    """The same database as an SQLAlchemy URL on psycopg 3."""
    return make_url(dsn).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


# A connection that was used this recently is taken to be alive; asking it every time costs a round trip each.
FRESH_S = 2.0

# Where a session keeps the connection of its transaction, and a connection what it has prepared.
_DIRECT: Final = "direct"


def _note_return(_: Any, record: Any) -> None:
    record.info["returned"] = time.monotonic()


def _prove_alive(connection: Any, record: Any, _: Any) -> None:
    returned = record.info.get("returned")
    if returned is None or time.monotonic() - returned < FRESH_S:
        return
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        cursor.close()
        # After a rollback the driver forgets every prepared statement.
        connection.commit()
    except (psycopg.Error, DBAPIError) as error:
        # The pool gives out another connection, and drops those that are as old.
        raise DisconnectionError("the server closed this connection") from error


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


class Units(Protocol):
    """Where units of work come from; tests bind it to one connection that is rolled back."""

    def unit(self) -> Any:
        """An async context manager of one writing transaction: commits on leaving, rolls back on raising."""

    def reading(self) -> Any:
        """An async context manager of one READ ONLY transaction."""


class Database:
    """The pool of a process and its units of work."""

    def __init__(self, dsn: str, settings: DatabaseSettings | None = None) -> None:
        settings = settings or DatabaseSettings()
        timeout_ms = int(settings.statement_timeout_s * 1000)
        self.dsn = dsn
        self.engine: AsyncEngine = create_async_engine(
            driver_url(dsn),
            # All are kept: one that is closed after a burst is opened anew in the next, which costs both sides more than
            # a submission does. The last that came back is given out first, so that most rest when little is asked.
            pool_size=2 * settings.pool_size,
            max_overflow=0,
            pool_use_lifo=True,
            json_serializer=_dumps,
            json_deserializer=orjson.loads,
            connect_args={
                "options": f"-c search_path={SEARCH_PATH} -c statement_timeout={timeout_ms} -c timezone=UTC",
                "application_name": "civitas",
            },
        )
        event.listen(self.engine.sync_engine, "checkin", _note_return)
        event.listen(self.engine.sync_engine, "checkout", _prove_alive)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._notices = notices.Notices(self.engine)

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[AsyncSession]:
        """One transaction: returning commits, raising rolls back."""
        async with self._sessions() as session:
            async with session.begin():
                yield session
            self._notices.send(notices.of(session))

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """One READ ONLY transaction; a write in it is an error of ours and fails loudly."""
        async with self._sessions() as session, session.begin():
            await session.execute(text("SET TRANSACTION READ ONLY"))
            yield session

    async def close(self) -> None:
        """Give every connection back to the server."""
        await self._notices.close()
        await self.engine.dispose()


class BoundDatabase:
    """Units of work inside one outer connection, each a savepoint: what tests use to undo everything."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._sessions = async_sessionmaker(
            bind=connection, expire_on_commit=False, join_transaction_mode="create_savepoint"
        )

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[AsyncSession]:
        """A savepoint: returning releases it, raising rolls back to it."""
        async with self._sessions() as session, session.begin():
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A savepoint in which any flush is refused, standing in for READ ONLY."""
        async with self._sessions() as session, session.begin():
            event.listen(session.sync_session, "before_flush", _refuse_flush)
            yield session

    async def close(self) -> None:
        """Nothing: the outer connection belongs to the test."""


def _refuse_flush(session: Any, *_: Any) -> None:
    if session.new or session.dirty or session.deleted:
        raise RuntimeError("a reading session was asked to write")


async def direct_of(session: AsyncSession) -> Direct:
    """The connection on which this session's transaction runs, past the driver's cursors."""
    # Finding it goes through two greenlets, which costs as much as a small statement: it is found once a transaction.
    # A savepoint is made when it is first asked for within, hence the innermost one counts.
    known = session.info.get(_DIRECT)
    transaction = _innermost(session)
    if known is not None and transaction is not None and known[0]() is transaction:
        return cast(Direct, known[1])
    raw = await (await session.connection()).get_raw_connection()
    found = raw.info.get(_DIRECT)
    if not isinstance(found, Direct) or found.connection is not raw.driver_connection:
        connection = raw.driver_connection
        if not isinstance(connection, psycopg.AsyncConnection):
            raise TypeError("sessions run on psycopg 3")
        found = raw.info[_DIRECT] = Direct(connection, shared=True)
    session.info[_DIRECT] = (weakref.ref(_innermost(session)), found)
    return found


async def driver_connection(session: AsyncSession) -> psycopg.AsyncConnection[Any]:
    """The psycopg connection on which this session's transaction runs."""
    return (await direct_of(session)).connection


def _innermost(session: AsyncSession) -> SessionTransaction | None:
    sync = session.sync_session
    return sync.get_nested_transaction() or sync.get_transaction()
