"""Submissions, claims and completions a second, beside bare SKIP LOCKED claims of the same rows."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from bench import servers
from bench.simulated import Caller, Habits, SimulatedAgent
from civitas.domains.accounts.types import SYSTEM
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.domains.orchestration.dispatch import agents
from civitas.infra.db.database import Database

AGENTS = 100
# Nobody may have more than four workflows under way.
PEOPLE = 240
# Results that an agent tells in one call.
TOGETHER = 8
# Steps of the workflows that have many.
STEPS = 10
CAPABILITY = "promptEnhancement"
OUTPUT = {"enhancedPrompt": "a cat, sharp", "issues": [], "recommendations": []}
BARE = """
UPDATE jobs SET status = 'scheduled'
 WHERE id = ANY(ARRAY(SELECT id FROM jobs WHERE status = 'unassigned' AND capability = %s
                       ORDER BY place, id LIMIT %s FOR UPDATE SKIP LOCKED))
RETURNING id, input
"""

COPIED = {
    "workflows": {
        "id": "'copy' || n", "person_id": "t.person_id", "status": "t.status", "fingerprint": "t.fingerprint",
    },
    "workflow_steps": {
        "workflow_id": "'copy' || n", "position": "0", "name": "'0'", "type": "t.type", "status": "t.status",
        "input": "t.input",
    },
    "jobs": {
        "id": "'copy' || n", "workflow_id": "'copy' || n", "step_id": "t.step_id", "person_id": "t.person_id",
        "number": "n", "status": "'unassigned'", "step_type": "t.step_type", "capability": "t.capability",
        "input": "t.input", "complexity": "t.complexity", "place": "t.place + n",
    },
}  # fmt: skip


@dataclass
class Site:
    """A prepared database: keys of people who submit, tokens of agents."""

    dsn: str
    keys: list[str]
    tokens: list[str]
    # The serving process and the database's, for processor time.
    port: int = 0
    pid: int = 0
    postmaster: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu(self) -> tuple[float, float]:
        """Seconds of processor time so far: serving process, database."""
        return servers.cpu_seconds(self.pid, self.postmaster)


async def prepare(dsn: str) -> Site:
    """People with a key and Buzz, and agents with a token."""
    from tests.factories.accounts import make_key, make_person

    database = Database(dsn)
    site = Site(dsn, [], [])
    async with database.unit() as session:
        entries = []
        for number in range(PEOPLE):
            person = await make_person(session)
            legs = transfer(house(Purpose.MINT, Currency.YELLOW), wallet(person, Currency.YELLOW), 4 * 10**7)
            entries.append(Entry(f"bench:{number}", EntryType.PURCHASE, legs))
            site.keys.append(await make_key(session, person))
        await posting.post_batch(session, entries)
        for number in range(AGENTS):
            site.tokens.append((await agents.make(session, SYSTEM, name=f"agent {number}"))[1])
    await database.close()
    return site


async def submit(site: Site, count: int, *, at_once: int = 16, start: int = 0, steps: int = 1) -> float:
    """Submit workflows of one job, or of so many steps of one job each, over HTTP; how many a second."""
    numbers = iter(range(start, start + count))

    async def one() -> None:
        callers = {key: Caller(site.url, key) for key in site.keys}
        idle: Any = None
        for number in numbers:
            caller = callers[site.keys[number % len(site.keys)]]
            if idle is not None:
                caller._idle.append(idle)
            body = {
                "steps": [
                    {
                        "$type": CAPABILITY,
                        "input": {"ecosystem": "sd1", "prompt": f"a cat, number {number}, take {take}"},
                    }
                    for take in range(steps)
                ]
            }
            await caller.said("/v2/consumer/workflows", body)
            # One connection for all keys: it is the server that is measured.
            idle = caller._idle.pop()
        if idle is not None:
            idle[1].close()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(at_once)))
    return count / (time.perf_counter() - began)


class Fleet:
    """The simulated agents, all in this process."""

    def __init__(self, site: Site, slots: int) -> None:
        habits = Habits((CAPABILITY, f"{CAPABILITY}/*"), slots=slots, wait_s=1)
        self.agents = [SimulatedAgent(site.url, token, habits) for token in site.tokens]
        self.held: list[tuple[SimulatedAgent, dict[str, Any]]] = []

    async def register(self) -> None:
        for agent in self.agents:
            await agent.register()

    async def claim(self, batch: int) -> float:
        """Claim everything that waits and keep it; how many jobs a second."""
        began = last = time.perf_counter()

        async def one(agent: SimulatedAgent) -> None:
            nonlocal last
            while jobs := (await agent.claim(batch, 0.0))["jobs"]:
                last = time.perf_counter()
                self.held += [(agent, job) for job in jobs]

        await asyncio.gather(*(one(agent) for agent in self.agents))
        return len(self.held) / (last - began)

    async def complete(self, batch: int = 1) -> float:
        """Hand in a result for everything that is held, `batch` in one call; how many a second."""
        count = len(self.held)
        said = {"result": {"outcome": "succeeded", "output": OUTPUT, "seconds": 0.5}}
        by_agent: dict[int, list[dict[str, Any]]] = {}
        for agent, job in self.held:
            by_agent.setdefault(id(agent), []).append(job)

        async def one(agent: SimulatedAgent) -> None:
            jobs = by_agent.get(id(agent), [])
            for first in range(0, len(jobs), batch):
                few = jobs[first : first + batch]
                if batch == 1:
                    await agent.caller.said(f"/v2/agents/claims/{few[0]['claim']}/result", said)
                    continue
                heard = await agent.caller.said(
                    "/v2/agents/results", {"results": [{"claim": job["claim"], **said} for job in few]}
                )
                if any(one["status"] != 204 for one in heard["results"]):
                    raise RuntimeError(heard)

        began = time.perf_counter()
        await asyncio.gather(*(one(agent) for agent in self.agents))
        self.held.clear()
        return count / (time.perf_counter() - began)

    def close(self) -> None:
        for agent in self.agents:
            agent.caller.close()


def fill(dsn: str, count: int) -> None:
    """As many waiting jobs more, each of a workflow of its own: copies of one that was submitted."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for table, columns in COPIED.items():
            named = ", ".join(columns)
            connection.execute(
                f"INSERT INTO {table} ({named}) SELECT {', '.join(columns.values())} FROM {table} t,"
                f" generate_series(1, %s) n WHERE t.ctid = (SELECT o.ctid FROM {table} o"
                f" WHERE {'o.id' if table == 'workflows' else 'o.workflow_id'} ="
                " (SELECT workflow_id FROM jobs WHERE status = 'unassigned' ORDER BY id LIMIT 1) LIMIT 1)".encode(),
                (count,),
            )
        connection.execute("VACUUM ANALYZE jobs, job_claims, workflows, workflow_steps")


