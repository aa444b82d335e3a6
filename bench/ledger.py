"""The ledger: transfers a second beside the limit, a long statement, the audit of a long history.

    python -m bench.ledger [--seconds 4] [--rounds 5] [--postings 10000000]

The limit of each figure is one call of a function that inserts and updates the same number of rows without any rule,
over bare psycopg on as many connections, in the same run, in turn. Ours is measured twice: posted at once, which is a
transaction of its own, and in a unit of work, which is what a posting costs that becomes true together with other rows.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import psycopg
import uvloop

from bench import report
from civitas.app import schema, wiring
from civitas.domains.buzz.ledger import auditing, holds, posting, statement
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.infra.db import embedded
from civitas.infra.db.database import Database
from civitas.infra.db.embedded import EmbeddedServer
from civitas.infra.db.settings import DatabaseSettings
from civitas.infra.db.writepool import WritePool
from civitas.kit import clock, sql

PEOPLE = 20_000
HOT = 1
GRANT = 4 * 10**9
COLOURS = (Currency.BLUE, Currency.GREEN, Currency.YELLOW)
BATCH = 500
Step = Callable[[int], Awaitable[None]]

_numbers = itertools.count()


def statements() -> dict[str, str]:
    """The statements of `ledger_rows.sql` by name."""
    pieces = sql._NAME.split((Path(__file__).parent / "ledger_rows.sql").read_text())
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def prepare(dsn: str) -> None:
    """People, money in every purse, and the tables of the limit."""
    schema.upgrade(dsn)
    named = statements()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(named["people"].encode(), {"people": PEOPLE})
        connection.execute(named["limit"].encode())
    asyncio.run(_grant(dsn))
    with psycopg.connect(dsn, autocommit=True) as connection:
        # As of the limit: what is held by somebody for the first time makes an account, which is not what is measured.
        connection.execute(
            "SELECT buzz_account(p, 'held', c) FROM generate_series(1, %s) p, unnest(%s::text[]) c",
            [PEOPLE, [str(colour) for colour in COLOURS]],
        )
        connection.execute("VACUUM ANALYZE")


async def _grant(dsn: str) -> None:
    database = Database(dsn)
    for start in range(1, PEOPLE + 1, 500):
        async with database.unit() as session:
            await posting.post_batch(
                session,
                [
                    Entry(
                        f"grant:{person}:{colour}",
                        EntryType.PURCHASE,
                        transfer(house(Purpose.MINT, colour), wallet(person, colour), GRANT),
                    )
                    for person in range(start, start + 500)
                    for colour in COLOURS
                ],
            )
    await database.close()


class Ours:
    """Steps through the product, every rule on: at once, or in a unit of work each."""

    def __init__(self, database: Database, pool: WritePool | None) -> None:
        self.database = database
        self.pool = pool
        self.spent: list[int] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[posting.Where]:
        """Where the next posting goes."""
        if self.pool is not None:
            yield self.pool
            return
        async with self.database.unit() as session:
            yield session

    async def refill(self) -> None:
        """Give back what `purses` took, outside the measured time."""
        entries = [
            Entry(
                f"b{next(_numbers)}",
                EntryType.PURCHASE,
                transfer(
                    house(Purpose.MINT, colour),
                    wallet(person, colour),
                    GRANT if colour != Currency.YELLOW else 4,
                ),
            )
            for person in self.spent
            for colour in COLOURS
        ]
        self.spent.clear()
        for start in range(0, len(entries), 5_000):
            async with self.database.unit() as session:
                await posting.post_batch(session, entries[start : start + 5_000])

    async def tip(self, giver: int, taker: int) -> None:
        entry = Entry(
            f"b{next(_numbers)}",
            EntryType.TIP,
            transfer(wallet(giver, Currency.YELLOW), wallet(taker, Currency.YELLOW), 4),
        )
        async with self.open() as where:
            await posting.post(where, entry)

    async def uncontended(self, seat: int) -> None:
        giver, taker = random.sample(range(2, PEOPLE), 2)
        await self.tip(giver, taker)

    async def hot(self, seat: int) -> None:
        giver = random.randrange(2, PEOPLE)
        await self.tip(giver, HOT if random.random() < 0.9 else 1 + giver % (PEOPLE - 1))

    async def purses(self, seat: int) -> None:
        person = 2 + len(self.spent)
        self.spent.append(person)
        async with self.open() as where:
            # All of blue, all of green, and a little of yellow.
            await posting.charge(
                where,
                Entry(f"b{next(_numbers)}", EntryType.GENERATION, ()),
                source=wallet(person, Currency.BLUE),
                target=house(Purpose.REVENUE, Currency.BLUE),
                colours=COLOURS,
                total=2 * GRANT + 4,
            )

    async def hold(self, seat: int) -> None:
        person = random.randrange(2, PEOPLE)
        key = f"b{next(_numbers)}"
        async with self.open() as where:
            made = await holds.reserve(
                where,
                key=key,
                person_id=person,
                colours=(Currency.YELLOW,),
                total=40,
                type=EntryType.GENERATION,
                expires_at=clock.now() + timedelta(hours=1),
            )
        async with self.open() as where:
            await holds.capture(where, hold_id=made.id, key="all")

    async def batched(self, seat: int) -> None:
        givers = random.sample(range(2, PEOPLE), BATCH)
        entries = [
            Entry(
                f"b{next(_numbers)}",
                EntryType.TIP,
                transfer(
                    wallet(giver, Currency.YELLOW), wallet(1 + giver % (PEOPLE - 1), Currency.YELLOW), 4
                ),
            )
            for giver in givers
        ]
        async with self.open() as where:
            await posting.post_batch(where, entries)


class Limit:
    """The same rows written by one bare function call."""

    def __init__(self, connections: list[psycopg.AsyncConnection]) -> None:
        self.connections = connections

    async def call(self, seat: int, froms: list[int], tos: list[int]) -> None:
        await self.connections[seat].execute(
            "SELECT bare_post(%s, %s::bigint[], %s::bigint[], %s)",
            (f"b{next(_numbers)}", froms, tos, 4),
            prepare=True,
        )

    async def uncontended(self, seat: int) -> None:
        giver, taker = random.sample(range(2, PEOPLE), 2)
        await self.call(seat, [giver * 3], [taker * 3])

    async def hot(self, seat: int) -> None:
        giver = random.randrange(2, PEOPLE)
        await self.call(seat, [giver * 3], [3 if random.random() < 0.9 else 3 * (1 + giver % (PEOPLE - 1))])

    async def purses(self, seat: int) -> None:
        person = random.randrange(2, PEOPLE)
        own = [person * 3 - 2, person * 3 - 1, person * 3]
        # The house's accounts are written by everybody: a row each of their own is the kinder limit.
        await self.call(seat, own, [PEOPLE * 3 + 3 * (seat + 1) - n for n in range(3)])

    async def hold(self, seat: int) -> None:
        # What the first two hold lies in accounts that are paid to here.
        person = random.randrange(3, PEOPLE)
        key = f"b{next(_numbers)}"
        await self.connections[seat].execute(
            "SELECT bare_reserve(%s, %s, %s::bigint[], %s::bigint[], %s)",
            (key, person, [person * 3], [PEOPLE * 3 + person * 3], 40),
            prepare=True,
        )
        await self.connections[seat].execute(
            "SELECT bare_capture(%s, %s::bigint[], %s::bigint[], %s)",
            (key, [PEOPLE * 3 + person * 3], [PEOPLE * 3 + seat + 1], 40),
            prepare=True,
        )


def processor(postmaster: int) -> float:
    """Seconds of processor time that this process and all of the server's have used."""
    used = time.process_time()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == postmaster:
                used += int((folder / "schedstat").read_text().split()[0]) / 1e9
    return used


