"""Kills at random under load: agents, serving and background processes die by SIGKILL and come back, and afterwards
every workflow has ended, the ledger sums to zero, and nothing was delivered twice.

    python -m bench.faults [--seconds 120] [--agents 8] [--workflows 2000]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from bench.instance import free_port
from civitas.app import schema, wiring
from civitas.contracts.agent_rules import AgentRules
from civitas.domains.accounts.types import SYSTEM, Actor, Scope
from civitas.domains.buzz.ledger import auditing, posting
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.domains.orchestration import submitting
from civitas.domains.orchestration.dispatch import agents
from civitas.domains.orchestration.errors import QueueFull
from civitas.domains.orchestration.templates import StepTemplate, Template
from civitas.infra.db.database import Database
from civitas.infra.db.embedded import EmbeddedServer
from civitas.infra.db.settings import DatabaseSettings

PEOPLE = 40
# Leases are short, so that what a dead agent had is somebody else's before the patience of a test is over.
RULES = AgentRules(heartbeat_s=0.5, lease_s=2, second_chance_s=0.5)


@dataclass
class Child:
    """A process that is killed and started again."""

    name: str
    command: list[str]
    env: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0

    def start(self) -> None:
        """Start it, for the first time or again."""
        self.process = subprocess.Popen(
            self.command,
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """SIGKILL: nothing is said, nothing is finished."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.deaths += 1


@dataclass
class Outcome:
    """What was left after the storm."""

    workflows: dict[str, int] = field(default_factory=dict)
    jobs: dict[str, int] = field(default_factory=dict)
    claims: dict[str, int] = field(default_factory=dict)
    deaths: dict[str, int] = field(default_factory=dict)
    settled_s: float = 0.0
    # Laws that were broken, in words; none is the point of it all.
    broken: list[str] = field(default_factory=list)


LAWS = {
    "a workflow, step or job is still open": """
        SELECT id FROM workflows WHERE completed_at IS NULL
         UNION ALL SELECT id::text FROM workflow_steps WHERE completed_at IS NULL
         UNION ALL SELECT id FROM jobs WHERE completed_at IS NULL""",
    "a job has more than one winner": """
        SELECT job_id FROM job_claims WHERE state = 'won' GROUP BY job_id HAVING count(*) > 1""",
    "a job succeeded without a winner, or has one and did not succeed": """
        SELECT j.id FROM jobs j
         WHERE (j.status = 'succeeded') <> EXISTS (SELECT FROM job_claims c WHERE c.job_id = j.id AND c.state = 'won')""",
    "two tries of a job succeeded": """
        SELECT step_id::text FROM jobs WHERE status = 'succeeded' GROUP BY step_id, number HAVING count(*) > 1""",
    "a claim is still open": "SELECT job_id FROM job_claims WHERE state = 'open'",
    "a job that succeeded lacks bytes": """
        SELECT j.id FROM jobs j, unnest(j.slots) slot JOIN orchestration_blobs b ON b.id = slot
         WHERE j.status = 'succeeded' AND b.storage_key IS NULL""",
    "two blobs share their bytes' place": """
        SELECT storage_key FROM orchestration_blobs WHERE storage_key IS NOT NULL
         GROUP BY storage_key HAVING count(*) > 1""",
    "a workflow captured more than it reserved": "SELECT id FROM workflows WHERE captured > reserved",
    "a hold of an ended workflow is open": """
        SELECT key FROM buzz_holds WHERE key LIKE 'workflow:%' AND status = 'open'""",
    "something is held for nobody": """
        SELECT a.id::text FROM buzz_accounts a WHERE a.purpose = 'held' AND a.balance <> 0
           AND NOT EXISTS (SELECT FROM buzz_holds h WHERE h.person_id = a.person_id AND h.status = 'open')""",
}


