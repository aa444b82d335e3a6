"""`civitas index` as a process: killed while it is asked, started again, and what doctor and readiness say of it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from tests.domains.gallery.test_feed_index import DEAR, Away
from tests.domains.gallery.test_index_audit import ROWS
from tests.factories.http import Client

from civitas.app.commands import doctor
from civitas.domains.accounts.types import ANONYMOUS
from civitas.domains.gallery.feeds import pages
from civitas.domains.gallery.feeds.types import FeedFilter, ImageSort
from civitas.infra.db.readpool import PooledReads
from civitas.infra.search.asking import SocketIndex
from civitas.infra.search.shape import Answer, Question
from civitas.infra.settings import Settings

WANTED = [
    FeedFilter(sort=sort, tag_ids=tags)
    for sort in ImageSort
    for tags in ((268435456 - (4 << 26) + 11,), (0, 12), ())
]  # fmt: skip


class Counting:
    def __init__(self, index: SocketIndex) -> None:
        self.index = index
        self.outcomes: list[bool] = []

    async def find(self, question: Question) -> Answer | None:
        found = await self.index.find(question)
        self.outcomes.append(found is not None)
        return found


@asynccontextmanager
async def running(dsn: str, home: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """The process, loaded; ended afterwards if it still lives."""
    environment = {
        **os.environ, "CIVITAS_HOME": str(home), "CIVITAS_DATABASE__URL": dsn, "CIVITAS_INDEX__LEAST_ROWS": "0",
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "civitas.app.main", "index"], env=environment)
    index = SocketIndex(home / "index.sock")
    try:
        async with asyncio.timeout(60):
            while (status := await index.status()) is None or not status["answers"]:
                assert process.poll() is None, "it has ended"
                await asyncio.sleep(0.1)
        yield process
    finally:
        await index.aclose()
        if process.poll() is None:
            process.terminate()
        process.wait(20)


def settings(dsn: str, home: Path, **given: Any) -> Settings:
    made = Settings(home=home, **given)
    made.database.url = dsn
    return made


async def test_pages_are_answered_whatever_becomes_of_the_index(own_dsn: str, tmp_path: Path) -> None:
    with psycopg.connect(own_dsn, autocommit=True) as plain:
        plain.execute("ALTER TABLE feed_images DROP CONSTRAINT fk_feed_images_image_id")
        plain.execute(ROWS)
    reads = PooledReads(own_dsn)
    await reads.open()
    counting = Counting(SocketIndex(tmp_path / "index.sock", timeout_s=0.5))
    by_sql = [
        (await pages.page(reads, ANONYMOUS, one, limit=20, known=DEAR, index=Away())).ids for one in WANTED
    ]
    assert sum(map(bool, by_sql)) > 10
    over = asyncio.Event()
    asked = 0

    async def client(start: int) -> None:
        nonlocal asked
        while not over.is_set():
            start = (start + 1) % len(WANTED)
            found = await pages.page(reads, ANONYMOUS, WANTED[start], limit=20, known=DEAR, index=counting)
            assert found.ids == by_sql[start], WANTED[start]
            asked += 1

    async def answered() -> None:
        counting.outcomes.clear()
        async with asyncio.timeout(30):
            while not any(counting.outcomes):
                await asyncio.sleep(0.05)

    clients = asyncio.gather(*(client(number) for number in range(4)))
    try:
        for _ in range(2):
            async with running(own_dsn, tmp_path) as process:
                await answered()
                findings = await asyncio.to_thread(lambda: list(doctor.index_of(settings(own_dsn, tmp_path))))
                assert [one.level for one in findings] == ["ok"] and "400 images" in findings[0].text
                before = asked
                process.send_signal(signal.SIGKILL)
                process.wait(20)
                counting.outcomes.clear()
                async with asyncio.timeout(20):
                    while asked < before + 50:
                        await asyncio.sleep(0.05)
                assert not any(counting.outcomes[-5:])
                assert (tmp_path / "index.sock").exists(), "left behind, and no hindrance to the next"
    finally:
        over.set()
        await clients
        await counting.index.aclose()
        await reads.close()
    away = await asyncio.to_thread(lambda: list(doctor.index_of(settings(own_dsn, tmp_path))))
    assert [one.level for one in away] == ["note"]


def test_doctor_tells_what_is_wrong_with_the_index(tmp_path: Path) -> None:
    deep = settings("postgresql://nowhere", tmp_path / ("x" * 120))
    assert [one.level for one in doctor.index_of(deep)] == ["wrong"]
    off = settings("postgresql://nowhere", tmp_path, index={"enabled": False})
    assert [one.level for one in doctor.index_of(off)] == ["note"]


async def test_a_site_is_ready_without_an_index(client: Client) -> None:
    answer = await client.get("/readyz")
    assert answer.status_code == 200 and answer.json()["status"] == "ready"