def empty(dsn: str) -> None:
    """Without the copies."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM workflows WHERE id LIKE 'copy%'")
        connection.execute("VACUUM ANALYZE jobs, job_claims")


def reset(dsn: str) -> None:
    """Put every job that is claimed back into the queue, as if it had never been claimed."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DELETE FROM job_claims WHERE state = 'open'")
        connection.execute(
            "UPDATE jobs SET status = 'unassigned', agent_id = NULL WHERE status = 'scheduled'"
        )
        connection.execute("VACUUM ANALYZE jobs, job_claims")


async def bare(dsn: str, batch: int, connections: int = 8) -> float:
    """The limit: the same rows taken by one bare prepared statement, committed by itself; jobs a second."""
    taken = 0
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        found = await connection.execute("SELECT min(capability) FROM jobs WHERE status = 'unassigned'")
        ((capability,),) = await found.fetchall()

    async def one(connection: psycopg.AsyncConnection[Any]) -> None:
        nonlocal taken
        while rows := await (await connection.execute(BARE, (capability, batch), prepare=True)).fetchall():
            taken += len(rows)

    opened = [await psycopg.AsyncConnection.connect(dsn, autocommit=True) for _ in range(connections)]
    began = time.perf_counter()
    await asyncio.gather(*(one(connection) for connection in opened))
    spent = time.perf_counter() - began
    for connection in opened:
        await connection.close()
    return taken / spent


