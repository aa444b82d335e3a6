"""Feeds of a large gallery: every kind of filter and order, first pages and deep ones, beside their limit.

    python -m bench gallery
    python -m bench.gallery [--images N] [--home DIR] [--rounds 60] [--plain]

It fills `feed_images` of an empty database with synthetic rows (ten million, or CIVITAS_BENCH_IMAGES), counts terms as
the product does, and asks the product's own pages over its pool of bare connections. Beside each stands the same filter
in one statement by the planner's choice; the limit is a page by primary key.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from bench import report
from bench.loading import HASTY, SHARED_MB, database
from civitas.app import schema
from civitas.domains.accounts.types import ANONYMOUS
from civitas.domains.gallery.feeds import pages, planning, rows, terms
from civitas.domains.gallery.feeds.pages import Known
from civitas.domains.gallery.feeds.planning import Plan
from civitas.domains.gallery.feeds.types import FeedFilter, ImagePeriod, ImageSort
from civitas.infra.db.database import Database
from civitas.infra.db.readpool import PooledReads
from civitas.kit import clock

IMAGES = int(os.environ.get("CIVITAS_BENCH_IMAGES", "10000000"))
HOME = Path(os.environ.get("CIVITAS_BENCH_GALLERY_HOME", "bench-gallery-home"))
PAGE = 50
STRETCH = 500_000
# Numbers of tags by how often they are carried: of a third of all pictures down to a few hundred.
TAGS = {"everywhere": 0, "common": 1, "frequent": 5, "middling": 20, "rare": 100, "very rare": 1000}


@dataclass
class Timed:
    """One combination: milliseconds of each page."""

    name: str
    first: list[float]
    deep: list[float]
    plain: float | None

    @staticmethod
    def at(taken: Sequence[float], share: float) -> float:
        """Milliseconds within which this share of pages came."""
        ordered = sorted(taken)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


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
    reads: PooledReads, known: Known, name: str, wanted: FeedFilter, rounds: int, plain: bool
) -> Timed:
    first: list[float] = []
    deep: list[float] = []
    if wanted.tag_ids:
        wanted = replace(wanted, mask=3)
    for _ in range(rounds):
        asked = replace(wanted, seed=random.randrange(2**31)) if wanted.sort is ImageSort.RANDOM else wanted
        began = time.perf_counter()
        found = await pages.page(reads, ANONYMOUS, asked, limit=PAGE, known=known)
        first.append((time.perf_counter() - began) * 1000)
    cursor: str | None = found.next_cursor
    for _ in range(rounds):
        began = time.perf_counter()
        found = await pages.page(reads, ANONYMOUS, wanted, limit=PAGE, cursor=cursor, known=known)
        deep.append((time.perf_counter() - began) * 1000)
        cursor = found.next_cursor or cursor
    return Timed(name, first, deep, await _plain(reads, wanted, known) if plain else None)


async def _plain(reads: PooledReads, wanted: FeedFilter, known: Known) -> float | None:
    """The same filter as one would write it, planned by PostgreSQL; None when it takes longer than ten seconds."""
    made = await pages.conditions(reads, ANONYMOUS, wanted)
    if made is None:
        return None
    asked = replace(made, planned=True)
    plan = Plan(planning.IMAGES, wanted, asked, known.counts, PAGE + 1, clock.now())
    statement = planning.attempts(plan)[0].statement
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        try:
            await reads.fetch_planned(statement, asked.values)
        except psycopg.Error:
            return None
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


async def _limit(reads: PooledReads, images: int, rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        place = random.randrange(PAGE, images)
        began = time.perf_counter()
        await reads.fetch(
            "SELECT image_id, published_at FROM feed_images WHERE image_id < %(p)s ORDER BY image_id DESC LIMIT 51",
            {"p": place},
        )
        taken.append((time.perf_counter() - began) * 1000)
    return Timed.at(taken, 0.99)


async def _throughput(reads: PooledReads, known: Known, clients: int, seconds: float) -> float:
    """Pages a second of all combinations in turn."""
    turn = itertools.cycle(combinations().values())
    until, made = time.perf_counter() + seconds, 0

    async def one() -> None:
        nonlocal made
        while time.perf_counter() < until:
            await pages.page(reads, ANONYMOUS, next(turn), limit=PAGE, known=known)
            made += 1

    await asyncio.gather(*(one() for _ in range(clients)))
    return made / seconds


async def _measured(dsn: str, rounds: int, plain: bool) -> str:
    reads = PooledReads(dsn)
    await reads.open()
    try:
        known = Known()
        counts = await known.of(reads)
        known.read_at = float("inf")
        images = counts[terms.EVERYTHING]
        made: list[Timed] = []
        for name, wanted in combinations().items():
            made.append(await _combination(reads, known, name, wanted, rounds, plain))
            print(_table(made[-1:]).splitlines()[-1], flush=True)
        limit = await _limit(reads, images, 200)
        rates = [await _throughput(reads, known, clients, 5) for clients in (1, 4)]
        sizes = await reads.fetch(
            "SELECT pg_size_pretty(pg_relation_size('feed_images')), pg_size_pretty(pg_indexes_size('feed_images'))"
        )
    finally:
        await reads.close()
    slow = [one.name for one in made if max(Timed.at(one.first, 0.99), Timed.at(one.deep, 0.99)) >= 20]
    return "\n\n".join(
        [
            f"{images:,} pictures; pages of {PAGE}; {rounds} first pages and the {rounds} that follow, one client. The "
            f"table is {sizes[0][0]}, its indexes {sizes[0][1]}; the database keeps {SHARED_MB // 1024} GiB in memory. "
            f"A page by primary key takes {limit:.1f} ms (p99). *Plain PostgreSQL* is the same filter in one statement over the "
            f"same indexes, planned for its values (the median of five; first pages). "
            f"All combinations in turn: {rates[0]:.0f} pages a second "
            f"at one client, {rates[1]:.0f} at four.",
            _table(made),
            "p99 of 20 ms or more: " + (", ".join(slow) or "none") + ".",
        ]
    )


def _table(made: list[Timed]) -> str:
    head = ["feed", "first p50 ms", "first p99 ms", "next p50 ms", "next p99 ms", "plain PostgreSQL ms"]
    return report.table(
        head,
        [
            [
                one.name, f"{Timed.at(one.first, 0.5):.1f}", f"{Timed.at(one.first, 0.99):.1f}",
                f"{Timed.at(one.deep, 0.5):.1f}", f"{Timed.at(one.deep, 0.99):.1f}",
                "-" if one.plain is None else f"{one.plain:.1f}",
            ]
            for one in made
        ],
    )  # fmt: skip


def measured(home: Path, rounds: int = 60, *, plain: bool = True) -> str:
    """The section's text."""
    with database(home) as (dsn, _):
        return asyncio.run(_measured(dsn, rounds, plain))


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
    parser.add_argument("--plain", action="store_true")
    given = parser.parse_args()
    if not (given.home / "postgres").is_dir():
        load(given.home, given.images)
    print(measured(given.home, given.rounds, plain=given.plain))


if __name__ == "__main__":
    main()
