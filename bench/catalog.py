"""Reads of a large catalogue beside their limit, in short rounds by turns.

    python -m bench catalog            loads a million models first when the folder is empty
    python -m bench.catalog --home DIR [--models N] [--rounds 5] [--seconds 1] [--only TEXT] [--print]

The folder is `bench-home`, or what CIVITAS_BENCH_HOME names. Every figure of the product's whole app, limits of
requests included, stands beside a bare Starlette handler that fetches the same rows with one prepared statement and
joins their text. Both run under uvicorn, one process each.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import psycopg
import uvloop

from bench import report
from bench.cases import PAGE, Case, hash_cases, prepare
from bench.client import Round, measure
from bench.instance import free_port
from bench.loading import SHARED_MB, database, load
from bench.servers import child, cpu_seconds

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


@dataclass
class Row:
    """One line of the table."""

    name: str
    clients: int
    ours: Side
    limit: Side

    @property
    def share(self) -> float:
        """The product's throughput as a share of the limit's: the median of the rounds."""
        pairs = zip(self.ours.rounds, self.limit.rounds, strict=True)
        return statistics.median(ours.rate / limit.rate for ours, limit in pairs)

    @property
    def share_by_cpu(self) -> float:
        """The same by the processor time of server and database together."""
        ours, limit = self.ours, self.limit
        return (limit.own_ms + limit.database_ms) / max(1e-9, ours.own_ms + ours.database_ms)


def run_case(
    case: Case, clients: int, ports: tuple[int, int], pids: tuple[int, int, int], rounds: int, s: float
) -> Row:
    """Rounds of the product and of its limit by turns, after a warm-up of both."""
    row = Row(case.name, clients, Side(), Side())
    sides = ((ports[0], case.asked, row.ours, pids[0]), (ports[1], case.bare, row.limit, pids[1]))
    for port, asked, _, _ in sides:
        uvloop.run(measure(port, asked, clients, s / 2, start=0))
    for _ in range(rounds):
        for port, asked, side, pid in sides:
            own, data = cpu_seconds(pid, pids[2])
            made = uvloop.run(measure(port, asked, clients, s, start=side.requests))
            side.rounds.append(made)
            own_after, data_after = cpu_seconds(pid, pids[2])
            side.own_s += own_after - own
            side.database_s += data_after - data
    return row


def measured(
    home: Path, rounds: int, seconds: float, only: str = "", clients: tuple[int, ...] = (1, 16)
) -> tuple[int, list[Row]]:
    """How many models there are, and every case at these numbers of clients."""
    made: list[Row] = []
    with database(home) as (dsn, postmaster):
        with psycopg.connect(dsn) as connection:
            found = connection.execute("SELECT max(id) FROM models").fetchone()
        models = int(found[0]) if found else 0
        env = {
            "DATABASE_URL": dsn,
            "CIVITAS_HOME": str(home),
            "CIVITAS_TELEMETRY__LOG_LEVEL": "error",
            **LIMITS,
        }
        ports = free_port(), free_port()
        with child(["product"], env, ports[0]) as product:
            cases = [*uvloop.run(prepare(ports[0], models, only)), *hash_cases(dsn, models, only)]
            values = home / "bench-values.json"
            values.write_bytes(orjson.dumps({case.kind: case.values for case in cases}))
            with child(["bare", "--values", str(values)], env, ports[1]) as bare:
                pids = product, bare, postmaster
                for case, number in itertools.product(cases, clients):
                    made.append(run_case(case, number, ports, pids, rounds, seconds))
                    print(table(made[-1:]).splitlines()[-1], flush=True)
    return models, made


def table(rows: list[Row]) -> str:
    """The figures as a Markdown table."""
    head = [
        "read", "clients", "requests/s", "limit/s", "share", "p50 ms", "p99 ms", "limit p99 ms",
        "CPU ms: server + database", "limit's", "share by CPU", "kB",
    ]  # fmt: skip
    return report.table(
        head,
        [
            [
                r.name, str(r.clients), f"{r.ours.rate:,.0f}", f"{r.limit.rate:,.0f}", f"{r.share:.2f}",
                f"{r.ours.at(0.5):.2f}", f"{r.ours.at(0.99):.2f}", f"{r.limit.at(0.99):.2f}",
                f"{r.ours.own_ms:.2f} + {r.ours.database_ms:.2f}",
                f"{r.limit.own_ms:.2f} + {r.limit.database_ms:.2f}", f"{r.share_by_cpu:.2f}",
                f"{sum(m.bytes for m in r.ours.rounds) / r.ours.requests / 1000:.1f}",
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
            "all answers. Server, database and client share the cores; the database keeps "
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
    given = parser.parse_args()
    models, rows = measured(given.home, given.rounds, given.seconds, given.only)
    print(describe(models, rows, given.rounds, given.seconds))


if __name__ == "__main__":
    main()