class Storm:
    """A site of several processes on one database, simulated agents, people who submit, and random kills."""

    def __init__(self, dsn: str, home: Path, *, agent_count: int, seed: int) -> None:
        self.dsn, self.home, self.luck = dsn, home, random.Random(seed)
        self.database = Database(dsn)
        self.ports = [free_port(), free_port()]
        self.agent_count = agent_count
        self.children: list[Child] = []
        self.people: list[Actor] = []
        self.model = ""
        self.submitted = 0

    async def prepare(self) -> None:
        """People with Buzz, tokens for agents, and the processes, started."""
        from tests.factories.workflows import make_air

        tokens = []
        async with self.database.unit() as session:
            self.model, _ = await make_air(session)
            for number in range(PEOPLE):
                self.people.append(await _person(session, number))
            for number in range(self.agent_count):
                tokens.append((await agents.make(session, SYSTEM, name=f"agent {number}"))[1])
        env = {
            **os.environ,
            "DATABASE_URL": self.dsn,
            "CIVITAS_HOME": str(self.home),
            "CIVITAS_SECRET_KEY": "a secret of this storm, 32 letters",
            "CIVITAS_TELEMETRY__LOG_LEVEL": "error",
            "CIVITAS_AGENTS__HEARTBEAT_S": str(RULES.heartbeat_s),
            "CIVITAS_AGENTS__LEASE_S": str(RULES.lease_s),
            "CIVITAS_AGENTS__SECOND_CHANCE_S": str(RULES.second_chance_s),
        }
        for port in self.ports:
            serve = [sys.executable, "-m", "bench.servers", "product", "--port", str(port)]
            self.children.append(Child("web", serve, env))
        background = [sys.executable, "-m", "civitas.app.main", "background"]
        self.children.append(Child("background", background, env))
        for number, token in enumerate(tokens):
            command = [sys.executable, "-m", "bench.simulated", "--token", token, "--progress"]
            command += ["--server", f"http://127.0.0.1:{self.ports[number % 2]}", "--slots", "4"]
            command += ["--capabilities", "textToImage/*,promptEnhancement/*,promptEnhancement"]
            command += ["--seconds", "0.1", "--fails", "0.05", "--rejects", "0.05"]
            self.children.append(Child("agent", command, env))
        for child in self.children:
            child.start()
        await self._up()

    async def _up(self) -> None:
        """Wait until every agent has found its web process."""
        for _ in range(1200):
            async with self.database.reading() as session:
                entries = await agents.listed(session, SYSTEM)
            if all(entry.registered_at for entry in entries):
                return
            await asyncio.sleep(0.1)
        raise RuntimeError("the site did not come up")

    async def submit(self, workflows: int, pause: Callable[[], float]) -> None:
        """Submit so many workflows, one after the other."""
        while self.submitted < workflows:
            try:
                async with self.database.unit() as session:
                    await submitting.submit(session, self.luck.choice(self.people), self._template())
                self.submitted += 1
            except QueueFull:
                pass
            await asyncio.sleep(pause())

    def _template(self) -> Template:
        number = self.luck.randrange(10**9)
        draw = StepTemplate(
            "textToImage",
            {
                "model": self.model,
                "prompt": f"a cat, number {number}",
                "seed": number,
                "quantity": self.luck.choice((1, 1, 2, 3)),
                "cfgScale": 7,
            },
            "draw",
            retries=3,
        )
        words = StepTemplate("promptEnhancement", {"ecosystem": "sd1", "prompt": f"a dog, {number}"}, "words")
        after = StepTemplate("echo", {"message": {"$ref": "draw", "path": "output.images[0].id"}}, "after")
        return Template(self.luck.choice(((draw,), (words,), (draw, after), (draw, words))))

    async def rage(self, seconds: float, every_s: float) -> None:
        """Kill one of the processes at random again and again; it is started again a moment later."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(self.luck.uniform(0.5, 1.5) * every_s)
            # A web process takes seconds to start: killed as often as all the others it would never be there.
            child = self.luck.choice(self.children[:3] if self.luck.random() < 0.2 else self.children[3:])
            child.kill()
            await asyncio.sleep(self.luck.uniform(0, 0.5))
            child.start()

    async def settle(self, patience_s: float) -> float:
        """Wait until everything has ended; how long it took. What has not after `patience_s` is a broken law."""
        began = time.monotonic()
        for child in self.children:
            if child.process is None or child.process.poll() is not None:
                child.start()
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            while time.monotonic() - began < patience_s:
                cursor = await connection.execute("SELECT count(*) FROM workflows WHERE completed_at IS NULL")
                row = await cursor.fetchone()
                if row is not None and row[0] == 0:
                    break
                await asyncio.sleep(0.2)
        return time.monotonic() - began

    def stop(self) -> None:
        """End every process."""
        for child in self.children:
            if child.process is not None and child.process.poll() is None:
                child.process.kill()
                child.process.wait()

    async def verdict(self) -> Outcome:
        """Look at what is left against every law."""
        made = Outcome()
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            for law, statement in LAWS.items():
                rows = await (await connection.execute(statement.encode())).fetchall()
                if rows:
                    made.broken.append(f"{law}: {len(rows)}, such as {rows[0][0]}")
            for name, table in (("workflows", "workflows"), ("jobs", "jobs"), ("claims", "job_claims")):
                column = "state" if table == "job_claims" else "status"
                cursor = await connection.execute(
                    f"SELECT {column}, count(*) FROM {table} GROUP BY 1 ORDER BY 1".encode()
                )
                getattr(made, name).update({row[0]: row[1] for row in await cursor.fetchall()})
        async with self.database.reading() as session:
            audit = await auditing.audit(session)
        if not audit.sound:
            made.broken.append(f"the ledger: {audit.findings[:3]}")
        if sum(made.workflows.values()) != self.submitted:
            made.broken.append(f"{self.submitted} were submitted, {sum(made.workflows.values())} are there")
        for child in self.children:
            made.deaths[child.name] = made.deaths.get(child.name, 0) + child.deaths
        return made


async def _person(session: Any, number: int) -> Actor:
    from tests.factories.accounts import make_person

    person = await make_person(session)
    legs = transfer(house(Purpose.MINT, Currency.YELLOW), wallet(person, Currency.YELLOW), 4 * 10**7)
    await posting.post(session, Entry(f"storm:{number}", EntryType.PURCHASE, legs))
    return Actor(
        id=person, username=f"person{number}", scopes=Scope.FULL, via="session", verified=True, onboarded=True
    )


async def weather(
    dsn: str,
    home: Path,
    *,
    agent_count: int = 4,
    workflows: int = 150,
    seconds: float = 20,
    every_s: float = 0.7,
    patience_s: float = 60,
    seed: int = 1,
) -> Outcome:
    """One storm on a database of its own that is migrated: the laws, and figures."""
    storm = Storm(dsn, home, agent_count=agent_count, seed=seed)
    try:
        await storm.prepare()
        await asyncio.gather(
            storm.submit(workflows, lambda: storm.luck.uniform(0, 1.8) * seconds / workflows),
            storm.rage(seconds, every_s),
        )
        settled = await storm.settle(patience_s)
        made = await storm.verdict()
        made.settled_s = settled
        return made
    finally:
        storm.stop()
        await storm.database.close()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--agents", type=int, default=8)
    parser.add_argument("--workflows", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    print(storm(given.seconds, given.agents, given.workflows, given.seed))


def storm(seconds: float, agent_count: int, workflows: int, seed: int) -> Outcome:
    """A storm over a server of its own."""
    wiring.wire()
    home = Path(tempfile.mkdtemp(prefix="civitas-storm-"))
    home.chmod(0o755)
    server = EmbeddedServer(home / "home", DatabaseSettings(shared_buffers_mb=256))
    try:
        dsn = server.start().dsn
        schema.upgrade(dsn)
        return asyncio.run(
            weather(
                dsn,
                home / "site",
                agent_count=agent_count,
                workflows=workflows,
                seconds=seconds,
                patience_s=240,
                seed=seed,
            )
        )
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
