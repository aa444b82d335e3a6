"""Whatever dies at whatever moment: every workflow ends, the ledger sums to zero, nothing is delivered twice."""

from __future__ import annotations

from pathlib import Path

from bench import faults


async def test_sigkill_at_random_under_load(own_dsn: str, tmp_path: Path) -> None:
    found = await faults.weather(
        own_dsn,
        tmp_path,
        agent_count=3,
        workflows=60,
        seconds=12,
        every_s=0.6,
        patience_s=120,
        seed=20261126,
    )
    assert found.broken == []
    assert sum(found.workflows.values()) == 60 and found.workflows["succeeded"] > 30
    # Agents did die while they had jobs, or this has shown nothing.
    assert found.deaths["agent"] >= 5 and found.claims.get("expired", 0) >= 1
