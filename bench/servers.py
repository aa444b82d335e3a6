"""The two processes that are compared: the product's whole app, and the bare handler that is its limit.

python -m bench.servers product|bare --port N [--values FILE]     (DATABASE_URL names the database)
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.cases import STATEMENTS
from civitas.app.serving import serve
from civitas.infra.settings import Settings


def bare_app(dsn: str, values: dict[str, list[Any]]) -> Starlette:
    """The limit: one prepared statement, its text joined, nothing else."""
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        dsn, min_size=1, max_size=8, open=False, kwargs={"autocommit": True, "prepare_threshold": 0}
    )

    async def rows(kind: str, value: Any) -> list[tuple[Any, ...]]:
        async with pool.connection() as connection:
            return await (await connection.execute(STATEMENTS[kind].encode(), (value,))).fetchall()

    async def documents(incoming: Request) -> Response:
        kind, number = incoming.path_params["kind"], int(incoming.path_params["number"])
        found = await rows(kind.split("-")[0], values[kind][number])
        return Response(",".join(row[0] for row in found), media_type="application/json")

    async def hashes(incoming: Request) -> Response:
        found = await rows("hashes", orjson.loads(await incoming.body()))
        return Response(orjson.dumps(dict(found)), media_type="application/json")

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        async with pool:
            yield

    return Starlette(
        lifespan=life,
        routes=[Route("/hashes", hashes, methods=["POST"]), Route("/{kind}/{number}", documents)],
    )


@contextmanager
def child(arguments: list[str], env: dict[str, str], port: int) -> Iterator[int]:
    """One of the two as a process of ours, until the block ends; its id."""
    command = [sys.executable, "-m", "bench.servers", *arguments, "--port", str(port)]
    process = subprocess.Popen(command, env={**os.environ, **env})
    try:
        for _ in range(900):
            try:
                asyncio.run(_knock(port))
                break
            except OSError:
                time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


async def _knock(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


def cpu_seconds(server: int, postmaster: int) -> tuple[float, float]:
    """Processor time so far of a serving process, and of all the database's processes."""
    own = database = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks = int(fields[11]) + int(fields[12])
        if int(stat.parent.name) == server:
            own += ticks
        elif int(fields[1]) == postmaster:
            database += ticks
        elif int(stat.parent.name) == postmaster:
            # With what those of its processes had taken that have ended.
            database += ticks + int(fields[13]) + int(fields[14])
    second = os.sysconf("SC_CLK_TCK")
    return own / second, database / second


def process_seconds(pid: int) -> float:
    """Processor time so far of one process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("product", "bare"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--values", type=Path)
    given = parser.parse_args()
    if given.what == "product":
        settings = Settings()
        settings.database.url = os.environ["DATABASE_URL"]
        settings.site.port = given.port
        serve(settings)
    else:
        app = bare_app(os.environ["DATABASE_URL"], orjson.loads(given.values.read_bytes()))
        uvicorn.run(
            app, host="127.0.0.1", port=given.port, log_level="warning", access_log=False, loop="uvloop"
        )


if __name__ == "__main__":
    main()
