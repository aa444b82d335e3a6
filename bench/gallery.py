"""Feeds of a large gallery: every kind of filter and order, first pages and deep ones, beside their limit.

    python -m bench gallery
    python -m bench.gallery [--images N] [--home DIR] [--rounds 60]

It fills `feed_images` of an empty database with synthetic rows (ten million, or CIVITAS_BENCH_IMAGES), counts terms as
the product does, starts the product's index beside it, and asks the product's own pages over its pool of bare
connections: each combination by SQL alone, and as it is served, where the index is asked for what SQL is slow with. The
limit is a page by primary key.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from bench import report
from bench.gallery_index import Away, Counting, running, seconds_to_see
from bench.loading import HASTY, SHARED_MB, database
from civitas.app import schema
from civitas.domains.accounts.types import ANONYMOUS
from civitas.domains.gallery.feeds import pages, rows, terms
from civitas.domains.gallery.feeds.pages import Found, Known
from civitas.domains.gallery.feeds.types import FeedFilter, ImagePeriod, ImageSort
from civitas.infra.db.database import Database
from civitas.infra.db.readpool import PooledReads
from civitas.infra.search.asking import Index, SocketIndex

IMAGES = int(os.environ.get("CIVITAS_BENCH_IMAGES", "10000000"))
HOME = Path(os.environ.get("CIVITAS_BENCH_GALLERY_HOME", "bench-gallery-home"))
PAGE = 50
GOAL_MS = 20
_HEADS = ("first p50", "first p99", "next p50", "next p99")
STRETCH = 500_000
# Numbers of tags by how often they are carried: of a third of all pictures down to a few hundred.
TAGS = {"everywhere": 0, "common": 1, "frequent": 5, "middling": 20, "rare": 100, "very rare": 1000}


@dataclass
class Timed:
    """One combination one way: milliseconds of each page. `asked`: by the index."""

    first: list[float]
    deep: list[float]
    asked: bool = False

    @staticmethod
    def at(taken: Sequence[float], share: float) -> float:
        """Milliseconds within which this share of pages came."""
        ordered = sorted(taken)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    @property
    def slow(self) -> bool:
        """Whether it misses the goal."""
        return max(self.at(self.first, 0.99), self.at(self.deep, 0.99)) >= GOAL_MS

    @property
    def cells(self) -> list[str]:
        """Medians and slowest percent."""
        return [f"{self.at(taken, share):.1f}" for taken in (self.first, self.deep) for share in (0.5, 0.99)]


def combinations() -> dict[str, FeedFilter]:
    """Twenty and more that people choose, and those that are hard."""
    reactions, comments = ImageSort.MOST_REACTIONS, ImageSort.MOST_COMMENTS
    made: dict[str, FeedFilter] = {}
    for sort in ImageSort:
        made[f"{sort.value}, all time"] = FeedFilter(sort=sort)
    for period in (ImagePeriod.DAY, ImagePeriod.WEEK, ImagePeriod.MONTH, ImagePeriod.YEAR):
        made[f"Most Reactions, {period.value}"] = FeedFilter(sort=reactions, period=period)
    for name, tag in TAGS.items():
        for sort in (ImageSort.NEWEST, reactions):
            made[f"{sort.value}, a tag {name}"] = FeedFilter(sort=sort, tag_ids=(tag,))
        made[f"Most Reactions, Month, a tag {name}"] = FeedFilter(
            sort=reactions, period=ImagePeriod.MONTH, tag_ids=(tag,)
        )
    made["Most Comments, a tag middling"] = FeedFilter(sort=comments, tag_ids=(TAGS["middling"],))
    made["Random, a tag frequent"] = FeedFilter(sort=ImageSort.RANDOM, seed=7, tag_ids=(TAGS["frequent"],))
    made["Random, a tag middling"] = FeedFilter(sort=ImageSort.RANDOM, seed=7, tag_ids=(TAGS["middling"],))
    made["Most Reactions, two tags"] = FeedFilter(sort=reactions, tag_ids=(5, 20))
    made["Newest, three tags"] = FeedFilter(tag_ids=(0, 1, 5))
    made["Newest, video"] = FeedFilter(kinds=("video",))
    made["Most Reactions, audio, made here"] = FeedFilter(sort=reactions, kinds=("audio",), made_here=True)
    made["Newest, a popular version"] = FeedFilter(version_ids=(0,))
    made["Most Reactions, a small version"] = FeedFilter(sort=reactions, version_ids=(5000,))
    made["Most Reactions, a popular model, Month"] = FeedFilter(
        sort=reactions, model_ids=(0,), period=ImagePeriod.MONTH
    )
    made["Newest, a person"] = FeedFilter(person_ids=(100,))
    made["Most Reactions, a person"] = FeedFilter(sort=reactions, person_ids=(100,))
    made["Newest, one level of few"] = FeedFilter(mask=2)
    made["Most Collected, remixes with meta"] = FeedFilter(
        sort=ImageSort.MOST_COLLECTED, remixes=True, with_meta=True
    )
    return made


def load(home: Path, images: int) -> None:
    """Fill the feed, with indexes made at the end."""
    statement = (Path(__file__).parent / "gallery_rows.sql").read_text()
    with database(home) as (dsn, _):
        schema.upgrade(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            for name, value in HASTY.items():
                connection.execute(f"ALTER SYSTEM SET {name} = {value}".encode())
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("SET session_replication_role = replica")
            connection.execute("SET maintenance_work_mem = '2GB'")
            connection.execute("SELECT setseed(0.42)")
            kept = connection.execute(
                "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'feed_images' AND indexname LIKE 'ix%'"
            ).fetchall()
            for name, _ in kept:
                connection.execute(f'DROP INDEX "{name}"'.encode())
            began = time.perf_counter()
            for first in range(1, images + 1, STRETCH):
                connection.execute(
                    statement.encode(),
                    {
                        "rows": images, "first": first, "last": min(images, first + STRETCH - 1),
                        "people": max(1000, images // 40), "versions": max(10_000, images // 20), "tags": 50_000,
                    },
                )  # fmt: skip
            print(f"rows {time.perf_counter() - began:8.1f} s", flush=True)
            for name, definition in kept:
                began = time.perf_counter()
                connection.execute(definition.encode())
                print(f"{name:40} {time.perf_counter() - began:8.1f} s", flush=True)
            connection.execute("VACUUM ANALYZE feed_images")
            for name in HASTY:
                connection.execute(f"ALTER SYSTEM RESET {name}".encode())
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CHECKPOINT")
        asyncio.run(_count(dsn))


async def _count(dsn: str) -> None:
    base = Database(dsn)
    async with base.unit() as session:
        await rows.count_terms(session)
    await base.close()


async def _combination(
    reads: PooledReads, known: Known, wanted: FeedFilter, rounds: int, index: Index
) -> Timed:
    first: list[float] = []
    deep: list[float] = []
    if wanted.tag_ids:
        wanted = replace(wanted, mask=3)
    counting = Counting(index) if isinstance(index, SocketIndex) else None
    ask = counting or index
    found = Found()
    for _ in range(rounds):
        asked = replace(wanted, seed=random.randrange(2**31)) if wanted.sort is ImageSort.RANDOM else wanted
        took, made = await _page(reads, known, asked, ask, None)
        first.append(took)
        found = made or found
    cursor: str | None = found.next_cursor
    for _ in range(rounds):
        took, made = await _page(reads, known, wanted, ask, cursor)
        deep.append(took)
        cursor = made.next_cursor or cursor if made else cursor
    return Timed(first, deep, counting is not None and counting.answered > 0)


async def _page(
    reads: PooledReads, known: Known, wanted: FeedFilter, index: Index, cursor: str | None
) -> tuple[float, Found | None]:
    """Milliseconds of a page, and the page; None when the database gave up after its half minute."""
    began = time.perf_counter()
    try:
        made = await pages.page(reads, ANONYMOUS, wanted, limit=PAGE, cursor=cursor, known=known, index=index)
    except psycopg.errors.QueryCanceled:
        made = None
    return (time.perf_counter() - began) * 1000, made


def _warm(dsn: str) -> None:
    """Have the table and its primary key in the database's memory: what a page that is checked reads.

    By a column that no order includes, or only an index would be read.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_bitmapscan = off")
        connection.execute("SET max_parallel_workers_per_gather = 0")
        connection.execute("SELECT sum(post_id) FROM feed_images WHERE image_id > 0")