async def rate(step: Step, seats: int, seconds: float, postmaster: int, unit: int = 1) -> tuple[float, float]:
    """How many a second, done by `seats` at once, and the milliseconds of processor time of one."""
    began, used = time.perf_counter(), processor(postmaster)
    until, done = began + seconds, 0

    async def sit(seat: int) -> None:
        nonlocal done
        while time.perf_counter() < until:
            await step(seat)
            done += unit

    await asyncio.gather(*(sit(seat) for seat in range(seats)))
    return done / (time.perf_counter() - began), (processor(postmaster) - used) / done * 1000


async def transfers(dsn: str, seconds: float, rounds: int, postmaster: int) -> list[list[str]]:
    """Every kind of step at 1 and 8 at once, ours and the limit in turn; medians, and medians of the ratios."""
    settings = DatabaseSettings(pool_size=8)
    database, pool = Database(dsn, settings), WritePool(dsn, settings)
    connections = [await psycopg.AsyncConnection.connect(dsn, autocommit=True) for _ in range(8)]
    sides = (Ours(database, pool), Ours(database, None), Limit(connections))
    rows = []
    for name, told in (
        ("uncontended", "transfer, everybody to everybody"),
        ("hot", "transfer, nine of ten to one person"),
        ("purses", "charge over three purses"),
        ("hold", "hold and capture (two transactions)"),
    ):
        for seats in (1, 8):
            found = []
            for _ in range(rounds):
                taken = []
                for side in sides:
                    taken.append(await rate(getattr(side, name), seats, seconds, postmaster))
                    if isinstance(side, Ours):
                        await side.refill()
                found.append(taken)
            rows.append([told, str(seats), *_compared(found)])
            print(rows[-1], flush=True)
    for seats in (1, 2):
        both = [
            [await rate(side.batched, seats, seconds, postmaster, BATCH) for _ in range(rounds)]
            for side in sides[:2]
        ]
        at_once, unit = ([statistics.median(of) for of in zip(*side, strict=True)] for side in both)
        rows.append(
            [f"transfers in batches of {BATCH}", str(seats), f"{at_once[0]:,.0f}", "", "",
             f"{at_once[1]:.3f}", "", "", f"{unit[0]:,.0f}", ""]
        )  # fmt: skip
        print(rows[-1], flush=True)
    for connection in connections:
        await connection.close()
    await pool.close()
    await database.close()
    return rows


