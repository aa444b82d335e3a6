"""A small catalogue for the tests of the public pages, and a counter of statements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.factories import catalog
from tests.factories.http import Client

from civitas.domains.catalog import rebuilding, vocabulary
from civitas.domains.catalog.tables import FileHeader, FileScan


async def hang(client: Client, *models: int) -> None:
    """Show these models: documents, listings, words and counts."""
    async with client.house.database.unit() as session:
        await rebuilding.rebuild(session, models)
        await vocabulary.recount(session)


async def publish(client: Client, **columns: Any) -> tuple[int, list[int]]:
    """A published model that is shown; its id and those of its versions."""
    async with client.house.database.unit() as session:
        made = await catalog.make_published_model(session, **columns)
    await hang(client, made[0])
    return made


async def look_into(client: Client, file_id: int, tensors: Sequence[str] = ("a.weight", "b.weight")) -> None:
    """Give a file a header and a scan that found something odd."""
    async with client.house.database.unit() as session:
        await session.execute(
            insert(FileHeader).values(
                file_id=file_id,
                architecture={
                    "kind": "LORA",
                    "baseModel": "SDXL 1.0",
                    "confidence": 0.9,
                    "reasons": ["rank 8"],
                },
                training={"rank": 8, "tags": [{"tag": "velvet", "count": 40}]},
                metadata_={"ss_network_dim": "8"},
                tensors=[{"name": n, "dtype": "F16", "shape": [8, 320], "size": 5120} for n in tensors],
                tensor_count=len(tensors),
                parameter_count=2560 * len(tensors),
            )
        )
        await session.execute(
            insert(FileScan).values(
                file_id=file_id,
                verdict="suspicious",
                checks=[
                    {
                        "name": "imports",
                        "verdict": "suspicious",
                        "reason": "It imports odd.thing.",
                        "details": {},
                    }
                ],
                imports=[{"name": "odd.thing", "judgement": "suspicious"}],
                scanners={"picklescan": "1.0.5"},
                duration_s=0.1,
            )
        )


class Statements:
    """Counts what runs on the test's connection; savepoints stand for transactions and are not counted."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    @contextmanager
    def counted(self, connection: psycopg.AsyncConnection[Any]) -> Iterator[list[str]]:
        """Count what runs inside."""
        texts = self.texts
        before = connection.cursor_factory

        class Counting(before):  # type: ignore[misc, valid-type]
            async def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
                text = query.decode() if isinstance(query, bytes) else str(query)
                if not text.lstrip().upper().startswith(("SAVEPOINT", "RELEASE", "ROLLBACK", "SET ")):
                    texts.append(text)
                return await super().execute(query, *args, **kwargs)

        connection.cursor_factory = Counting
        try:
            yield texts
        finally:
            connection.cursor_factory = before


async def driver_of(connection: AsyncConnection) -> psycopg.AsyncConnection[Any]:
    """The psycopg connection below a test's connection."""
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    assert isinstance(driver, psycopg.AsyncConnection)
    return driver
