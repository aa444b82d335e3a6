"""Server-sent balances: one look for all, changes only, limits, and an end at shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import orjson
import pytest
from tests.factories.accounts import make_key, make_person
from tests.factories.buzz import give_buzz
from tests.factories.http import Client, make_settings
from tests.factories.live import living

from civitas.app.house import House
from civitas.domains.accounts.types import Scope
from civitas.domains.buzz.ledger import wallets
from civitas.domains.buzz.types import Currency
from civitas.faces.live.following import MOST_STREAMS, Following
from civitas.infra.db.readpool import ReadPool
from civitas.kit.errors import Limited


class Purses:
    """Reads that answer with what the test has put there, and count how often they were asked."""

    def __init__(self) -> None:
        self.yellow: dict[int, int] = {}
        self.asked: list[Sequence[int]] = []

    async def fetch(self, query: str, params: Any = None) -> list[tuple[Any, ...]]:
        (people,) = params
        self.asked.append(people)
        return [(person, "yellow", self.yellow.get(person, 0)) for person in people]

    def connection(self) -> Any:
        raise NotImplementedError


def followed(purses: Purses, look_s: float) -> Following[int, dict[Currency, int]]:
    return Following(partial(wallets.spendable, cast(ReadPool, purses)), look_s=look_s)


async def test_one_look_serves_everybody_and_only_changes_are_told() -> None:
    purses = Purses()
    following = followed(purses, 0.02)
    streams = [following.follow(person, 5) for person in (1, 2)]
    for stream in streams:
        first = await anext(stream)
        assert first is not None and first[Currency.YELLOW] == 0
    await asyncio.sleep(0.1)
    assert sorted(purses.asked[-1]) == [1, 2]
    # The first look tells what is there.
    for stream in streams:
        await anext(stream)
    purses.yellow[2] = 8
    told = await anext(streams[1])
    assert told is not None and told[Currency.YELLOW] == 8
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await anext(streams[0])
    for stream in streams:
        await stream.aclose()
    assert following.keys == 0
    await asyncio.sleep(0.05)
    looks = len(purses.asked)
    await asyncio.sleep(0.1)
    assert len(purses.asked) == looks


async def test_nobody_opens_too_many_and_silence_beats() -> None:
    following = followed(Purses(), 5)
    streams = [following.follow(7, 0.02) for _ in range(MOST_STREAMS)]
    for stream in streams:
        await anext(stream)
    assert await anext(streams[0]) is None
    with pytest.raises(Limited):
        await anext(following.follow(7, 1))
    await anext(following.follow(8, 1))
    await following.closed()
    for stream in streams:
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_strangers_and_narrow_keys_follow_nothing(client: Client) -> None:
    assert (await client.get("/api/live/balances")).status_code == 401
    async with client.house.database.unit() as session:
        person = await make_person(session)
    await client.use_key(person, scopes=Scope.USER_READ)
    assert (await client.get("/api/live/balances")).status_code == 403


def test_a_stream_tells_and_ends_with_the_server(own_dsn: str, tmp_path: Path) -> None:
    events: list[Any] = []

    async def begin(house: House) -> tuple[int, str]:
        async with house.database.unit() as session:
            person = await make_person(session)
            return person, await make_key(session, person)

    with living(make_settings(tmp_path), own_dsn) as live:
        person, key = live.do(begin)

        async def give(house: House) -> None:
            async with house.database.unit() as session:
                await give_buzz(session, person, 12)

        headers = {"authorization": f"Bearer {key}"}
        with httpx.stream("GET", f"{live.url}/api/live/balances", headers=headers, timeout=20) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert stream.headers["cache-control"] == "no-store"
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    events.append(orjson.loads(line[6:]))
                    if len(events) == 1:
                        live.do(give)
                    else:
                        break
    assert [event["shown"]["total"] for event in events] == ["0", "12"]
    assert events[1]["balances"] == {"blue": 0, "green": 0, "yellow": 12, "total": 12}
