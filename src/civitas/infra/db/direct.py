"""Prepared statements straight over libpq: what is left when a cursor's comforts are taken away.

A statement is prepared once on each connection; values go as text without a type, so that the server finds the type
where they stand, and one statement is one plan whatever is asked. An answer comes as tuples of Python values, or as
the bytes that were sent, which for documents of many kilobytes saves reading and writing them as text.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from functools import lru_cache
from itertools import count
from typing import Any, Final

import psycopg
from psycopg import errors
from psycopg._preparing import PrepareManager
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

MAX_PREPARED: Final = 150
# How long the server is asked to end a statement whose caller has left.
CANCEL_S: Final = 5.0
# Of the process, so that two of us may follow each other on one connection.
_NUMBERS: Final = count(1)

Values = Mapping[str, Any] | Sequence[Any] | None

_PLACE = re.compile(r"%(?:\((?P<name>\w+)\)s|(?P<plain>s)|(?P<percent>%))")


@lru_cache(maxsize=1000)
def numbered(statement: str) -> tuple[bytes, tuple[str, ...] | None]:
    """A statement with `$1`, `$2` for its places, and their names in order; None when they have none.

    A name that stands twice is one value. `%%` is a percent sign.
    """
    names: dict[str, int] = {}
    plain = 0

    def place(found: re.Match[str]) -> str:
        nonlocal plain
        if found["percent"]:
            return "%"
        if found["plain"]:
            plain += 1
            return f"${plain}"
        return f"${names.setdefault(found['name'], len(names) + 1)}"

    text = _PLACE.sub(place, statement).encode()
    return text, None if plain else tuple(names)


def as_text(value: Any) -> bytes | None:
    """A value as the server reads it: text, bytes, numbers, booleans, moments, lists of these, None.

    Raises psycopg.DataError for text with a NUL, which no column holds.
    """
    kind = type(value)
    if kind is int or kind is float:
        return b"%s" % repr(value).encode()
    if kind is bool:
        return b"t" if value else b"f"
    if value is None:
        return None
    if isinstance(value, str):
        data = value.encode()
        if b"\x00" in data:
            raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
        return data
    if isinstance(value, date):
        return value.isoformat().encode()
    if isinstance(value, bytes):
        return b"\\x" + value.hex().encode()
    if isinstance(value, list | tuple):
        return b"{%s}" % b",".join(map(_element, value))
    if isinstance(value, int):
        # Of an enumeration, whose own word for itself is no number.
        return b"%d" % value
    if isinstance(value, float):
        return float.__repr__(value).encode()
    raise psycopg.ProgrammingError(f"no way to send a value of {kind.__name__}")


def _element(value: Any) -> bytes:
    data = as_text(value)
    if data is None:
        return b"NULL"
    return (
        b'"%s"' % data.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        if isinstance(value, str | bytes)
        else data
    )


class _Shared(PrepareManager):
    """What psycopg has prepared on a connection, beside what we have: it forgets all of both when it rolls back."""

    def __init__(self, theirs: PrepareManager, ours: OrderedDict[bytes, bytes]) -> None:
        super().__init__()
        self.__dict__.update(vars(theirs))
        self._ours = ours

    def clear(self) -> bool:
        """Note that DEALLOCATE ALL goes out before the next statement."""
        cleared = super().clear()
        if cleared:
            self._ours.clear()
        return cleared


class Direct:
    """One psycopg connection in autocommit (or inside a transaction of its owner's), used for whole statements.

    Not for two callers at once: who lends it sees to that. A connection that psycopg's own cursors use as well is `shared`.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any], *, shared: bool = False) -> None:
        self.connection = connection
        self._pgconn: PGconn = connection.pgconn
        self._prepared: OrderedDict[bytes, bytes] = OrderedDict()
        if shared:
            connection._prepared = _Shared(connection._prepared, self._prepared)

    @property
    def broken(self) -> bool:
        """Whether nothing can be asked any more."""
        return self._pgconn.status != psycopg.pq.ConnStatus.OK

    def finish(self) -> None:
        """Close it at once, whatever goes on."""
        self._pgconn.finish()

    async def ask(self, statement: str, values: Values) -> PGresult:
        """The result of a prepared statement. Raises psycopg's errors."""
        name, given = await self._readied(statement, values)
        self._pgconn.send_query_prepared(name, given)
        return await self._answer()

    async def ask_within(self, statement: str, values: Values) -> PGresult:
        """The same within a transaction, which begins with this statement unless one is under way. Both go out at once.

        Whoever is cancelled meanwhile cancels the statement and leaves the connection as whoever has an error does.
        """
        pgconn, together = self._pgconn, False
        begins = pgconn.transaction_status == TransactionStatus.IDLE and not self.connection.autocommit
        try:
            name, given = await self._readied(statement, values)
            if not begins:
                pgconn.send_query_prepared(name, given)
                return await self._answer()
            together = True
            pgconn.enter_pipeline_mode()
            pgconn.send_query_params(b"BEGIN", None)
            pgconn.send_query_prepared(name, given)
            pgconn.pipeline_sync()
            return await self._answers()
        except asyncio.CancelledError:
            await self._stopped(together)
            raise

    async def _stopped(self, together: bool) -> None:
        """End the statement that is under way, and take its answer."""
        if self.broken or self._pgconn.transaction_status != TransactionStatus.ACTIVE:
            return
        await self.connection.cancel_safe(timeout=CANCEL_S)
        with suppress(psycopg.Error):
            await (self._answers() if together else self._answer())

    async def _readied(self, statement: str, values: Values) -> tuple[bytes, list[bytes | None]]:
        """The name of a prepared statement, and its values as they are sent."""
        text, names = numbered(statement)
        if names is None:
            given: list[bytes | None] = [as_text(value) for value in values or ()]
        elif isinstance(values, Mapping):
            given = [as_text(values[name]) for name in names]
        else:
            given = []
        name = self._prepared.get(text)
        if name is None:
            name = await self._prepare(text)
        else:
            self._prepared.move_to_end(text)
        return name, given

    async def ask_planned(self, statement: str, values: Values) -> PGresult:
        """The result of a statement that is planned for these very values."""
        cursor = psycopg.AsyncClientCursor(self.connection)
        self._pgconn.send_query(cursor.mogrify(statement.encode(), values).encode())
        return await self._answer()

    def rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        """All rows as Python values."""
        reader = Transformer(self.connection)
        reader.set_pgresult(result)
        return reader.load_rows(0, result.ntuples, tuple)

    async def _prepare(self, text: bytes) -> bytes:
        if len(self._prepared) >= MAX_PREPARED:
            _, oldest = self._prepared.popitem(last=False)
            self._pgconn.send_query(b"DEALLOCATE " + oldest)
            await self._answer()
        name = b"civitas_%d" % next(_NUMBERS)
        self._pgconn.send_prepare(name, text)
        await self._answer()
        self._prepared[text] = name
        return name

    async def _answer(self) -> PGresult:
        pgconn = self._pgconn
        if pgconn.flush():
            await self._flush()
        result: PGresult | None = None
        if pgconn.is_busy():
            await self._readable()
        while (found := pgconn.get_result()) is not None:
            # The last one counts; an error ends them all.
            result = found
            if pgconn.is_busy():
                await self._readable()
        if result is None:
            raise psycopg.OperationalError("the connection was lost")
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            raise errors.error_from_result(result, encoding="utf-8")
        return result

    async def _answers(self) -> PGresult:
        """The last answer of a pipeline, which ends with it. Raises the first error in it."""
        pgconn = self._pgconn
        if pgconn.flush():
            await self._flush()
        last: PGresult | None = None
        wrong: PGresult | None = None
        while not self.broken:
            if pgconn.is_busy():
                await self._readable()
            found = pgconn.get_result()
            if found is None:
                # Between two answers.
                continue
            if found.status == ExecStatus.PIPELINE_SYNC:
                pgconn.exit_pipeline_mode()
                break
            if found.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
                last = found
            elif wrong is None:
                wrong = found
        if wrong is not None:
            raise errors.error_from_result(wrong, encoding="utf-8")
        if last is None or self.broken:
            raise psycopg.OperationalError("the connection was lost")
        return last

    async def _readable(self) -> None:
        """Until a result can be taken without waiting."""
        pgconn = self._pgconn

        def arrived() -> bool:
            pgconn.consume_input()
            return not pgconn.is_busy()

        await self._watched(arrived, None)

    async def _flush(self) -> None:
        """Send what the socket did not take at once; the server may want to be heard meanwhile."""
        pgconn = self._pgconn

        def arrived() -> bool:
            pgconn.consume_input()
            return sent()

        def sent() -> bool:
            return pgconn.flush() == 0

        await self._watched(arrived, sent)

    async def _watched(self, arrived: Callable[[], bool], writable: Callable[[], bool] | None) -> None:
        """Call these when the socket can be read or written, until one says that it is done."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        socket = self._pgconn.socket

        def leave() -> None:
            loop.remove_reader(socket)
            if writable:
                loop.remove_writer(socket)

        def called(step: Callable[[], bool]) -> None:
            try:
                finished = step()
            except psycopg.Error as error:
                # The driver has closed the socket, whose number may be another's a moment later.
                leave()
                if not done.done():
                    done.set_exception(error)
                return
            if finished and not done.done():
                done.set_result(None)

        loop.add_reader(socket, called, arrived)
        if writable:
            loop.add_writer(socket, called, writable)
        try:
            await done
        finally:
            if not done.done() or done.cancelled() or done.exception() is None:
                leave()
