"""Reads of a large catalogue: `load` a synthetic one, then `measure` it.

    python -m bench.catalog load --models 1000000 --home DIR
    python -m bench.catalog measure --home DIR [--seconds 5] [--markdown FILE]

Each figure of the product's whole app stands beside its limit: a bare Starlette handler that fetches the same rows
with one prepared statement and joins their text. Both run under uvicorn, one process, one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import psycopg
import uvicorn
import uvloop
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.client import Figures, measure, once, request
from civitas.app import schema
from civitas.app.serving import serve
from civitas.domains.catalog import rebuilding
from civitas.infra.db.database import Database
from civitas.infra.db.embedded import EmbeddedServer
from civitas.infra.db.settings import DatabaseSettings
from civitas.infra.settings import Settings

VOCABULARY = 20_000
TAGS = 2_000
PAGE = 20
VARIANTS = 200
# Filled row by row these would cost more time than everything else together.
REBUILT_LATER = ("file_hashes", "model_listings", "model_tags", "version_previews", "blobs", "model_files")


def words() -> list[str]:
    """The vocabulary, the same on every run."""
    rng = random.Random(7)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en", "il")]
    found: dict[str, None] = {}
    while len(found) < VOCABULARY + 10:
        found["".join(rng.choices(syllables, k=rng.randint(2, 4)))] = None
    return list(found)


@contextmanager
def database(home: Path) -> Iterator[tuple[str, int]]:
    """The embedded server of `home`, with memory for a catalogue; its DSN and process."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)
    server = EmbeddedServer(home, DatabaseSettings(shared_buffers_mb=2048))
    try:
        dsn = server.start().dsn
        yield dsn, server.pid or 0
    finally:
        server.stop()


def load(home: Path, models: int) -> None:
    """Fill a new database: rows by set-based statements, documents by the product's own rebuilding."""
    from civitas.kit import sql

    pieces = sql._NAME.split((Path(__file__).parent / "catalog_rows.sql").read_text())
    statements = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    known = words()
    params = {
        "models": models, "people": max(10, models // 40), "tags": TAGS, "vocabulary": VOCABULARY, "words": known,
    }  # fmt: skip
    with database(home) as (dsn, _):
        schema.upgrade(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute("SET maintenance_work_mem = '1GB'")
            connection.execute("SET synchronous_commit = off")
            connection.execute("SELECT setseed(0.42)")
            kept = _drop_indexes(connection)
            for name, statement in statements.items():
                _timed(name, lambda s=statement: connection.execute(s.encode(), params))
            _timed("rebuild", lambda: asyncio.run(_rebuild(dsn)))
            for definition in kept:
                _timed(definition[:70], lambda d=definition: connection.execute(d.encode()))
            _timed("vacuum", lambda: connection.execute("VACUUM ANALYZE"))
            size = connection.execute(
                "SELECT pg_size_pretty(pg_database_size(current_database()))"
            ).fetchone()
            print("size", size)


def _drop_indexes(connection: psycopg.Connection[Any]) -> list[str]:
    rows = connection.execute(
        """SELECT indexname, indexdef FROM pg_indexes
            WHERE tablename = ANY(%s) AND indexname LIKE 'ix%%'""",
        (list(REBUILT_LATER),),
    ).fetchall()
    for name, _ in rows:
        connection.execute(f'DROP INDEX "{name}"'.encode())
    return [definition for _, definition in rows]


def _timed(name: str, work: Any) -> None:
    began = time.perf_counter()
    work()
    print(f"{name:72} {time.perf_counter() - began:8.1f} s", flush=True)


async def _rebuild(dsn: str) -> None:
    opened = Database(dsn, DatabaseSettings(statement_timeout_s=3600))
    try:
        await rebuilding.rebuild_all(opened, told=lambda n: n % 50_000 or print(n, "models", flush=True))
    finally:
        await opened.close()


@dataclass
class Case:
    """One kind of request: what the product is asked, and the statement and values of its limit."""

    name: str
    asked: list[bytes]
    statement: str
    values: list[Any]
    bare: list[bytes]


PAGE_STATEMENT = "SELECT safe, stats FROM model_documents WHERE model_id = ANY(%s)"
CASES: dict[str, str] = {
    "page": PAGE_STATEMENT,
    "model": "SELECT safe, stats FROM model_documents WHERE model_id = %s",
    "version": "SELECT safe, stats FROM version_documents WHERE version_id = %s",
    "hashes": "SELECT value, version_id FROM file_hashes WHERE value = ANY(%s)",
}


def bare_app(dsn: str, values: dict[str, list[Any]]) -> Starlette:
    """The limit: one prepared statement, its text joined, nothing else."""
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        dsn, min_size=1, max_size=8, open=False, kwargs={"autocommit": True, "prepare_threshold": 0}
    )

    async def rows(kind: str, value: Any) -> list[tuple[Any, ...]]:
        async with pool.connection() as connection:
            return await (await connection.execute(CASES[kind].encode(), (value,))).fetchall()

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


def lists(known: list[str]) -> dict[str, list[str]]:
    """The list requests, in variants so that no answer is asked for twice in a row."""
    rng = random.Random(3)
    types, bases = ("LORA", "Checkpoint", "VAE"), ("SDXL 1.0", "Pony", "SD 1.5", "Illustrious")
    sorts = ("Most Downloaded", "Newest", "Highest Rated", "Most Liked")
    common = [f"{known[i]} {known[i + 7]}" for i in range(20)]
    middle = [f"{known[i]} {known[i + 7]}" for i in range(100, 400)]
    rare = [f"{known[i]} {known[i + 7]}" for i in range(1500, TAGS - 10)]

    def pages(of: Any) -> list[str]:
        return [f"/api/v1/models?limit={PAGE}&" + of() for _ in range(VARIANTS)]

    def sort() -> str:
        return "sort=" + quote(rng.choice(sorts))

    return {
        "page, no filter": pages(lambda: sort() + f"&period={rng.choice(('AllTime', 'Year', 'Month'))}"),
        "page, type and base model": pages(
            lambda: f"types={rng.choice(types)}&baseModels={quote(rng.choice(bases))}&{sort()}"
        ),
        "page, common tag": pages(lambda: f"tag={quote(rng.choice(common))}&{sort()}"),
        "page, middling tag": pages(lambda: f"tag={quote(rng.choice(middle))}&{sort()}"),
        "page, rare tag": pages(lambda: f"tag={quote(rng.choice(rare))}&{sort()}"),
        "page, tag, type and base model": pages(
            lambda: (
                f"tag={quote(rng.choice(middle))}&types={rng.choice(types)}"
                f"&baseModels={quote(rng.choice(bases))}&{sort()}"
            )
        ),
        "page, one creator": pages(lambda: f"username=maker_{rng.randint(1, 500)}&{sort()}"),
        "search, common word": pages(lambda: f"query={known[rng.randint(0, 10)]}"),
        "search, rare word": pages(lambda: f"query={known[rng.randint(5000, VOCABULARY - 1)]}"),
        "search, two words": pages(
            lambda: f"query={known[rng.randint(0, 40)]}%20{known[rng.randint(0, 200)]}"
        ),
        "search, beginning of a word": pages(lambda: f"query={known[rng.randint(0, 3000)][:5]}"),
        "search, one letter wrong": pages(lambda: f"query={_mistyped(known[rng.randint(0, 3000)], rng)}"),
        "search with filters": pages(
            lambda: f"query={known[rng.randint(0, 40)]}&types=LORA&baseModels=Pony&sort=Newest"
        ),
    }


def _mistyped(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word))
    return word[:at] + "x" + word[at + 1 :]


