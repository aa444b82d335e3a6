"""The index in memory beside a large gallery: its process, and how soon it knows of a new picture."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg

from civitas.domains.accounts.types import ANONYMOUS
from civitas.domains.gallery.feeds import pages
from civitas.domains.gallery.feeds.pages import Known
from civitas.domains.gallery.feeds.types import FeedFilter
from civitas.infra.db.readpool import PooledReads
from civitas.infra.search.asking import SocketIndex
from civitas.infra.search.shape import Answer, Question

ARRIVE = """
INSERT INTO feed_images (image_id, post_id, person_id, published_at, shuffle, week, fresh, level, terms)
SELECT %(id)s, %(id)s, 7, now(), %(shuffle)s, floor(extract(epoch FROM now()) / 604800)::smallint, true, 1,
       ARRAY[(1 << 26) + 1, (1 << 26) + 33, %(term)s]
"""


class Away:
    """No index: everything by SQL."""

    async def find(self, question: Question) -> Answer | None:
        """See Index."""
        return None


class Counting:
    """An index that counts how often it was asked."""

    def __init__(self, index: SocketIndex) -> None:
        self.index = index
        self.asked = self.answered = 0

    async def find(self, question: Question) -> Answer | None:
        """See Index."""
        found = await self.index.find(question)
        self.asked += 1
        self.answered += found is not None
        return found


@asynccontextmanager
async def running(dsn: str, home: Path) -> AsyncIterator[tuple[SocketIndex, dict[str, Any]]]:
    """The product's own process over this database, loaded; its socket and its first status."""
    environment = {
        **os.environ,
        "CIVITAS_HOME": str(home),
        "CIVITAS_DATABASE__URL": dsn,
        "CIVITAS_INDEX__MEMORY_MB": "8192",
    }
    process = subprocess.Popen([sys.executable, "-m", "civitas.app.main", "index"], env=environment)
    index = SocketIndex(home / "index.sock", timeout_s=0.5)
    try:
        peak = 0
        while True:
            status = await index.status()
            if status is not None:
                peak = max(peak, status["resident"])
                if status["answers"]:
                    break
                if status["state"] in ("refused", "lost"):
                    raise RuntimeError(status["note"])
            if process.poll() is not None:
                raise RuntimeError("the index has ended")
            await asyncio.sleep(0.5)
        yield index, {**status, "peak": peak}
    finally:
        await index.aclose()
        process.terminate()
        process.wait(60)


async def seconds_to_see(
    dsn: str, reads: PooledReads, known: Known, index: SocketIndex, rounds: int = 20
) -> list[float]:
    """From the commit of a new picture until it is the first of a page that the index found."""
    tag, taken = 100, []
    counting = Counting(index)
    with psycopg.connect(dsn, autocommit=True) as connection:
        # The feed here is synthetic: there are no pictures behind its rows.
        connection.execute("ALTER TABLE feed_images DROP CONSTRAINT IF EXISTS fk_feed_images_image_id")
        row = connection.execute("SELECT max(image_id) FROM feed_images").fetchone()
        last = int(row[0]) if row else 0
        made = []
        for number in range(last + 1, last + 1 + rounds):
            connection.execute(
                ARRIVE, {"id": number, "shuffle": random.randrange(-(2**31), 2**31), "term": (4 << 26) + tag}
            )
            began = time.perf_counter()
            made.append(number)
            while True:
                found = await pages.page(
                    reads, ANONYMOUS, FeedFilter(tag_ids=(tag,)), limit=50, known=known, index=counting
                )
                if number in found.ids[:1]:
                    break
                await asyncio.sleep(0.002)
            taken.append(time.perf_counter() - began)
            await asyncio.sleep(random.random() * 0.3)
        if not counting.answered:
            raise RuntimeError("the index was never asked")
        connection.execute("DELETE FROM feed_images WHERE image_id = ANY(%s)", [made])
    return taken
