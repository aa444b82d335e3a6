"""Orchestration: an echo from submission to result, work a second, callbacks in order, many who wait, kills at random.

    python -m bench.orchestration [--jobs 200] [--copies 1000] [--rounds 2] [--events 500] [--waiting 100] [--storm 8]

The sizes as given take some three minutes; larger ones say the same with less chance in it.

One serving process, one background process, one embedded PostgreSQL, the simulated agents in the bench's own process.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import psycopg

from bench import dispatching, faults, report, servers
from bench.dispatching import CAPABILITY, Fleet, Site
from bench.instance import free_port
from bench.simulated import Caller
from civitas.app import schema, wiring
from civitas.infra.db.embedded import EmbeddedServer
from civitas.infra.db.settings import DatabaseSettings

# The longest that may be waited.
WAIT_S = 100


def environment(dsn: str, home: Path) -> dict[str, str]:
    """What the processes of the site are told."""
    return {
        "DATABASE_URL": dsn,
        "CIVITAS_HOME": str(home),
        "CIVITAS_SECRET_KEY": "a secret of this bench, 32 letters",
        "CIVITAS_LIMITS__ENABLED": "false",
        "CIVITAS_TELEMETRY__LOG_LEVEL": "error",
        # Agents of the bench send no heartbeats while they hold thousands of jobs.
        "CIVITAS_AGENTS__LEASE_S": "3600",
        "CIVITAS_AGENTS__NO_PROVIDER_S": "3600",
        "CIVITAS_CALLBACKS__DEVELOPMENT_HOSTS": '["127.0.0.1"]',
        "CIVITAS_CALLBACKS__AT_ONCE_PER_HOST": "64",
    }


async def echoes(site: Site, count: int, at_once: int) -> list[str]:
    """Milliseconds from submitting an echo to having its result in hand, in one request that waits."""
    taken: list[float] = []
    numbers = iter(range(count))

    async def one(seat: int) -> None:
        caller = Caller(site.url, site.keys[seat])
        for number in numbers:
            body = {"steps": [{"$type": "echo", "input": {"message": f"{seat}-{number}"}}]}
            began = time.perf_counter()
            found = await caller.said("/v2/consumer/workflows?wait=30", body)
            taken.append((time.perf_counter() - began) * 1000)
            if found["status"] != "succeeded":
                raise RuntimeError(found)
        caller.close()

    before, began = site.cpu(), time.perf_counter()
    await asyncio.gather(*(one(seat) for seat in range(at_once)))
    spent = time.perf_counter() - began
    cuts = statistics.quantiles(taken, n=100)
    cpu = sum(site.cpu()) - sum(before)
    return [
        str(at_once),
        f"{cuts[49]:.0f} ms",
        f"{cuts[98]:.0f} ms",
        f"{count / spent:,.0f}",
        f"{cpu / count * 1000:.1f} ms",
    ]


class Receiver:
    """Hears callbacks over HTTP/1.1 and refuses a fifth of them, none more than three times."""

    def __init__(self, seed: int = 1) -> None:
        self.luck = random.Random(seed)
        self.heard: dict[str, list[str]] = defaultdict(list)
        self.refused: Counter[str] = Counter()
        self.answered = 0
        self.port = 0
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                body = orjson.loads(await reader.readexactly(int(headers["content-length"])))
                id = headers["webhook-id"]
                self.answered += 1
                if self.refused[id] < 3 and self.luck.random() < 0.2:
                    self.refused[id] += 1
                    writer.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
                else:
                    self.heard[body["workflowId"]].append(id)
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        except (EOFError, OSError):
            writer.close()


async def webhooks(site: Site, events: int, patience_s: float = 420) -> list[list[str]]:
    """`events` callbacks of many workflows to a receiver that refuses a fifth: what came, in which order, how long."""
    receiver = Receiver()
    await receiver.open()
    steps = [{"$type": "echo", "input": {"message": str(n)}} for n in range(4)]
    url = f"http://127.0.0.1:{receiver.port}/"
    # Workflow and four steps: unassigned once, ended once, each.
    count = events // 10
    began = time.perf_counter()

    async def one(seat: int) -> None:
        caller = Caller(site.url, site.keys[seat])
        for number in range(seat, count, 8):
            callbacks = [{"url": url, "type": ["workflow:*", "step:*"]}]
            await caller.said(
                "/v2/consumer/workflows", {"steps": steps, "callbacks": callbacks, "metadata": {"n": number}}
            )
        caller.close()

    await asyncio.gather(*(one(seat) for seat in range(8)))
    submitted = time.perf_counter() - began
    async with await psycopg.AsyncConnection.connect(site.dsn, autocommit=True) as connection:
        left = 1
        while left and time.perf_counter() - began < patience_s:
            await asyncio.sleep(0.5)
            found = await connection.execute(
                "SELECT count(*) FROM callback_deliveries WHERE state = 'waiting'"
            )
            left = (await found.fetchall())[0][0]
        spent = time.perf_counter() - began
        found = await connection.execute(
            "SELECT workflow_id, message_id::text, state FROM callback_deliveries ORDER BY workflow_id, number"
        )
        sent = await found.fetchall()
    await receiver.close()
    true: dict[str, list[str]] = defaultdict(list)
    for workflow, message, _ in sent:
        true[workflow].append(message)
    plain = {
        workflow: [id.removeprefix("msg_").replace("-", "") for id in ids]
        for workflow, ids in receiver.heard.items()
    }
    wanted = {workflow: [id.replace("-", "") for id in ids] for workflow, ids in true.items()}
    lost = sum(len(set(ids) - set(plain.get(workflow, ()))) for workflow, ids in wanted.items())
    out_of_order = sum(_first_seen(plain.get(workflow, [])) != ids for workflow, ids in wanted.items())
    twice = sum(len(ids) - len(set(ids)) for ids in plain.values())
    return [
        ["events", f"{len(sent):,} of {count:,} workflows"],
        ["requests that the receiver answered, of them refused", f"{receiver.answered:,}, {sum(receiver.refused.values()):,}"],
        ["lost", str(lost)],
        ["workflows told out of order", str(out_of_order)],
        ["events that came twice (allowed; goal none)", str(twice)],
        ["submitting, until everything had arrived", f"{submitted:.0f} s, {spent:.0f} s"],
    ]  # fmt: skip


def _first_seen(ids: list[str]) -> list[str]:
    return list(dict.fromkeys(ids))


async def waiting(site: Site, count: int) -> list[list[str]]:
    """`count` requests that wait for workflows nobody works on yet; then everything ends at once."""
    ids: list[tuple[str, str]] = []
    for number in range(count):
        key = site.keys[number % len(site.keys)]
        caller = Caller(site.url, key)
        body = {
            "steps": [{"$type": CAPABILITY, "input": {"ecosystem": "sd1", "prompt": f"patience {number}"}}]
        }
        ids.append((key, (await caller.said("/v2/consumer/workflows", body))["id"]))
        caller.close()
    memory = _resident(site.pid)
    ended: list[float] = []

    async def wait(key: str, id: str) -> None:
        caller = Caller(site.url, key)
        status, body = await caller.call("GET", f"/v2/consumer/workflows/{id}?wait={WAIT_S}", b"")
        found = orjson.loads(body)
        if status != 200 or found["status"] != "succeeded":
            raise RuntimeError(body[:500])
        ended.append(time.time() - datetime.fromisoformat(found["completedAt"]).timestamp())
        caller.close()

    tasks = [asyncio.create_task(wait(key, id)) for key, id in ids]
    await asyncio.sleep(5)
    arrived = 5 + await _calm(site)
    held = [await _connections(site.dsn) for _ in range(20)]
    grown = _resident(site.pid) - memory
    meanwhile = await echoes(site, 40, 1)
    fleet = Fleet(site, slots=1000)
    await fleet.register()
    await fleet.claim(8)
    over = time.perf_counter()
    await fleet.complete()
    finished = time.perf_counter() - over
    await asyncio.gather(*tasks)
    fleet.close()
    cuts = statistics.quantiles(ended, n=100)
    return [
        ["all had arrived and were waiting after", f"{arrived:.0f} s"],
        ["memory of the serving process for them", f"{grown / 1000:.0f} MB ({grown / count:.0f} KB each)"],
        ["database connections in use meanwhile (20 looks: median, most)", f"{statistics.median(held):.0f}, {max(held)}"],
        ["an echo meanwhile (p50, p99)", f"{meanwhile[1]}, {meanwhile[2]}"],
        ["all work handed in by 100 agents within", f"{finished:.1f} s"],
        ["answered after its workflow ended (p50, p99)", f"{cuts[49]:.1f} s, {cuts[98]:.1f} s"],
    ]  # fmt: skip


async def _calm(site: Site) -> float:
    """Wait until everybody has been taken in: ten looks in a row find no more than the one look for all; how long."""
    began, quiet = time.perf_counter(), 0
    while quiet < 10 and time.perf_counter() - began < WAIT_S * 0.7:
        quiet = quiet + 1 if await _connections(site.dsn) <= 1 else 0
    return time.perf_counter() - began


async def _connections(dsn: str) -> int:
    """Connections of others that are in a statement or a transaction this moment."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        found = await connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state <> 'idle' AND pid <> pg_backend_pid() AND application_name LIKE 'civitas%'"
        )
        number: int = (await found.fetchall())[0][0]
    await asyncio.sleep(0.1)
    return number


