"""Keeping collections true: load them, follow the log of changes, sort and fold what has piled up. Runs for ever.

Questions are answered on the event loop, and there alone collections change, a few hundred documents at a time. What
takes long (loading, sorting, folding) is done in one thread beside it.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import psycopg
import structlog

from civitas.infra.search import copying, loading, orders
from civitas.infra.search.changelog import CHANNEL, KEPT
from civitas.infra.search.collection import Collection
from civitas.infra.search.loading import TooLarge
from civitas.infra.search.shape import Shape
from civitas.kit.errors import Fault

log = structlog.get_logger(__name__)

# How often is looked, also when nothing was said.
IDLE_S: Final = 0.5
# Who has not looked for so long does not know what is true.
BEHIND_S: Final = 2.0
AGAIN_S: Final = 2.0
REFUSED_S: Final = 900.0
SMALL_S: Final = 30.0
LINES: Final = 200
STEP: Final = 200
FETCHED: Final = 2000
SWEPT: Final = 25

# Another server, or tables made anew by a restore: the log does not tell what lies between.
_SERVER: Final = b"SELECT pg_postmaster_start_time()::text || ' ' || 'index_changes'::regclass::oid::text"
_LOG: Final = b"""
SELECT now.xmin, (SELECT m.xid FROM index_marks m WHERE m.xid < now.xmax AND m.marked_at < now() - %(kept)s::interval
                   ORDER BY m.marked_at LIMIT 1),
       (SELECT pg_postmaster_start_time()::text || ' ' || 'index_changes'::regclass::oid::text),
       c.id, c.xid, c.collection, c.ids
  FROM (SELECT pg_snapshot_xmin(s)::text::bigint AS xmin, pg_snapshot_xmax(s)::text::bigint AS xmax
          FROM pg_current_snapshot() s) now
  LEFT JOIN LATERAL (SELECT * FROM index_changes
                      WHERE xid >= %(bound)s AND xid < now.xmax AND id <> ALL(%(seen)s::bigint[])
                      ORDER BY xid, id LIMIT %(limit)s) c ON true
