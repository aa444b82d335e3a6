"""Reads of a large catalogue beside their limit, in short rounds by turns.

    python -m bench catalog            loads a million models first when the folder is empty
    python -m bench.catalog --home DIR [--rounds 5] [--seconds 1] [--only TEXT] [--clients 1,16] [--beside-sql]

The folder is `bench-home`, or what CIVITAS_BENCH_HOME names. Every figure of the product's whole app, limits of
requests included, stands beside a bare Starlette handler that fetches the same rows with one prepared statement and
joins their text. Both run under uvicorn, one process each; the product's index in memory runs beside it, as it is served,
and its processor time counts. With `--beside-sql` the product without an index takes its turns, too.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import psycopg
import uvloop

from bench import report
from bench.cases import PAGE, Case, hash_cases, prepare
from bench.catalog_index import Running, indexing
from bench.client import Round, measure
from bench.instance import free_port
from bench.loading import SHARED_MB, database, load
from bench.servers import child, cpu_seconds, process_seconds
from civitas.app import schema

HOME = Path(os.environ.get("CIVITAS_BENCH_HOME", "bench-home"))
MODELS = int(os.environ.get("CIVITAS_BENCH_MODELS", "1000000"))
# A caller may ask this often: nobody is refused, but everybody is counted.
LIMITS = {"CIVITAS_LIMITS__READ_PER_MINUTE": "100000000"}


@dataclass
class Side:
    """All rounds of the product or of its limit, with the processor time that they took."""

    rounds: list[Round] = field(default_factory=list)
    own_s: float = 0.0
    database_s: float = 0.0
    index_s: float = 0.0
    # How often the index was asked.
    asked: int = 0

    @property
    def requests(self) -> int:
        """How many requests were answered."""
        return sum(len(made.taken) for made in self.rounds)

    @property
    def rate(self) -> float:
        """Requests a second, the median of the rounds."""
        return statistics.median(made.rate for made in self.rounds)

    def at(self, share: float) -> float:
        """Milliseconds within which this share of all answers came."""
        taken = sorted(itertools.chain.from_iterable(made.taken for made in self.rounds))
        return taken[min(len(taken) - 1, int(share * len(taken)))] * 1000

    @property
    def own_ms(self) -> float:
        """Processor time of the serving process, a request."""
        return self.own_s / self.requests * 1000

    @property
    def database_ms(self) -> float:
        """Processor time of the database, a request."""
        return self.database_s / self.requests * 1000

    @property
    def index_ms(self) -> float:
        """Processor time of the index in memory, a request."""
        return self.index_s / self.requests * 1000

    @property
    def cpu_ms(self) -> float:
        """Processor time of all of them, a request."""
        return self.own_ms + self.database_ms + self.index_ms

    @property
    def cpu(self) -> str:
        """The same in its parts."""
        return f"{self.own_ms:.2f} + {self.database_ms:.2f}" + (
            f" + {self.index_ms:.2f}" if self.asked else ""
        )

    @property
    def way(self) -> str:
        """Who found the rows: the index, SQL, or now one and now the other."""
        share = min(1.0, self.asked / self.requests)
        return "index" if share > 0.98 else "SQL" if share < 0.02 else f"index {share:.0%}"


@dataclass
class Row:
    """One line of the table. `alone`: the product without an index, where it was measured."""

    name: str
    clients: int
    ours: Side
    limit: Side
    alone: Side | None = None

    @property
    def share(self) -> float:
        """The product's throughput as a share of the limit's: the median of the rounds."""
        pairs = zip(self.ours.rounds, self.limit.rounds, strict=True)
        return statistics.median(ours.rate / limit.rate for ours, limit in pairs)

    @property
    def share_by_cpu(self) -> float:
        """The same by the processor time of server and database together."""
        return self.limit.cpu_ms / max(1e-9, self.ours.cpu_ms)


@dataclass(frozen=True)
class Places:
    """Where everything listens and runs: serving processes as (port, process)."""

    product: tuple[int, int]
    bare: tuple[int, int]
    alone: tuple[int, int] | None
    postmaster: int
    index: Running


def run_case(case: Case, clients: int, places: Places, rounds: int, s: float) -> Row:
    """Rounds of the product and of its limit by turns, after a warm-up of all."""
    row = Row(case.name, clients, Side(), Side())
    sides = [(places.product, case.asked, row.ours), (places.bare, case.bare, row.limit)]
    if places.alone is not None:
        row.alone = Side()
        sides.append((places.alone, case.asked, row.alone))
    for (port, _), asked, _ in sides:
        uvloop.run(measure(port, asked, clients, s / 2, start=0))
    for _ in range(rounds):
        for (port, pid), asked, side in sides:
            asked_before, before = places.index.asked(), _spent(pid, places)
            made = uvloop.run(measure(port, asked, clients, s, start=side.requests))
            side.rounds.append(made)
            after, asked_after = _spent(pid, places), places.index.asked()
            side.own_s += after[0] - before[0]
            side.database_s += after[1] - before[1]
            side.index_s += after[2] - before[2]
            side.asked += asked_after - asked_before
    return row


def _spent(pid: int, places: Places) -> tuple[float, float, float]:
    """Processor time so far of a serving process, of the database and of the index."""
    return *cpu_seconds(pid, places.postmaster), process_seconds(places.index.pid)


def measured(
    home: Path,
    rounds: int,
    seconds: float,
    only: str = "",
    clients: tuple[int, ...] = (1, 16),
    *,
    beside_sql: bool = False,
) -> tuple[int, list[Row]]:
    """How many models there are, and every case at these numbers of clients."""
    made: list[Row] = []
    with database(home) as (dsn, postmaster), ExitStack() as stack:
        # A catalogue that was loaded for an earlier version is brought up to this one.
        schema.upgrade(dsn)
        with psycopg.connect(dsn) as connection:
            found = connection.execute("SELECT max(id) FROM models").fetchone()
        models = int(found[0]) if found else 0
        env = {
            "DATABASE_URL": dsn,
            "CIVITAS_HOME": str(home),
            "CIVITAS_TELEMETRY__LOG_LEVEL": "error",
            **LIMITS,
        }
        index = stack.enter_context(indexing(dsn, home))
        product, bare = free_port(), free_port()
        serving = stack.enter_context(child(["product"], env, product))
        alone = None
        if beside_sql:
            port = free_port()
            without = {**env, "CIVITAS_INDEX__ENABLED": "false"}
            alone = port, stack.enter_context(child(["product"], without, port))
        cases = [*uvloop.run(prepare(product, models, only)), *hash_cases(dsn, models, only)]
        values = home / "bench-values.json"
        values.write_bytes(orjson.dumps({case.kind: case.values for case in cases}))
        limit = stack.enter_context(child(["bare", "--values", str(values)], env, bare))
        places = Places((product, serving), (bare, limit), alone, postmaster, index)
        for case, number in itertools.product(cases, clients):
            made.append(run_case(case, number, places, rounds, seconds))
            print(table(made[-1:]).splitlines()[-1], flush=True)
    return models, made


def table(rows: list[Row]) -> str:
    """The figures as a Markdown table."""
    head = [
        "read", "by", "clients", "requests/s", "limit/s", "share", "p50 ms", "p99 ms", "limit p99 ms",
        "CPU ms: server + database + index", "limit's", "share by CPU", "kB",
    ]  # fmt: skip
    if any(r.alone for r in rows):
        head.append("by SQL alone")
    return report.table(
        head,
        [
            [
                r.name, r.ours.way, str(r.clients), f"{r.ours.rate:,.0f}", f"{r.limit.rate:,.0f}", f"{r.share:.2f}",
                f"{r.ours.at(0.5):.2f}", f"{r.ours.at(0.99):.2f}", f"{r.limit.at(0.99):.2f}",
                r.ours.cpu, r.limit.cpu, f"{r.share_by_cpu:.2f}",
                f"{sum(m.bytes for m in r.ours.rounds) / r.ours.requests / 1000:.1f}",
                *([f"{r.alone.cpu} ({r.limit.cpu_ms / r.alone.cpu_ms:.2f})"] if r.alone else []),
            ]
            for r in rows
        ],
    )  # fmt: skip


def run(home: Path = HOME, rounds: int = 5, seconds: float = 1.0) -> None:
    """Load when there is nothing yet, measure, and write the section of the page."""
    if not (home / "postgres").is_dir():
        load(home, MODELS)
    models, rows = measured(home, rounds, seconds)
    report.write("Reads of a large catalogue", describe(models, rows, rounds, seconds))


def describe(models: int, rows: list[Row], rounds: int, seconds: float) -> str:
    """The section's text: how it was measured, the table, and which goals were not met."""
    slow = [f"{r.name} ({r.ours.at(0.99):.0f} ms)" for r in rows if r.clients == 1 and r.ours.at(0.99) >= 25]
    low = [f"{r.name} at {r.clients} ({r.share:.2f})" for r in rows if r.share < 0.5]
    by_cpu = [f"{r.name} at {r.clients} ({r.share_by_cpu:.2f})" for r in rows if r.share_by_cpu < 0.5]
    return "\n\n".join(
        [
            f"{models:,} models, {3 * models:,} versions and files, {18 * models:,} hashes; pages of {PAGE}. {rounds} "
            f"rounds of {seconds:g} s of each side by turns; rates and shares are medians of the rounds, p50 and p99 of "
            "all answers. `by` says who found the rows. Server, database, index and client share the cores; the database keeps "
            f"{SHARED_MB // 1024} GiB of pages in memory.",
            table(rows),
            "Below half of the limit's throughput: " + (", ".join(low) or "none") + ".",
            "Below half by processor time: " + (", ".join(by_cpu) or "none") + ".",
            "p99 of 25 ms or more at one client: " + (", ".join(slow) or "none") + ".",
        ]
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--clients", default="1,16")
    parser.add_argument("--beside-sql", action="store_true")
    given = parser.parse_args()
    clients = tuple(int(number) for number in given.clients.split(","))
    models, rows = measured(
        given.home, given.rounds, given.seconds, given.only, clients, beside_sql=given.beside_sql
    )
    print(describe(models, rows, given.rounds, given.seconds))


if __name__ == "__main__":
    main()
