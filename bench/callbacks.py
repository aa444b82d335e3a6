"""Callbacks: ten thousand events to receivers of which a fifth of the answers fail: how fast, and whether in order.

    python -m bench.callbacks [--events 10000] [--workflows 200] [--failing 0.2]

Everything is real but the network: a PostgreSQL of its own, the courier as background processes run it, receivers on
loopback, and pauses that are shorter than the product's, so that it ends. The same events with no failure show what
sending itself takes.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from sqlalchemy import func, select, text

from bench import report
from civitas.app import schema, wiring
from civitas.domains.orchestration import callbacks
from civitas.domains.orchestration.callback_tables import CallbackDelivery
from civitas.domains.orchestration.delivering import addresses
from civitas.domains.orchestration.delivering.signing import CallbackKey
from civitas.domains.orchestration.delivering.tasks import Courier
from civitas.domains.orchestration.media.links import MediaLinks
from civitas.domains.orchestration.tables import Workflow
from civitas.domains.orchestration.types import Status
from civitas.infra.db.database import Database
from civitas.infra.db.embedded import EmbeddedServer
from civitas.infra.outbound.guard import CallbackClient, OutboundSettings
from civitas.infra.outbound.settings import CallbackSettings
from civitas.infra.queue.context import TaskContext
from civitas.kit import clock

HOST = "receiver.test"
# The product waits 1, 5, 30 seconds ...; here it is the order that is looked at, and not the patience.
PAUSES = [0.05, 0.1, 0.2]
SECRET = b"a secret of the benchmark, 32 by"


@dataclass
class Receiver:
    """Answers at random, and keeps what it took in order."""

    failing: float
    chance: random.Random
    took: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    asked: int = 0
    repeated: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI."""
        raw, more = b"", True
        while more:
            message = await receive()
            raw += message.get("body", b"")
            more = message.get("more_body", False)
        self.asked += 1
        status = 500 if self.chance.random() < self.failing else 200
        if status == 200:
            number = int(orjson.loads(raw)["timestamp"][-4:-1])
            self.took[scope["path"]].append(number)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def _loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


async def _noted(database: Database, port: int, workflows: int, events: int) -> None:
    """Workflows that have each come through so many states."""
    async with database.unit() as session:
        person = await session.scalar(
            text("INSERT INTO people (username, username_folded) VALUES (:name, :name) RETURNING id"),
            {"name": f"bench{time.time_ns()}"},
        )
    start = clock.now().replace(microsecond=0)
    for number in range(workflows):
        async with database.unit() as session:
            workflow = Workflow(
                id=f"wf_{time.time_ns()}_{number}",
                person_id=person,
                fingerprint=b"bench",
                callbacks=[{"url": f"http://{HOST}:{port}/{number}", "type": ["workflow:*"]}],
            )
            session.add(workflow)
            await session.flush()
            for event in range(events):
                await callbacks.note(
                    session,
                    workflow=workflow,
                    scope="workflow",
                    status=Status.PROCESSING,
                    at=start.replace(microsecond=event * 1000),
                )


async def _measure(dsn: str, *, events: int, workflows: int, failing: float) -> dict[str, Any]:
    database, receiver = Database(dsn), Receiver(failing, random.Random(7))
    server = uvicorn.Server(
        uvicorn.Config(
            receiver, host="127.0.0.1", port=0, log_level="error", lifespan="off", access_log=False
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    settings = CallbackSettings(development_hosts=[HOST], at_once_per_host=64, pauses_s=PAUSES)
    ports = {
        CallbackSettings: settings,
        CallbackClient: CallbackClient(OutboundSettings(frozenset({HOST})), _loopback, settings.timeout_s),
        CallbackKey: CallbackKey(SECRET),
        MediaLinks: MediaLinks.derived(SECRET),
    }
    per = events // workflows
    noting = time.perf_counter()
    with addresses.using({HOST}):
        await _noted(database, port, workflows, per)
    noting = time.perf_counter() - noting
    began = time.perf_counter()
    while True:
        await Courier(TaskContext(database, ports)).run()
        async with database.reading() as session:
            left = await session.scalar(select(func.count()).where(CallbackDelivery.state == "waiting"))
        if not left:
            break
        await asyncio.sleep(0.05)
    took = time.perf_counter() - began
    server.should_exit = True
    await serving
    await database.close()
    in_order = sum(numbers == list(range(per)) for numbers in receiver.took.values())
    arrived = [len(numbers) for numbers in receiver.took.values()]
    return {
        "noted": workflows * per / noting,
        "seconds": took,
        "rate": receiver.asked / took,
        "tries": receiver.asked,
        "arrived": sum(arrived),
        "in_order": in_order,
        "workflows": len(arrived),
        "each": statistics.mean(arrived),
    }


def run() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--workflows", type=int, default=200)
    parser.add_argument("--failing", type=float, default=0.2)
    chosen, _ = parser.parse_known_args()
    wiring.wire()
    rows = []
    with tempfile.TemporaryDirectory(prefix="civitas-bench-") as home:
        Path(home).chmod(0o755)
        server = EmbeddedServer(Path(home))
        dsn = server.start().dsn
        try:
            schema.upgrade(dsn)
            for failing in (0.0, chosen.failing):
                found = asyncio.run(
                    _measure(dsn, events=chosen.events, workflows=chosen.workflows, failing=failing)
                )
                rows.append(
                    [
                        f"{failing:.0%}",
                        f"{found['tries']:,}",
                        f"{found['arrived']:,}",
                        f"{found['in_order']} of {found['workflows']}",
                        f"{found['seconds']:.1f} s",
                        f"{found['rate']:,.0f} a second",
                        f"{found['noted']:,.0f} a second",
                    ]
                )
        finally:
            server.stop()
    head = [
        "answers that fail",
        "tries",
        "arrived",
        "chains in order, nothing lost",
        "until all had arrived",
        "tries",
        "noted",
    ]
    told = (
        f"{chosen.events:,} events of {chosen.workflows} workflows, noted one by one, then sent by one courier (64 at once) to "
        f"receivers on loopback in the same process. A failed try is repeated after {', '.join(map(str, PAUSES))} s, and holds "
        "back what comes after it for the same address.\n\n"
    )
    report.write("Callbacks", told + report.table(head, rows))


if __name__ == "__main__":
    run()