"""


class Stale(Exception):
    """What is held cannot be made true by the log: it must be loaded anew."""


@dataclass
class State:
    """How an index fares. `state`: starting, small, loading, ready, refused, lost."""

    state: str = "starting"
    note: str = ""
    collections: dict[str, Collection] = field(default_factory=dict)
    # All that was committed before this moment (of `time.monotonic`) is in the collections.
    true_at: float = 0.0
    loaded_s: float = 0.0
    loads: int = 0
    changes: int = 0

    @property
    def behind_s(self) -> float:
        """For how long changes may have gone unheard."""
        return time.monotonic() - self.true_at

    @property
    def answers(self) -> bool:
        """Whether questions are answered."""
        return self.state == "ready" and self.behind_s < BEHIND_S


class Follower:
    """One index: its state, and `run`, which keeps it."""

    def __init__(self, dsn: str, shapes: Sequence[Shape], *, memory_mb: int, least_rows: int = 0) -> None:
        self.dsn = dsn
        self.shapes = shapes
        self.memory = memory_mb << 20
        self.least_rows = least_rows
        self.state = State()
        self.anew = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "index-upkeep")
        self._upkeep: asyncio.Task[None] | None = None
        self._bound = 0
        self._seen: dict[int, int] = {}
        self._server = ""

    async def run(self) -> None:
        """Load and follow until cancelled; what fails is tried again."""
        try:
            while True:
                pause = await self._once()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.anew.wait(), pause)
        finally:
            if self._upkeep is not None:
                self._upkeep.cancel()
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _once(self) -> float:
        """Load, unless that is done, and follow until it fails; seconds until it is tried again."""
        try:
            async with await psycopg.AsyncConnection.connect(
                self.dsn, autocommit=True, application_name="civitas-index"
            ) as connection:
                await connection.execute(f"LISTEN {CHANNEL}".encode())
                if not self.state.collections:
                    if not await self._large_enough(connection):
                        return SMALL_S
                    await self._load(connection)
                while True:
                    await self._follow(connection)
        except TooLarge as error:
            self._drop("refused", f"{error}: raise index.memory_mb; feeds go on by SQL.")
            log.error("index.refused", reason=self.state.note)
            return REFUSED_S
        except Stale as error:
            self._drop("loading", str(error))
            log.warning("index.stale", reason=str(error))
            return 0.0
        except (psycopg.Error, OSError) as error:
            # The log goes on where it was left, once the database is back.
            self._now("lost", f"{type(error).__name__}: {error}".splitlines()[0])
            log.warning("index.lost", reason=self.state.note)
            return AGAIN_S
        except (Fault, MemoryError) as error:
            self._drop("refused", f"{type(error).__name__}: {error}")
            log.error("index.refused", reason=self.state.note)
            return REFUSED_S

    def _drop(self, state: str, note: str) -> None:
        if self._upkeep is not None:
            self._upkeep.cancel()
            self._upkeep = None
        self.state.collections = {}
        self.anew.clear()
        self._now(state, note)

    def _now(self, state: str, note: str = "") -> None:
        self.state.state, self.state.note = state, note

    async def _large_enough(self, connection: psycopg.AsyncConnection[Any]) -> bool:
        """Below the limit nobody would ask, and nothing is held."""
        for shape in self.shapes:
            query = f"SELECT count(*) FROM (SELECT FROM {shape.table} LIMIT %s) first"  # noqa: S608
            row = await (await connection.execute(query.encode(), [self.least_rows])).fetchone()
            if row is not None and row[0] >= self.least_rows:
                return True
        self._now("small", f"fewer than {self.least_rows:,} rows, which SQL is quick with")
        return False

    async def _load(self, connection: psycopg.AsyncConnection[Any]) -> None:
        began = time.monotonic()
        self._now("loading")
        row = await (await connection.execute(_SERVER)).fetchone()
        self._server = str(row[0]) if row else ""
        loop = asyncio.get_running_loop()

        def told(name: str, done: int, total: int) -> None:
            self.state.note = f"{name}: {done:,} of {total:,}"

        loaded = await loop.run_in_executor(
            self._thread, lambda: loading.load(self.dsn, self.shapes, memory=self.memory, told=told)
        )
        self.state.collections, self._bound, self._seen = loaded.collections, loaded.bound, loaded.seen
        self.state.loaded_s, self.state.loads = time.monotonic() - began, self.state.loads + 1
        log.info(
            "index.loaded",
            documents={name: found.count for name, found in loaded.collections.items()},
            seconds=round(self.state.loaded_s, 1),
            resident_mb=loading.resident() >> 20,
        )

    async def _follow(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """One look at the log, and a wait when there was nothing more."""
        if self.anew.is_set():
            raise Stale("it was asked to load anew")
        began = time.monotonic()
        more = await self._catch_up(connection)
        self._tidy()
        if more:
            return
        self.state.true_at = began
        if self.state.state != "ready":
            self._now("ready")
        async for _ in connection.notifies(timeout=IDLE_S, stop_after=1):
            pass
        # Looks that take long, because of a long transaction, leave time for questions.
        await asyncio.sleep(min(1.0, max(0.02, time.monotonic() - began - IDLE_S)))

    async def _catch_up(self, connection: psycopg.AsyncConnection[Any]) -> bool:
        """Take in the next lines of the log; whether there may be more."""
        given = {"bound": self._bound, "seen": list(self._seen), "limit": LINES, "kept": KEPT}
        lines = await (await connection.execute(_LOG, given)).fetchall()
        xmin, mark, server = lines[0][:3]
        if mark is not None and mark > self._bound:
            raise Stale("changes that it has not heard of are no longer kept")
        if self._server != server or xmin < self._bound:
            raise Stale("the database was started anew, or its tables were put back")
        lines = [line for line in lines if line[3] is not None]
        if any(line[6] is None for line in lines):
            raise Stale("a table was emptied")
        changed: defaultdict[str, set[int]] = defaultdict(set)
        for line in lines:
            changed[line[5]].update(line[6])
        for name, ids in changed.items():
            if name in self.state.collections:
                await self._apply(connection, self.state.collections[name], sorted(ids))
        more = len(lines) == LINES
        self._bound = min(xmin, lines[-1][4]) if more else xmin
        self._seen.update((line[3], line[4]) for line in lines)
        self._seen = {number: xid for number, xid in self._seen.items() if xid >= self._bound}
        return more

    async def _apply(
        self, connection: psycopg.AsyncConnection[Any], collection: Collection, ids: list[int]
    ) -> None:
        for start in range(0, len(ids), FETCHED):
            asked = ids[start : start + FETCHED]
            async with connection.cursor() as cursor:
                async with cursor.copy(copying.statement(collection.shape, asked)) as copy:
                    parts = [bytes(part) async for part in copy]
            found = list(copying.messages(iter(parts)))
            rows = copying.read(collection.shape, found)
            there = set(rows.ids.tolist())
            gone = [number for number in asked if number not in there]
            collection.remove(gone)
            for first in range(0, len(rows.ids), STEP):
                self.state.changes += collection.apply(rows, first, min(len(rows.ids), first + STEP))
                await asyncio.sleep(0)
            if loading.resident() > self.memory:
                raise TooLarge(f"it has grown beyond {self.memory >> 20} MiB")

    def _tidy(self) -> None:
        """Begin to sort or fold what has piled up, one at a time."""
        if self._upkeep is not None:
            if not self._upkeep.done():
                return
            failed, self._upkeep = self._upkeep.exception(), None
            if failed is not None:
                raise failed
        for collection in self.state.collections.values():
            place = collection.unsorted()
            if place is not None:
                self._upkeep = asyncio.create_task(self._sort(collection, place))
                return
            if collection.untidy:
                self._upkeep = asyncio.create_task(self._fold(collection))
                return

    async def _sort(self, collection: Collection, place: int) -> None:
        order, moved = collection.begin_sort(place)
        try:
            made = await asyncio.get_running_loop().run_in_executor(
                self._thread, orders.resorted, order, moved
            )
        except BaseException:
            order.give_up()
            raise
        collection.end_sort(place, made)

    async def _fold(self, collection: Collection) -> None:
        folding = collection.begin_fold()
        loop = asyncio.get_running_loop()
        few = await loop.run_in_executor(
            self._thread, collection.postings.folded, folding.since, folding.gone, folding.slots
        )
        numbers = await loop.run_in_executor(self._thread, collection.numbers.merged, folding.numbers)
        terms = iter(list(collection.postings.many))
        while some := list(islice(terms, SWEPT)):
            collection.sweep(folding, some)
            await asyncio.sleep(0)
        collection.end_fold(folding, few, numbers)
