"""The index in memory beside a large catalogue: the product's own process, loaded, and how often it was asked."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civitas.infra.search.asking import SocketIndex

# A million models are read in some tens of seconds.
PATIENCE_S = 900


@dataclass(frozen=True)
class Running:
    """A process, and where it is asked."""

    pid: int
    socket: Path

    def status(self) -> dict[str, Any] | None:
        """How it fares."""
        return asyncio.run(_status(self.socket))

    def asked(self) -> int:
        """How many questions it has answered."""
        status = self.status()
        if status is None or not status["answers"]:
            raise RuntimeError(f"the index does not answer: {status}")
        return int(status["asked"])


async def _status(socket: Path) -> dict[str, Any] | None:
    index = SocketIndex(socket)
    try:
        return await index.status()
    finally:
        await index.aclose()


@contextmanager
def indexing(dsn: str, home: Path) -> Iterator[Running]:
    """The process over this database, until the block ends; it has loaded everything when the block begins."""
    env = {
        **os.environ,
        "CIVITAS_HOME": str(home),
        "CIVITAS_DATABASE__URL": dsn,
        "CIVITAS_INDEX__LEAST_ROWS": "0",
        "CIVITAS_TELEMETRY__LOG_LEVEL": "error",
    }
    process = subprocess.Popen([sys.executable, "-m", "civitas.app.main", "index"], env=env)
    running = Running(process.pid, home / "index.sock")
    try:
        ends = time.monotonic() + PATIENCE_S
        while (status := running.status()) is None or not status["answers"]:
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"the index did not load: {status}")
            if status is not None and status["state"] == "refused":
                raise RuntimeError(status["note"])
            time.sleep(0.5)
        print(
            f"index: {status['documents']} in {status['loaded_s']} s, {status['resident'] >> 20:,} MiB resident",
            flush=True,
        )
        yield running
    finally:
        process.terminate()
        process.wait(60)
