"""Collections from their tables: one consistent snapshot, in bounded pieces, and where in the log of changes it stands."""

from __future__ import annotations

import ctypes
import select
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import psycopg
from psycopg.pq import ExecStatus

from civitas.infra.search import copying
from civitas.infra.search.collection import Collection
from civitas.infra.search.copying import Keys, Rows
from civitas.infra.search.postings import Gathering
from civitas.infra.search.shape import Shape
from civitas.kit.errors import Unavailable

BATCH: Final = 100_000
BATCH_BYTES: Final = 32 * 2**20
# What a document needs at least while it is loaded, in bytes: a load that cannot fit is not begun.
LEAST: Final = 90
PAGE: Final = 4096


@dataclass(frozen=True, slots=True)
class Loaded:
    """Collections by name; every change of a transaction before `bound` is in them, and those in lines of the log
    that `seen` names (with their transactions): any transaction of the server that has not ended holds `bound` back."""

    collections: dict[str, Collection]
    bound: int
    seen: dict[int, int]


class TooLarge(Exception):
    """More memory would be needed than the settings allow."""


def resident() -> int:
    """Bytes of memory that this process has now."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def let_go() -> None:
    """Give memory that was freed back to the system, where the C library can (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def load(
    dsn: str, shapes: Sequence[Shape], *, memory: int, told: Callable[[str, int, int], None] = lambda *_: None
) -> Loaded:
    """Read all collections in one snapshot. `told` hears the collection, how many rows are read, and of how many.

    Raises TooLarge, psycopg's errors, Unavailable when a table is not as its shape says.
    """
    with psycopg.connect(dsn, application_name="civitas-index-load") as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = connection.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text").fetchone()
        if row is None:
            raise Unavailable("The database did not say where its transactions stand.")
        bound = int(row[0])
        seen = connection.execute("SELECT id, xid FROM index_changes WHERE xid >= %s", [bound]).fetchall()
        made = {shape.name: _collection(connection, shape, memory, told) for shape in shapes}
        let_go()
        return Loaded(made, bound, dict(seen))


def _collection(
    connection: psycopg.Connection[Any], shape: Shape, memory: int, told: Callable[[str, int, int], None]
) -> Collection:
    counted = connection.execute(f"SELECT count(*) FROM {shape.table}".encode()).fetchone()  # noqa: S608
    total = int(counted[0]) if counted else 0
    if resident() + total * LEAST > memory:
        raise TooLarge(f"{total:,} rows of {shape.table} do not fit in {memory >> 20} MiB")
    room = total + max(4096, total // 16)
    ids, prints = np.zeros(room, np.int64), np.zeros(room, np.uint64)
    keys: list[Keys] = [np.zeros(room, copying.dtype_of(order)) for order in shape.orders]
    gathering, used = Gathering(), 0
    told(shape.name, 0, total)
    for rows in _batches(connection, shape):
        count = len(rows.ids)
        here = slice(used, used + count)
        ids[here], prints[here] = rows.ids, rows.prints
        for column, read in zip(keys, rows.keys, strict=True):
            column[here] = read
        slots = np.repeat(np.arange(used, used + count, dtype=np.uint32), np.diff(rows.starts))
        gathering.add(rows.terms, slots)
        used += count
        told(shape.name, used, total)
        if resident() > memory:
            raise TooLarge(
                f"after {used:,} of {total:,} rows of {shape.table} there are more than {memory >> 20} MiB"
            )
    all_rows = Rows(ids, keys, np.zeros(0, np.int64), np.zeros(1, np.int64), prints)
    made = Collection(shape, all_rows, gathering.finished(), used=used)
    if resident() > memory:
        raise TooLarge(f"{shape.table} with its orders needs more than {memory >> 20} MiB")
    return made


def _batches(connection: psycopg.Connection[Any], shape: Shape) -> Iterator[Rows]:
    batch: list[bytes] = []
    size = 0
    for message in copying.messages(_copied(connection, copying.statement(shape))):
        batch.append(message)
        size += len(message)
        if len(batch) >= BATCH or size >= BATCH_BYTES:
            yield copying.read(shape, batch)
            batch, size = [], 0
    if batch:
        yield copying.read(shape, batch)


def _copied(connection: psycopg.Connection[Any], statement: bytes) -> Iterator[bytes]:
    """The messages of a COPY straight from libpq: ten million of them, so nothing stands between."""
    pgconn = connection.pgconn
    pgconn.send_query(statement)
    result = None
    while result is None:
        pgconn.consume_input()
        if not pgconn.is_busy():
            result = pgconn.get_result()
        else:
            select.select([pgconn.socket], [], [], 60)
    if result.status != ExecStatus.COPY_OUT:
        raise psycopg.errors.error_from_result(result, encoding="utf-8")
    while True:
        size, data = pgconn.get_copy_data(1)
        if size > 0:
            yield bytes(data)
        elif size == 0:
            select.select([pgconn.socket], [], [], 60)
            pgconn.consume_input()
        else:
            break
    while (ended := pgconn.get_result()) is not None:
        if ended.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(ended, encoding="utf-8")
