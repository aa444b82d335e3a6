"""A result that was said and a process that dies before it is recorded, or before it says that it was: paid once."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from bench import dispatching
from bench.dispatching import CAPABILITY, OUTPUT
from bench.faults import Child
from bench.instance import free_port
from bench.orchestration import environment
from bench.simulated import Caller, Habits, Refused, SimulatedAgent
from sqlalchemy import text

from civitas.infra.db.database import Database

SAID = {"result": {"outcome": "succeeded", "output": OUTPUT, "seconds": 0.5}}


@dataclass
class Site:
    """A serving process that can be killed, somebody who pays, and an agent that holds one job of theirs."""

    dsn: str
    web: Child
    url: str
    key: str
    agent: SimulatedAgent
    claim: int = 0
    workflow: str = ""

    async def up(self) -> None:
        """Start it, and wait until it answers."""
        self.agent.caller.close()
        self.web.start()
        for _ in range(600):
            try:
                status, _ = await Caller(self.url, "").call("GET", "/healthz", b"")
                if status < 500:
                    return
            except (OSError, EOFError):
                pass
            await asyncio.sleep(0.1)
        raise RuntimeError("the serving process did not come up")

    async def asked(self, statement: str) -> list[tuple[Any, ...]]:
        database = Database(self.dsn)
        try:
            async with database.reading() as session:
                return [tuple(row) for row in await session.execute(text(statement))]
        finally:
            await database.close()


@pytest.fixture
async def site(own_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(dispatching, "PEOPLE", 1)
    monkeypatch.setattr(dispatching, "AGENTS", 1)
    made = await dispatching.prepare(own_dsn)
    port = free_port()
    env = {**os.environ, **environment(own_dsn, tmp_path)}
    web = Child("web", [sys.executable, "-m", "bench.servers", "product", "--port", str(port)], env)
    url = f"http://127.0.0.1:{port}"
    agent = SimulatedAgent(url, made.tokens[0], Habits((CAPABILITY, f"{CAPABILITY}/*")))
    found = Site(own_dsn, web, url, made.keys[0], agent)
    try:
        await found.up()
        body = {"steps": [{"$type": CAPABILITY, "input": {"ecosystem": "sd1", "prompt": "a cat"}}]}
        caller = Caller(url, found.key)
        found.workflow = (await caller.said("/v2/consumer/workflows", body))["id"]
        caller.close()
        await agent.register()
        (job,) = (await agent.claim(1, 5))["jobs"]
        found.claim = job["claim"]
        yield found
    finally:
        agent.caller.close()
        web.kill()


async def paid_once(site: Site) -> None:
    """The workflow ended by one claim, the hold is captured whole, and every currency sums to zero."""
    ((status, reserved, captured),) = await site.asked("SELECT status, reserved, captured FROM workflows")
    assert (status, captured) == ("succeeded", reserved)
    assert reserved > 0
    assert await site.asked("SELECT state, count(*) FROM job_claims GROUP BY state") == [("won", 1)]
    assert await site.asked("SELECT DISTINCT status FROM buzz_holds") == [("captured",)]
    sums = await site.asked(
        "SELECT a.currency, sum(p.amount) FROM buzz_postings p JOIN buzz_accounts a ON a.id = p.account_id GROUP BY 1"
    )
    assert all(total == 0 for _, total in sums)


@pytest.mark.parametrize("together", [False, True])
async def test_the_process_dies_before_a_result_is_recorded(site: Site, together: bool) -> None:
    path = "/v2/agents/results" if together else f"/v2/agents/claims/{site.claim}/result"
    said = {"results": [{"claim": site.claim, **SAID}]} if together else SAID
    # Somebody else has the workflow's row, so the result is heard and cannot be written.
    async with await psycopg.AsyncConnection.connect(site.dsn) as holder:
        await holder.execute("SELECT id FROM workflows FOR UPDATE")
        telling = asyncio.create_task(site.agent.caller.said(path, said))
        for _ in range(200):
            waiting = await site.asked(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if waiting[0][0]:
                break
            await asyncio.sleep(0.05)
        assert waiting[0][0] == 1
        site.web.kill()
        with pytest.raises((OSError, EOFError)):
            await telling
    for _ in range(200):
        if not await _others(site):
            break
        await asyncio.sleep(0.05)
    assert await site.asked("SELECT status FROM jobs") == [("scheduled",)]
    assert await site.asked("SELECT completed_at, captured FROM workflows") == [(None, 0)]
    await site.up()
    heard = await site.agent.caller.said(path, said)
    assert heard is None or [one["status"] for one in heard["results"]] == [204]
    await paid_once(site)


async def test_the_agent_dies_before_it_hears_that_its_result_was_recorded(site: Site) -> None:
    await site.agent.caller.said(f"/v2/agents/claims/{site.claim}/result", SAID)
    # What comes after has heard nothing, and says it again: alone, and with others.
    with pytest.raises(Refused) as late:
        await site.agent.caller.said(f"/v2/agents/claims/{site.claim}/result", SAID)
    assert (late.value.status, late.value.code) == (410, "claim_ended")
    site.web.kill()
    await site.up()
    again = {"results": [{"claim": site.claim, **SAID}]}
    heard = (await site.agent.caller.said("/v2/agents/results", again))["results"]
    assert [(one["status"], one["code"]) for one in heard] == [(410, "claim_ended")]
    await paid_once(site)


async def _others(site: Site) -> int:
    """Connections of the dead process that the server has not noticed."""
    found = await site.asked(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND state <> 'idle'"
    )
    return int(found[0][0])
