"""From `civitas up` to the first page, and the memory of all processes when nothing happens."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import httpx

from bench import report
from bench.instance import running

ROUNDS = 3
IDLE_S = 10


def run() -> None:
    """A first start (new database) and later ones of the same home."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        Path(folder).chmod(0o755)
        with running(home) as instance:
            first = instance.ready_s
        later, pages, memory = [], [], []
        for _ in range(ROUNDS):
            with running(home) as instance:
                later.append(instance.ready_s)
                began = time.perf_counter()
                httpx.get(instance.url, timeout=10, trust_env=False).raise_for_status()
                pages.append(time.perf_counter() - began)
                time.sleep(IDLE_S)
                memory.append(instance.memory_mb())
    names = sorted({name for found in memory for name in found})
    rows = [
        ["first start, database created and migrated, until ready", f"{first:.1f} s"],
        ["later start until ready (median of 3)", f"{statistics.median(later):.1f} s"],
        ["first page after that (median of 3)", f"{statistics.median(pages) * 1000:.0f} ms"],
    ]
    rows += [
        [f"idle memory, {name}", f"{statistics.median(found.get(name, 0) for found in memory):.0f} MB"]
        for name in names
    ]
    rows.append(["idle memory, all", f"{statistics.median(sum(found.values()) for found in memory):.0f} MB"])
    report.write(
        "Start",
        f"Proportional set size {IDLE_S} s after the first page.\n\n"
        + report.table(["what", "figure"], rows),
    )
