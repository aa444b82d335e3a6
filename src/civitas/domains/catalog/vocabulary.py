"""By how many models each word, tag and creator is carried: folded in batches from noted changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.catalog import words
from civitas.infra.db.database import driver_connection
from civitas.kit.sql import statements

SQL = statements("civitas.domains.catalog", "counts.sql")

BATCH = 20_000
_STATEMENTS = (
    ("tag", "add_to_tags"),
    ("safe tag", "add_to_safe_tags"),
    ("person", "add_to_people"),
    ("safe person", "add_to_safe_people"),
    ("word", "add_to_words"),
)

Connection = psycopg.AsyncConnection[Any]


async def fold(session: AsyncSession, *, limit: int = BATCH) -> int:
    """Apply up to `limit` noted changes to words, tags and creators; how many distinct ones there were."""
    connection = await driver_connection(session)
    cursor = await connection.execute(SQL["take_count_changes"].encode(), {"limit": limit})
    changes = await cursor.fetchall()
    for kind, statement in _STATEMENTS:
        rows = [(key, change) for of, key, change in changes if of == kind]
        if rows:
            params = {"keys": [key for key, _ in rows], "changes": [change for _, change in rows]}
            await connection.execute(SQL[statement].encode(), params)
    found = [key for kind, key, _ in changes if kind == "word"]
    await connection.execute(SQL["drop_unused_words"].encode(), {"keys": found})
    cursor = await connection.execute(SQL["words_without_forms"].encode(), {"keys": found})
    await _add_forms(connection, [row[0] for row in await cursor.fetchall()])
    return len(changes)


async def recount(session: AsyncSession) -> None:
    """Count everything from the listings, forgetting noted changes: after a rebuild of all, or to heal."""
    connection = await driver_connection(session)
    await connection.execute(SQL["forget_counts"].encode())
    for name in ("recount_words", "recount_facets", "recount_tags", "recount_people"):
        await connection.execute(SQL[name].encode())
    after = ""
    while True:
        params = {"after": after, "limit": BATCH}
        cursor = await connection.execute(SQL["words_after"].encode(), params)
        found = [row[0] for row in await cursor.fetchall()]
        if not found:
            return
        await _add_forms(connection, found)
        after = found[-1]


async def _add_forms(connection: Connection, new: Sequence[str]) -> None:
    # facets, which nobody mistypes, hold signs that words do not
    pairs = [(form, word) for word in new if word.isalnum() for form in words.forms(word)]
    if pairs:
        await connection.execute(
            SQL["add_forms"].encode(),
            {"forms": [form for form, _ in pairs], "words": [word for _, word in pairs]},
        )