async def prepare(port: int, models: int) -> list[Case]:
    """Ask every list once, to know the rows that its limit has to fetch."""
    rng = random.Random(11)
    cases = []
    paths = lists(words())
    paths["page, deep cursor"] = [await _deep(port, rng) for _ in range(40)]
    for name, variants in paths.items():
        values = []
        for path in variants:
            answer = orjson.loads(await once(port, request("GET", path)))
            values.append([model["id"] for model in answer["items"]])
        kind = f"page-{len(cases)}"
        bare = [request("GET", f"/{kind}/{i}") for i in range(len(values))]
        cases.append(Case(name, [request("GET", path) for path in variants], kind, values, bare))
    for name, path, kind, top in (
        ("model by id", "/api/v1/models/{}", "model", models),
        ("version by id", "/api/v1/model-versions/{}", "version", 3 * models),
    ):
        numbers = [rng.randint(1, top) for _ in range(2000)]
        cases.append(
            Case(
                name, [request("GET", path.format(n)) for n in numbers], kind, numbers,
                [request("GET", f"/{kind}/{i}") for i in range(len(numbers))],
            )
        )  # fmt: skip
    return cases


async def _deep(port: int, rng: random.Random) -> str:
    """A page far down a list: made by hand as the cursor of a place in the middle."""
    from civitas.kit import paging

    cursor = paging.encode("Most Downloaded", rng.randint(1, 3000), rng.randint(1, 100_000))
    return f"/api/v1/models?limit={PAGE}&types=LORA&sort=Most%20Downloaded&cursor={cursor}"


