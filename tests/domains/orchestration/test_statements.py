"""How many statements a submission and a result take: what makes thousands of them affordable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from tests.factories.workflows import draw, echo, run, step, submitter, succeed, waiting


@contextmanager
def counted(connection: AsyncConnection) -> Iterator[list[str]]:
    """The statements that the session sends; those of the ledger go past it."""
    found: list[str] = []

    def note(*args: object) -> None:
        found.append(str(args[2]).strip()[:60])

    event.listen(connection.sync_connection, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(connection.sync_connection, "before_cursor_execute", note)


async def test_a_submission_takes_few_statements(session: AsyncSession, connection: AsyncConnection) -> None:
    actor = await submitter(session)
    template = await draw(session)
    with counted(connection) as said:
        await run(session, actor, echo("x"))
    assert len(said) <= 3, said
    with counted(connection) as free:
        id = await run(session, actor, step("mediaHash", {"mediaUrl": "", "hashTypes": []}))
    assert len(free) <= 8, free
    with counted(connection) as paid:
        await run(session, actor, template)
    assert len(paid) <= 15, paid
    [job] = await waiting(session, id)
    with counted(connection) as ended:
        await succeed(session, job, {"hashes": {}})
    assert len(ended) <= 10, ended