READ_AS = """medians, and medians of the ratios round by round. The limit is one call
of a function that inserts and updates as many rows without any rule, over bare psycopg, prepared. *At once* is a posting
that is a transaction of its own ([decision 13](decisions/0013-a-posting-may-be-its-own-transaction.md)); *in a unit of
work* one that becomes true together with other rows. CPU is the processor time of the calling process and of the whole
server."""
HEAD = ["what", "callers", "at once, a second", "limit, a second", "ratio", "CPU ms of one", "limit's", "ratio by CPU",
        "in a unit of work, a second", "ratio by CPU"]  # fmt: skip


def _compared(found: list[list[tuple[float, float]]]) -> list[str]:
    """A row of the table: rates and processor times of both roads and the limit, ratios round by round."""

    def middle(side: int, of: int) -> float:
        return statistics.median(taken[side][of] for taken in found)

    by_rate = statistics.median(taken[0][0] / taken[2][0] for taken in found)
    by_cpu = [statistics.median(taken[2][1] / taken[side][1] for taken in found) for side in (0, 1)]
    return [
        f"{middle(0, 0):,.0f}", f"{middle(2, 0):,.0f}", f"{by_rate:.2f}",
        f"{middle(0, 1):.2f}", f"{middle(2, 1):.2f}", f"{by_cpu[0]:.2f}",
        f"{middle(1, 0):,.0f}", f"{by_cpu[1]:.2f}",
    ]  # fmt: skip


def tpcb(dsn: str, seconds: float) -> float:
    """pgbench's own TPC-B-like transaction, 8 clients, scale 10; transactions a second."""
    pgbench = str(embedded.binaries() / "pgbench")
    owner = dict(os.environ)
    subprocess.run([pgbench, "-i", "-q", "-s", "10", dsn], check=True, capture_output=True, env=owner)
    done = subprocess.run(
        [pgbench, "-M", "prepared", "-c", "8", "-j", "1", "-T", str(int(seconds)), dsn],
        check=True, capture_output=True, text=True, env=owner,
    )  # fmt: skip
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    if found is None:
        raise RuntimeError(done.stdout)
    return float(found[1])