def _resident(pid: int) -> float:
    """Resident memory in KB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1])
    raise RuntimeError("the serving process is gone")


@contextmanager
def background(env: dict[str, str]) -> Iterator[None]:
    """A background process."""
    command = [sys.executable, "-m", "civitas.app.main", "background"]
    process = subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def site_of_bench(home: Path) -> Iterator[tuple[Site, dict[str, str]]]:
    """A serving process on a server of its own, and what a background process beside it is told."""
    wiring.wire()
    home.chmod(0o755)
    server = EmbeddedServer(home / "home", DatabaseSettings(shared_buffers_mb=512))
    try:
        dsn = server.start().dsn
        schema.upgrade(dsn)
        site = asyncio.run(dispatching.prepare(dsn))
        env = environment(dsn, home / "site")
        site.port, site.postmaster = free_port(), server._postmaster() or 0
        with servers.child(["product"], env, site.port) as site.pid:
            asyncio.run(echoes(site, 40, 4))
            yield site, env
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def run(
    jobs: int = 200,
    copies: int = 1000,
    turns: int = 2,
    events: int = 500,
    patient: int = 100,
    storm_s: float = 8,
    only: str | None = None,
) -> None:
    """Measure and write the sections, or one of them."""
    if only in (None, "work"):
        load = [os.getloadavg()[0]]
        with site_of_bench(Path(tempfile.mkdtemp(prefix="civitas-bench-"))) as (site, env):
            echo = [asyncio.run(echoes(site, 100, 1)), asyncio.run(echoes(site, 200, 16))]
            print(echo, flush=True)
            work = asyncio.run(dispatching.rounds(site, jobs, copies, turns))
            load.append(os.getloadavg()[0])
            with background(env):
                told = asyncio.run(webhooks(site, events))
            print(told, flush=True)
        load.append(os.getloadavg()[0])
        seed = random.randrange(10**6)
        outcome = faults.storm(storm_s, 8, int(storm_s * 5), seed)
        load.append(os.getloadavg()[0])
        report.write("Orchestration", _body(echo, work, told, outcome, load, storm_s, seed))
    if only in (None, "waiting"):
        with site_of_bench(Path(tempfile.mkdtemp(prefix="civitas-bench-"))) as (site, _):
            patience = asyncio.run(waiting(site, patient))
        told_of = (
            f"{patient:,} requests with `wait={WAIT_S}` in one serving process, all at once, for workflows that nobody works on; "
            f"then all the work is done. The load was {os.getloadavg()[0]:.0f}.\n\n"
        )
        report.write("Orchestration: many who wait", told_of + report.table(["what", "figure"], patience))


def _body(
    echo: list[list[str]],
    work: list[list[str]],
    told: list[list[str]],
    outcome: faults.Outcome,
    load: list[float],
    storm_s: float,
    seed: int,
) -> str:
    parts = [
        f"The load of the machine meanwhile was {min(load):.0f} to {max(load):.0f}; where it is high, rates and latencies "
        "are far from those of an idle one, on both sides; processor time and ratios are what to look at. One serving process, "
        "one embedded PostgreSQL, and the bench's own process with 100 simulated agents over HTTP. The limit is one bare, "
        "prepared SKIP LOCKED statement over the same rows, 8 connections, nothing else; each round measures both in turn.",
        report.table(["echo, submit to result; at once", "p50", "p99", "a second", "processor time each"], echo),
        report.table(["what", "a second", "limit a second", "ratio (median of rounds)", "processor time, all"], work),
        f"Callbacks to a receiver that refuses a fifth of what it is told:\n\n{report.table(['what', 'figure'], told)}",
        _storm_words(outcome, storm_s, seed),
    ]  # fmt: skip
    return "\n\n".join(parts)


def _storm_words(outcome: faults.Outcome, storm_s: float, seed: int) -> str:
    def counted(found: dict[str, Any]) -> str:
        return ", ".join(f"{count} {name}" for name, count in found.items())

    laws = "every law held" if not outcome.broken else "BROKEN: " + "; ".join(outcome.broken)
    return (
        f"Kills at random (SIGKILL) for {storm_s:.0f} s under load, seed {seed}: {counted(outcome.deaths)}. Workflows: "
        f"{counted(outcome.workflows)}; claims: {counted(outcome.claims)}. Everything had ended {outcome.settled_s:.0f} s "
        f"after the last kill, and {laws}: every workflow ended, one winner a job at most, one try of each job succeeded at "
        "most, bytes for every slot, no hold left open, the ledger sound in all its laws."
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--copies", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--waiting", type=int, default=100)
    parser.add_argument("--storm", type=float, default=8)
    parser.add_argument("--only", choices=("work", "waiting"))
    given = parser.parse_args()
    run(given.jobs, given.copies, given.rounds, given.events, given.waiting, given.storm, given.only)


if __name__ == "__main__":
    main()