async def _limit(reads: PooledReads, images: int, rounds: int) -> list[float]:
    """Milliseconds to read so many rows as a page has, all over the table, by primary key."""
    taken = []
    for _ in range(rounds):
        ids = [random.randrange(1, images) for _ in range(PAGE + 1)]
        began = time.perf_counter()
        await reads.fetch(
            "SELECT image_id, published_at, level, terms FROM feed_images WHERE image_id = ANY(%(ids)s::bigint[])",
            {"ids": ids},
        )
        taken.append((time.perf_counter() - began) * 1000)
    return taken


async def _throughput(reads: PooledReads, known: Known, clients: int, seconds: float, index: Index) -> float:
    """Pages a second of all combinations in turn."""
    turn = itertools.cycle(combinations().values())
    until, made = time.perf_counter() + seconds, 0

    async def one() -> None:
        nonlocal made
        while time.perf_counter() < until:
            await pages.page(reads, ANONYMOUS, next(turn), limit=PAGE, known=known, index=index)
            made += 1

    await asyncio.gather(*(one() for _ in range(clients)))
    return made / seconds


async def _measured(dsn: str, home: Path, rounds: int) -> str:
    reads = PooledReads(dsn)
    await reads.open()
    try:
        async with running(dsn, home) as (index, status):
            return await _beside(dsn, reads, index, status, rounds)
    finally:
        await reads.close()