def hash_cases(dsn: str, models: int) -> list[Case]:
    """By one hash, and by ten thousand at once."""
    rng = random.Random(13)
    with psycopg.connect(dsn) as connection:
        numbers = [rng.randint(1, 3 * models) for _ in range(12_000)]
        rows = connection.execute(
            "SELECT value, version_id FROM file_hashes WHERE file_id = ANY(%s) AND kind = 'SHA256'",
            (numbers,),
        ).fetchall()
    rng.shuffle(rows)
    single = rows[:2000]
    batches = [
        orjson.dumps([value for value, _ in rng.sample(rows, min(10_000, len(rows)))]) for _ in range(10)
    ]
    return [
        Case(
            "version by hash",
            [request("GET", f"/api/v1/model-versions/by-hash/{value}") for value, _ in single],
            "version-hash", [number for _, number in single],
            [request("GET", f"/version-hash/{i}") for i in range(len(single))],
        ),
        Case(
            "10,000 hashes at once",
            [request("POST", "/api/v1/model-versions/by-hash/ids", batch) for batch in batches],
            "hashes", [], [request("POST", "/hashes", batch) for batch in batches],
        ),
    ]  # fmt: skip


def cpu_seconds(server: int, postmaster: int) -> float:
    """Processor time so far of a serving process and of all the database's processes."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == server or int(fields[1]) == postmaster:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def child(arguments: list[str], env: dict[str, str], port: int) -> Iterator[int]:
    """A server process of ours, until the block ends."""
    process = subprocess.Popen([sys.executable, "-m", "bench.catalog", *arguments], env={**os.environ, **env})
    try:
        for _ in range(300):
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


def run(home: Path, seconds: float, port: int, only: str) -> list[Row]:
    """Measure every case at 1 and 16 clients."""
    made: list[Row] = []
    with database(home) as (dsn, postmaster):
        with psycopg.connect(dsn) as connection:
            row = connection.execute("SELECT max(id) FROM models").fetchone()
        models = int(row[0]) if row else 0
        env = {"DATABASE_URL": dsn, "CIVITAS_HOME": str(home), "CIVITAS_LIMITS__ENABLED": "false"}
        with child(["serve", "--port", str(port)], env, port) as serving:
            cases = [*uvloop.run(prepare(port, models)), *hash_cases(dsn, models)]
            cases = [case for case in cases if only in case.name]
            values = home / "bench-values.json"
            values.write_bytes(orjson.dumps({case.statement: case.values for case in cases}))
            arguments = ["bare", "--port", str(port + 1), "--values", str(values)]
            with child(arguments, env, port + 1) as bare:
                for case, clients in itertools.product(cases, (1, 16)):
                    began = cpu_seconds(serving, postmaster)
                    ours = uvloop.run(measure(port, case.asked, clients, seconds))
                    between = cpu_seconds(bare, postmaster) - cpu_seconds(serving, postmaster)
                    middle = cpu_seconds(serving, postmaster)
                    limit = uvloop.run(measure(port + 1, case.bare, clients, seconds))
                    ended = cpu_seconds(bare, postmaster)
                    costs = (middle - began) / ours.all, (ended - middle - between) / limit.all
                    made.append(Row(case.name, clients, ours, limit, costs[0] * 1000, costs[1] * 1000))
                    print(table(made[-1:]).splitlines()[-1], flush=True)
        print(f"\n{models:,} models, {3 * models:,} versions and files, pages of {PAGE}\n")
    return made


@dataclass
class Row:
    """One line of the table: the product, its limit, and milliseconds of processor time a request of both."""

    name: str
    clients: int
    ours: Figures
    limit: Figures
    cpu: float
    limit_cpu: float


def table(rows: list[Row]) -> str:
    """The figures as a Markdown table."""
    lines = [
        "| read | clients | requests/s | p50 ms | p99 ms | CPU ms | limit/s | limit p99 ms | limit CPU ms "
        "| share of limit | share by CPU | kB |",
        "| --- " + "| ---: " * 11 + "|",
    ]
    lines += [
        f"| {r.name} | {r.clients} | {r.ours.rate:,.0f} | {r.ours.p50:.2f} | {r.ours.p99:.2f} | {r.cpu:.2f} "
        f"| {r.limit.rate:,.0f} | {r.limit.p99:.2f} | {r.limit_cpu:.2f} | {r.ours.rate / r.limit.rate:.2f} "
        f"| {r.limit_cpu / r.cpu if r.cpu else 0:.2f} | {r.ours.bytes_each / 1000:.1f} |"
        for r in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("load", "measure", "serve", "bare"))
    parser.add_argument("--home", type=Path, default=Path("bench-home"))
    parser.add_argument("--models", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--values", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args()
    if given.what == "load":
        load(given.home, given.models)
    elif given.what == "measure":
        text = table(run(given.home, given.seconds, given.port, given.only))
        print(text)
        if given.markdown:
            given.markdown.write_text(text + "\n")
    elif given.what == "serve":
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
