"""Server-sent events of a thread: what others said since one looked, told once, and to those who may see it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from tests.factories.accounts import make_actor, make_follow, make_key, make_person
from tests.factories.catalog import make_model
from tests.factories.comments import make_topic, say
from tests.factories.http import Client, make_settings
from tests.factories.live import living

from civitas.app.house import House
from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.community.comments import keeping, stirring
from civitas.faces.live.commenting import Commenting, events
from civitas.faces.live.following import MOST_STREAMS, Following
from civitas.infra.db.readpool import ReadPool
from civitas.kit.errors import Limited


def commenting(reads: ReadPool, look_s: float = 0.02) -> Commenting:
    return Commenting(Following(lambda things: stirring.newest(reads, things), look_s=look_s))


async def told(stream: Any, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            event = (await anext(stream)).decode()
            if event.startswith("id:"):
                number, _, data = event.strip().split("\n")
                found.append(orjson.loads(data[6:]) | {"id": int(number[4:])})
    return found


async def stage(client: Client) -> tuple[Subject, Actor, Actor, int]:
    """A thing that is spoken about, two who speak, and what the second sees of it."""
    async with client.house.database.unit() as session:
        topic, owner = await make_topic(session)
        ben = await make_actor(session)
        first = await say(session, owner, topic)
    return topic, owner, ben, first.id


async def speak(client: Client, actor: Actor, topic: Subject, below: int | None = None) -> int:
    async with client.house.database.unit() as session:
        return (await say(session, actor, topic, below=below)).id


async def test_what_others_say_is_counted_from_what_is_shown(client: Client) -> None:
    topic, owner, ben, first = await stage(client)
    streams = commenting(client.house.reads)
    stream = events(streams, client.house.reads, ben.require(), topic, after=first, told=0)
    assert await anext(stream) == b"retry: 5000\n\n"
    waiting = asyncio.create_task(told(stream, 1))
    await asyncio.sleep(0.1)
    assert not waiting.done(), "what the page shows is not new"
    await speak(client, ben, topic)
    second = await speak(client, owner, topic, below=first)
    assert await waiting == [{"new": 1, "shown": "1", "id": second}]
    third = await speak(client, owner, topic)
    assert await told(stream, 1) == [{"new": 2, "shown": "2", "id": third}]
    assert streams.open == {ben.require(): 1}
    await stream.aclose()
    assert (streams.following.keys, streams.open) == (0, {})
    # Who comes back is told nothing twice, and what came meanwhile at once.
    again = events(streams, client.house.reads, ben.require(), topic, after=first, told=third)
    assert await anext(again) == b"retry: 5000\n\n"
    fourth = await speak(client, owner, topic)
    assert await told(again, 1) == [{"new": 3, "shown": "3", "id": fourth}]
    await again.aclose()


async def test_hidden_words_and_people_apart_are_not_new(client: Client) -> None:
    topic, owner, ben, first = await stage(client)
    async with client.house.database.unit() as session:
        eve = await make_actor(session)
        await make_follow(session, ben.require(), eve.require(), kind="hide")
        await say(session, eve, topic)
        gone = await say(session, owner, topic)
        await keeping.hide(session, owner, comment_id=gone.id)
    reads = client.house.reads
    assert await stirring.new_for(reads, ben.require(), topic, after=first) == 0
    assert await stirring.new_for(reads, owner.require(), topic, after=0) == 1
    nothing = Subject("image", 2**40)
    assert await stirring.newest(reads, [topic, nothing]) == {topic: gone.id, nothing: 0}


async def test_nobody_opens_too_many(client: Client) -> None:
    topic, _, ben, first = await stage(client)
    streams = commenting(client.house.reads, look_s=5)
    opened = [
        events(streams, client.house.reads, ben.require(), topic, after=first, told=0)
        for _ in range(MOST_STREAMS)
    ]
    for stream in opened:
        await anext(stream)
    with pytest.raises(Limited):
        streams.admit(ben.require(), topic)
    await opened[0].aclose()
    streams.admit(ben.require(), topic)
    for stream in opened:
        await stream.aclose()


async def test_who_may_follow_what(client: Client) -> None:
    async with client.house.database.unit() as session:
        person = await make_person(session)
        draft = await make_model(session, await make_person(session))
    assert (await client.get("/api/live/comments/model/1")).status_code == 401
    await client.use_key(person, scopes=Scope.USER_READ)
    assert (await client.get("/api/live/comments/model/1")).status_code == 403
    await client.use_key(person)
    for path in (f"model/{draft}", "image/77777", "user/1", "nonsense/1"):
        assert (await client.get(f"/api/live/comments/{path}")).status_code == 404, path
    assert (await client.get("/api/live/comments/model/0")).status_code in (400, 422)


def test_the_stream_of_a_site_tells_and_ends_with_it(own_dsn: str, tmp_path: Path) -> None:
    async def begin(house: House) -> tuple[Subject, Actor, str]:
        async with house.database.unit() as session:
            topic, owner = await make_topic(session)
            return topic, owner, await make_key(session, await make_person(session))

    with living(make_settings(tmp_path), own_dsn) as live:
        topic, owner, key = live.do(begin)

        async def go_on(house: House) -> None:
            async with house.database.unit() as session:
                await say(session, owner, topic)

        headers = {"authorization": f"Bearer {key}"}
        url = f"{live.url}/api/live/comments/model/{topic.id}?after=0"
        with httpx.stream("GET", url, headers=headers, timeout=20) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.iter_lines()
            assert next(lines) == "retry: 5000"
            live.do(go_on)
            data = next(line for line in lines if line.startswith("data: "))
            assert orjson.loads(data[6:]) == {"new": 1, "shown": "1"}