def history(dsn: str, postings: int) -> None:
    """`postings` rows of synthetic history, and balances that follow from it."""
    named = statements()
    values = {"people": PEOPLE, "entries": postings // 2}
    with psycopg.connect(dsn, autocommit=True) as connection:
        # Rows are loaded past the triggers; the balances are then what the triggers would have made of them.
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET maintenance_work_mem = '512MB'")
        # Made at the end in one go, which is many times quicker than row by row.
        index = connection.execute("SELECT pg_get_indexdef('ix_buzz_postings_account_id_entry_id'::regclass)")
        definition = (index.fetchone() or ("",))[0]
        connection.execute("DROP INDEX ix_buzz_postings_account_id_entry_id")
        for name in ("history_accounts", "history_entries", "history_postings"):
            connection.execute(named[name].encode(), values)
        connection.execute(definition.encode())
        connection.execute(
            "UPDATE buzz_accounts a SET balance = p.amount"
            "  FROM (SELECT account_id, sum(amount) AS amount FROM buzz_postings GROUP BY 1) p"
            " WHERE p.account_id = a.id"
        )
        connection.execute("DELETE FROM buzz_unfolded")
        connection.execute("VACUUM ANALYZE")


async def long_history(dsn: str) -> list[list[str]]:
    """Statement pages of the longest and of ordinary statements, and the audit of everything."""
    database = Database(dsn, DatabaseSettings(statement_timeout_s=600))
    rows = []
    for told, people in (("the longest statement", [HOT]), ("anybody's statement", list(range(2, 2_000)))):
        for deep in (False, True):
            taken = []
            for number in range(200):
                person = people[number % len(people)]
                cursor = None
                for _ in range(4 if deep else 0):
                    async with database.reading() as session:
                        cursor = (await statement.page(session, person, cursor=cursor)).next_cursor
                    if cursor is None:
                        break
                began = time.perf_counter()
                async with database.reading() as session:
                    await statement.page(session, person, cursor=cursor)
                taken.append((time.perf_counter() - began) * 1000)
            cuts = statistics.quantiles(taken, n=100)
            rows.append(
                [f"{told}, {'fifth' if deep else 'first'} page", f"{cuts[49]:.1f} ms", f"{cuts[98]:.1f} ms"]
            )
            print(rows[-1], flush=True)
    began = time.perf_counter()
    async with database.reading() as session:
        found = await auditing.audit(session)
    rows.append([f"audit of {found.postings:,} postings", f"{time.perf_counter() - began:.1f} s", ""])
    if not found.sound:
        raise RuntimeError(f"the audit found {found.findings[:3]}")
    print(rows[-1], flush=True)
    await database.close()
    return rows


def run(seconds: float = 4, rounds: int = 5, postings: int = 10_000_000) -> None:
    """Measure and write the section."""
    wiring.wire()
    home = Path(tempfile.mkdtemp(prefix="civitas-bench-"))
    home.chmod(0o755)
    server = EmbeddedServer(home / "home", DatabaseSettings(shared_buffers_mb=1024))
    try:
        dsn = server.start().dsn
        prepare(dsn)
        rows = uvloop.run(transfers(dsn, seconds, rounds, server.pid or 0))
        pgbench = tpcb(dsn, seconds * 2)
        history(dsn, postings)
        long = uvloop.run(long_history(dsn))
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)
    body = (
        f"{PEOPLE:,} people, {rounds} rounds of {seconds:g} s of each side by turns; {READ_AS}\n\n"
        + report.table(HEAD, rows)
    )
    body += (
        f"\n\npgbench's TPC-B-like transaction on the same server, 8 clients: {pgbench:,.0f} a second.\n\n"
    )
    body += report.table([f"with {postings:,} postings more", "p50", "p99"], long)
    report.write("Ledger", body)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--postings", type=int, default=10_000_000)
    given = parser.parse_args()
    run(given.seconds, given.rounds, given.postings)


if __name__ == "__main__":
    main()