async def _beside(
    dsn: str, reads: PooledReads, index: SocketIndex, status: dict[str, Any], rounds: int
) -> str:
    """Both ways, in turn for each combination."""
    print(status, flush=True)
    known = Known()
    counts = await known.of(reads)
    known.read_at = float("inf")
    loads = [os.getloadavg()[0]]
    served, by_sql = {}, {}
    # One way after the other: each finds in memory what it has read itself, as on a site that goes one way.
    for name, wanted in combinations().items():
        served[name] = await _combination(reads, known, wanted, rounds, index)
        print("served", name, served[name].cells, served[name].asked, flush=True)
    limit = await _limit(reads, counts[terms.EVERYTHING], 200)
    for name, wanted in combinations().items():
        by_sql[name] = await _combination(reads, known, wanted, max(8, rounds // 4), Away())
        print("SQL", name, by_sql[name].cells, flush=True)
    made = {name: (by_sql[name], served[name]) for name in served}
    loads.append(os.getloadavg()[0])
    rates = {name: [await _throughput(reads, known, clients, 5, one) for clients in (1, 4)]
             for name, one in (("sql", Away()), ("served", index))}  # fmt: skip
    seen = await seconds_to_see(dsn, reads, known, index)
    after = await index.status() or status
    sizes = await reads.fetch(
        "SELECT pg_size_pretty(pg_relation_size('feed_images')), pg_size_pretty(pg_indexes_size('feed_images'))"
    )
    head = ["feed", *(f"SQL {what}" for what in _HEADS), *(f"served {what}" for what in _HEADS), "by"]
    body = [
        [name, *sql.cells, *served.cells, "index" if served.asked else "SQL"]
        for name, (sql, served) in made.items()
    ]
    return "\n\n".join(
        [
            f"{counts[terms.EVERYTHING]:,} pictures; pages of {PAGE}; {rounds} first pages and the {rounds} that follow (a "
            f"quarter as many by SQL alone), one client; milliseconds. The table is {sizes[0][0]}, its indexes {sizes[0][1]}; "
            f"the database keeps {SHARED_MB // 1024} GiB in memory, and the table was read before. {PAGE + 1} rows from all "
            f"over the table by primary key, which is the limit of a page that is checked, take {Timed.at(limit, 0.5):.1f} ms, "
            f"{Timed.at(limit, 0.99):.1f} at p99. *Served* is what the site does: where the last column says so it asked the "
            f"index, the rest SQL was thought quick enough for. The load of the machine was {loads[0]:.1f} at the beginning "
            f"and {loads[1]:.1f} at the end.",
            f"The index held {sum(status['documents'].values()):,} documents in {after['resident'] >> 20:,} MiB, at most "
            f"{status['peak'] >> 20:,} MiB while it loaded, which took {status['loaded_s']:.0f} s, "
            f"{status['cpu_s']:.0f} of them of a processor. A new picture was on the "
            f"first page of its tag {Timed.at(seen, 0.5) * 1000:.0f} ms after the commit (median of {len(seen)}), at most "
            f"{max(seen) * 1000:.0f} ms. All combinations in turn: {rates['sql'][0]:.0f} pages a second by SQL and "
            f"{rates['served'][0]:.0f} as served at one client, {rates['sql'][1]:.0f} and {rates['served'][1]:.0f} at four.",
            report.table(head, body),
            f"p99 of {GOAL_MS} ms or more by SQL: "
            + (", ".join(n for n, (sql, _) in made.items() if sql.slow) or "none")
            + ".",
            f"p99 of {GOAL_MS} ms or more as served: "
            + (", ".join(n for n, (_, one) in made.items() if one.slow) or "none")
            + ".",
        ]
    )


def measured(home: Path, rounds: int = 60) -> str:
    """The section's text."""
    with database(home) as (dsn, _):
        schema.upgrade(dsn)
        _warm(dsn)
        return asyncio.run(_measured(dsn, home, rounds))


def run(home: Path = HOME) -> None:
    """Load when there is nothing yet, measure, and write the section of the page."""
    if not (home / "postgres").is_dir():
        load(home, IMAGES)
    report.write("Feeds of a large gallery", measured(home))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--rounds", type=int, default=60)
    given = parser.parse_args()
    if not (given.home / "postgres").is_dir():
        load(given.home, given.images)
    print(measured(given.home, given.rounds))


if __name__ == "__main__":
    main()
