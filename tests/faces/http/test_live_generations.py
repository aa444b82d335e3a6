"""The stream of what is being made: everything under way at once, changes as they come, nothing twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person

from civitas.domains.orchestration import submitting
from civitas.domains.orchestration.templates import StepTemplate, Template
from civitas.domains.orchestration.types import Status
from civitas.domains.studio import made
from civitas.domains.studio.made import Stir
from civitas.faces.live import making
from civitas.faces.live.following import Following


class Moving:
    """A look whose answer the test changes."""

    def __init__(self, *stirs: Stir) -> None:
        self.stirs = stirs

    async def look(self, people: Sequence[int]) -> Mapping[int, tuple[Stir, ...]]:
        return dict.fromkeys(people, self.stirs)


def stir(name: str, status: Status, progress: float | None, stamp: int) -> Stir:
    return Stir(1, name, status, progress, stamp)


async def told(following: Following[int, tuple[Stir, ...]], seen: int, count: int) -> list[bytes]:
    """The next events of a new stream, its heading left out."""
    found: list[bytes] = []
    async with asyncio.timeout(5):
        async for piece in making._events(following, 1, seen):
            if piece.startswith(b"id:"):
                found.append(piece)
            if len(found) == count:
                break
    return found


async def test_what_is_under_way_is_told_at_once_and_what_is_over_is_not() -> None:
    world = Moving(stir("old", Status.SUCCEEDED, 1, 5), stir("new", Status.PROCESSING, 0.25, 9))
    (first,) = await told(Following(world.look, 0.01), 0, 1)
    assert first == (
        b'id: 9\nevent: generation\ndata: {"id":"new","status":"processing","progress":0.25,"final":false}\n\n'
    )


async def test_who_comes_back_is_told_what_ended_meanwhile() -> None:
    world = Moving(stir("a", Status.SUCCEEDED, 1, 5), stir("b", Status.FAILED, 1, 8))
    (only,) = await told(Following(world.look, 0.01), 5, 1)
    assert b'"b"' in only
    assert b'"final":true' in only


async def test_changes_come_as_they_happen_and_nothing_comes_twice() -> None:
    world = Moving(stir("a", Status.UNASSIGNED, None, 1))
    following = Following(world.look, 0.01)

    async def move() -> None:
        for step in (
            stir("a", Status.PROCESSING, 0.5, 2),
            stir("a", Status.PROCESSING, 0.5, 2),
            stir("a", Status.PROCESSING, 0.75, 2),
            stir("a", Status.SUCCEEDED, 1, 3),
        ):
            await asyncio.sleep(0.05)
            world.stirs = (step,)

    mover = asyncio.create_task(move())
    found = await told(following, 0, 4)
    await mover
    assert [piece.split(b"\n")[0] for piece in found] == [b"id: 1", b"id: 2", b"id: 2", b"id: 3"]


async def test_an_id_from_the_future_hides_nothing() -> None:
    assert making._stamp("9" * 17) <= int(time.time() * 1_000_000) + 10_000_000
    assert making._stamp("x") == making._stamp("") == making._stamp("-1") == 0


async def test_the_statement_finds_what_stirs(session: AsyncSession) -> None:
    person = await make_person(session)
    actor = actor_for(person)
    step = StepTemplate("echo", {"message": "hello"})
    done = await submitting.submit(session, actor, Template((step,), tags=("gen",)))
    await submitting.submit(session, actor, Template((step,), tags=("other",)))
    found = await made.one(session, actor, done)
    assert found.status is Status.SUCCEEDED
    assert [one.id for one in (await made.page(session, actor)).items] == [done]
    statement = made._SQL["stirring"].replace("%s::bigint[]", ":people").replace("> %s", "> :since")
    since = datetime.fromisoformat("2020-01-01T00:00:00+00:00")
    rows = (await session.execute(text(statement), {"people": [person], "since": since})).all()
    assert [(row.person_id, row.id, row.status) for row in rows] == [(person, done, "succeeded")]
    assert rows[0].stamp > 1_600_000_000_000_000
