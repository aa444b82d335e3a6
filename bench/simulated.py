"""A simulated agent: speaks the protocol of agents over HTTP and does no work. For figures, and for tests that kill it.

    python -m bench.simulated --server http://127.0.0.1:8000 --token civa_... [--slots 4] [--seconds 0.05]

runs one until it is killed or drained.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import random
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000100000001080600000"
    "01f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)


class Refused(Exception):
    """An answer that is no success; the status and the problem's code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


@dataclass
class Caller:
    """A small HTTP/1.1 client: connections are kept, answers are read whole, nothing is asked twice."""

    server: str
    token: str
    _idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=deque)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        place = urlsplit(self.server)
        pair = (
            self._idle.pop()
            if self._idle
            else await asyncio.open_connection(place.hostname, place.port, limit=2**26)
        )
        whole = False
        try:
            yield pair
            whole = True
        finally:
            if whole:
                self._idle.append(pair)
            else:
                pair[1].close()

    async def call(
        self, method: str, path: str, body: bytes, media_type: str = "application/json"
    ) -> tuple[int, bytes]:
        """Status and body. Raises OSError, EOFError."""
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: agents.test\r\nauthorization: Bearer {self.token}\r\n"
            f"content-type: {media_type}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        async with self._connection() as (reader, writer):
            writer.write(head.encode() + body)
            told = (await reader.readuntil(b"\r\n\r\n")).lower()
            at = told.find(b"content-length: ") + 16
            length = int(told[at : told.index(b"\r", at)]) if at > 15 else 0
            return int(told[9:12]), await reader.readexactly(length) if length else b""

    async def said(self, path: str, words: dict[str, Any]) -> Any:
        """POST JSON and read JSON. Raises Refused."""
        status, body = await self.call("POST", path, orjson.dumps(words))
        return _read(status, body)

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop()[1].close()


def _read(status: int, body: bytes) -> Any:
    if status >= 300:
        try:
            code = orjson.loads(body).get("code", "")
        except ValueError:
            code = body[:100].decode(errors="replace")
        raise Refused(status, code)
    return orjson.loads(body) if body else None


@dataclass
class Habits:
    """How a simulated agent behaves; shares are of jobs."""

    capabilities: tuple[str, ...] = ("*",)
    slots: int = 4
    # How many it asks for at once; None: as many as are free.
    batch: int | None = None
    seconds: float = 0.0
    progress: bool = False
    fails: float = 0.0
    rejects: float = 0.0
    wait_s: float = 5.0


@dataclass
class Tally:
    """What an agent did."""

    claimed: int = 0
    done: int = 0
    failed: int = 0
    rejected: int = 0
    lost: int = 0


