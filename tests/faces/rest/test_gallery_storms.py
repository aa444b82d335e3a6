"""Storms of reactions and cursors by hand: bounded, refused clearly, nothing lost."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.factories.accounts import make_person
from tests.factories.feeds import make_image
from tests.factories.http import Client, make_settings, serving
from tests.flows import story
from tests.flows.story import API

from civitas.domains.gallery.feeds.tables import Reaction
from civitas.infra.db.database import BoundDatabase
from civitas.infra.limiting.limiter import PostgresLimiter
from civitas.infra.limiting.settings import LimitSettings


async def test_a_storm_of_reactions_is_told_to_wait_and_what_was_taken_stays(
    units: BoundDatabase, connection: AsyncConnection, tmp_path: Path
) -> None:
    few = LimitSettings(reaction_per_minute=4)
    async with serving(units, connection, make_settings(tmp_path, limits=few)) as client:
        client.state.limiter = PostgresLimiter(units)
        await story.new_program(client)
        async with client.house.database.unit() as session:
            owner = await make_person(session)
            images = [await make_image(session, owner) for _ in range(6)]
        answers = [await client.put(f"{API}/reactions/image/{one}/like") for one in images]
        assert [one.status_code for one in answers] == [204] * 4 + [429] * 2
        assert answers[-1].json()["code"] == "rate_limited" and int(answers[-1].headers["retry-after"]) > 0
        withdrawn = await client.delete(f"{API}/reactions/image/{images[0]}/like")
        assert withdrawn.status_code == 429, "taking back counts as well, or a storm would go on by turns"
        # The same bound holds for the buttons of pages.
        page = await client.post(f"/reactions/image/{images[5]}", data={"reaction": "like:on"})
        assert page.status_code == 429
        async with client.house.database.reading() as session:
            assert await session.scalar(select(func.count()).select_from(Reaction)) == 4


def _cursor(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


CURSORS = (
    "x", "%", "-1", "0", "'; DROP TABLE posts; --", "\u0000", "A" * 5000, _cursor(b"[]"), _cursor(b"null"), _cursor(b"{}"),
    _cursor(b'["Newest", "2026-01-01T00:00:00", 1]'), _cursor(b'["Newest", "never", 1]'), _cursor(b'["Newest", 5, 1]'),
    _cursor(b'["Oldest", "2026-01-01T00:00:00+00:00", 1]'), _cursor(b'["Newest", "2026-01-01T00:00:00+00:00", 1e400]'),
    _cursor(b'["Newest", "2026-01-01T00:00:00+00:00", 99999999999999999999999]'), _cursor(b"[" * 200),
    _cursor(b'["Most Reactions", 99999999999, 1]'), _cursor(b'["Random", 1, 1, 1, 1]'),
)  # fmt: skip
LISTS = (
    f"{API}/images?", f"{API}/images?sort=Random&", f"{API}/images?sort=Most+Reactions&", f"{API}/posts?", f"{API}/collections?",
    f"{API}/articles?", f"{API}/notifications?", f"{API}/chats?", "/images?", "/images/mine?", "/posts?", "/posts/mine?",
    "/collections?", "/articles?", "/notifications?", "/following?",
)  # fmt: skip


@pytest.mark.parametrize("address", LISTS)
async def test_cursors_by_hand_are_refused_in_a_sentence(client: Client, address: str) -> None:
    await story.new_member(client)
    for cursor in CURSORS:
        answer = await client.get(
            address + "cursor=" + cursor.replace("%", "%25").replace("\0", "%00"),
            headers={"accept": "application/json"},
        )
        assert answer.status_code < 500, (address, cursor[:60], answer.text[:200])
        if cursor == "x":
            assert answer.status_code in (400, 422), (address, answer.status_code)