async def rounds(site: Site, count: int, copies: int, repeat: int) -> list[list[str]]:
    """Every figure `repeat` times, ours and the limit in turn; medians, and the ratio round by round."""
    submissions, many, completions, together = list[float](), list[float](), list[float](), list[float]()
    ours, limits = dict[int, list[float]](), dict[int, list[float]]()
    spent: dict[str, list[float]] = {}

    def note(name: str, before: tuple[float, float], done: int) -> None:
        after = site.cpu()
        spent.setdefault(name, []).append(
            sum(b - a for a, b in zip(before, after, strict=True)) / done * 1000
        )

    for turn in range(repeat):
        before = site.cpu()
        submissions.append(await submit(site, count, start=turn * count))
        note("submit", before, count)
        before = site.cpu()
        many.append(STEPS * await submit(site, count // STEPS, start=(turn + 1) * count, steps=STEPS))
        note("many", before, count // STEPS * STEPS)
        fleet = Fleet(site, slots=1000)
        await fleet.register()
        fill(site.dsn, copies)
        for batch in (1, 8):
            fleet.held.clear()
            reset(site.dsn)
            limits.setdefault(batch, []).append(await bare(site.dsn, batch))
            reset(site.dsn)
            before = site.cpu()
            ours.setdefault(batch, []).append(await fleet.claim(batch))
            note(f"claim {batch}", before, len(fleet.held))
        empty(site.dsn)
        own = [(agent, job) for agent, job in fleet.held if not job["id"].startswith("copy")]
        # Half alone, half together, told by as many agents at once.
        own.sort(key=lambda one: id(one[0]))
        fleet.held, rest = own[::2], own[1::2]
        before, held = site.cpu(), len(fleet.held)
        completions.append(await fleet.complete())
        note("complete", before, held)
        fleet.held = rest
        before, held = site.cpu(), len(rest)
        together.append(await fleet.complete(TOGETHER))
        note("together", before, held)
        fleet.close()
        print(turn, submissions[-1], {k: v[-1] for k, v in ours.items()}, {k: v[-1] for k, v in limits.items()},
              completions[-1], flush=True)  # fmt: skip
    return _rows(submissions, many, ours, limits, completions, together, spent)


def _rows(
    submissions: Sequence[float],
    many: Sequence[float],
    ours: dict[int, list[float]],
    limits: dict[int, list[float]],
    completions: Sequence[float],
    together: Sequence[float],
    spent: dict[str, list[float]],
) -> list[list[str]]:
    def row(told: str, mine: Sequence[float], batch: int, name: str) -> list[str]:
        ratio = statistics.median(m / t for m, t in zip(mine, limits[batch], strict=True))
        return [
            told,
            f"{statistics.median(mine):,.0f}",
            f"{statistics.median(limits[batch]):,.0f}",
            f"{ratio:.2f}",
            f"{statistics.median(spent[name]):.2f} ms",
        ]

    return [
        row("claims, one at a time", ours[1], 1, "claim 1"),
        row("claims, up to eight at a time", ours[8], 8, "claim 8"),
        row("submissions of one job (HTTP, 16 at once)", submissions, 1, "submit"),
        row(f"jobs submitted in workflows of {STEPS} steps", many, 1, "many"),
        row("completions of one job, which end a workflow", completions, 1, "complete"),
        row(f"the same, up to {TOGETHER} told in one call", together, 1, "together"),
    ]