@dataclass
class SimulatedAgent:
    """Claims while it has room, answers every job, and never stops for errors of the other side."""

    server: str
    token: str
    habits: Habits
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.caller = Caller(self.server, self.token)
        self.running: dict[int, asyncio.Task[None]] = {}
        self._room = asyncio.Event()

    async def register(self) -> dict[str, Any]:
        """Say what it can do."""
        said = {
            "name": "simulated",
            "capabilities": list(self.habits.capabilities),
            "slots": self.habits.slots,
        }
        found: dict[str, Any] = await self.caller.said("/v2/agents/register", said)
        return found

    async def claim(self, free: int, wait_s: float) -> dict[str, Any]:
        """Ask for jobs."""
        found: dict[str, Any] = await self.caller.said("/v2/agents/claims", {"free": free, "waitS": wait_s})
        return found

    async def run(self) -> None:
        """Work until cancelled or drained."""
        rules = await self._until_answered(self.register)
        beating = asyncio.create_task(self._beat(float(rules["heartbeatS"])))
        try:
            while True:
                free = self.habits.slots - len(self.running)
                if free <= 0:
                    self._room.clear()
                    await self._room.wait()
                    continue
                found = await self._until_answered(
                    lambda free=free: self.claim(min(free, self.habits.batch or free), self.habits.wait_s)
                )
                self.tally.claimed += len(found["jobs"])
                for job in found["jobs"]:
                    task = asyncio.create_task(self._work(job))
                    self.running[job["claim"]] = task
                    task.add_done_callback(lambda _, claim=job["claim"]: self._over(claim))
                if found["wish"] == "drain":
                    await asyncio.gather(*self.running.values(), return_exceptions=True)
                    return
        finally:
            beating.cancel()
            for task in list(self.running.values()):
                task.cancel()
            self.caller.close()

    def _over(self, claim: int) -> None:
        self.running.pop(claim, None)
        self._room.set()

    async def _until_answered(self, ask: Any) -> dict[str, Any]:
        while True:
            try:
                found: dict[str, Any] = await ask()
                return found
            except Refused as refused:
                if refused.code == "not_registered":
                    await self.register()
                elif refused.status < 500 and refused.status != 429:
                    raise
            except (OSError, EOFError):
                pass
            await asyncio.sleep(0.1 + random.random() / 5)

    async def _beat(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            with contextlib.suppress(Refused, OSError, EOFError):
                said = {"claims": list(self.running)}
                for claim in (await self.caller.said("/v2/agents/heartbeat", said))["lost"]:
                    if claim in self.running:
                        self.running[claim].cancel()

    async def _work(self, job: dict[str, Any]) -> None:
        claim = f"/v2/agents/claims/{job['claim']}"
        try:
            if self.habits.progress:
                await self.caller.said(f"{claim}/progress", {"fraction": 0.5})
            if self.habits.seconds:
                await asyncio.sleep(self.habits.seconds * (0.5 + random.random()))
            await self._until_answered_or_lost(f"{claim}/result", {"result": await self._result(claim, job)})
        except Refused as refused:
            if refused.status != 410:
                raise
            self.tally.lost += 1

    async def _result(self, claim: str, job: dict[str, Any]) -> dict[str, Any]:
        luck = random.random()
        if luck < self.habits.rejects:
            self.tally.rejected += 1
            return {"outcome": "rejected", "reason": "not now"}
        if luck < self.habits.rejects + self.habits.fails:
            self.tally.failed += 1
            return {"outcome": "failed", "reason": "it broke", "transient": True, "seconds": 0.01}
        delivered = []
        for slot in range(job["slots"]):
            await self._deliver(f"{claim}/blobs/{slot}")
            delivered.append(
                {
                    "slot": slot,
                    "kind": "image",
                    "mediaType": "image/png",
                    "size": len(PIXEL),
                    "sha256": hashlib.sha256(PIXEL).hexdigest(),
                }
            )
        self.tally.done += 1
        return {
            "outcome": "succeeded",
            "output": self._output(job),
            "delivered": delivered,
            "seconds": max(self.habits.seconds, 0.001),
        }

    def _output(self, job: dict[str, Any]) -> dict[str, Any]:
        return {"images": [{"$blob": slot} for slot in range(job["slots"])]}

    async def _deliver(self, path: str) -> None:
        _read(*await self.caller.call("PUT", path, PIXEL, "image/png"))

    async def _until_answered_or_lost(self, path: str, words: dict[str, Any]) -> None:
        """Say it until it is heard: whoever is not answered says it again, and is told 410 when it was heard before."""
        while True:
            try:
                await self.caller.said(path, words)
                return
            except Refused as refused:
                if refused.status < 500 and refused.status != 429:
                    raise
            except (OSError, EOFError):
                pass
            await asyncio.sleep(0.1 + random.random() / 5)


def main() -> None:
    """One agent until it is killed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--capabilities", default="convertImage")
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--fails", type=float, default=0.0)
    parser.add_argument("--rejects", type=float, default=0.0)
    parser.add_argument("--progress", action="store_true")
    given = parser.parse_args()
    habits = Habits(
        capabilities=tuple(given.capabilities.split(",")),
        slots=given.slots,
        seconds=given.seconds,
        fails=given.fails,
        rejects=given.rejects,
        progress=given.progress,
    )
    asyncio.run(SimulatedAgent(given.server, given.token, habits).run())


if __name__ == "__main__":
    main()
