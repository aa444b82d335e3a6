"""API keys and scopes."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.accounts.conftest import Post
from tests.factories.accounts import actor_for, make_key, make_person

from civitas.domains.accounts import keys
from civitas.domains.accounts.tables import ApiKey
from civitas.domains.accounts.types import PRESETS, Actor, Scope
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound

SINGLE = [Scope(1 << bit) for bit in range(27)]


def test_the_presets_are_the_sums_of_their_bits() -> None:
    read = [scope for scope in SINGLE if str(scope.name).endswith("_READ")]
    assert PRESETS["ReadOnly"] == reduce(or_, read) == 10701093
    creator = [
        *read,
        Scope.MODELS_WRITE,
        Scope.MEDIA_WRITE,
        Scope.ARTICLES_WRITE,
        Scope.BOUNTIES_WRITE,
        Scope.COLLECTIONS_WRITE,
        Scope.SOCIAL_WRITE,
    ]
    assert PRESETS["Creator"] == reduce(or_, creator) == 11492205
    ai = (Scope.USER_READ, Scope.AI_SERVICES_READ, Scope.AI_SERVICES_WRITE, Scope.BUZZ_READ)
    assert PRESETS["AIServices"] == reduce(or_, ai) == 114689
    assert PRESETS["Full"] == reduce(or_, SINGLE[:25]) == 33554431
    assert reduce(or_, SINGLE) == keys.KNOWN_SCOPES


async def test_a_key_is_shown_once_and_stored_as_a_digest(
    session: AsyncSession, ada: Actor, post: Post
) -> None:
    made = await keys.create(session, ada, name="  My\nComfyUI ", scopes=int(Scope.MODELS_READ))
    assert re.fullmatch(r"civitas_[A-Za-z0-9_-]{43}", made.secret)
    assert made.info.name == "My ComfyUI" and made.secret.startswith(made.info.prefix)
    row = (await session.scalars(select(ApiKey))).one()
    stored = [str(getattr(row, column.key)) for column in ApiKey.__table__.columns]
    assert not any(made.secret[keys.SHOWN :] in value for value in stored)
    actor = await keys.actor_of_key(session, made.secret)
    assert actor is not None
    assert (actor.id, actor.via, actor.key_id) == (ada.id, "key", made.info.id)
    assert actor.scopes == Scope.MODELS_READ | Scope.USER_READ
    assert "API key" in (await post.deliver())[0].subject


@pytest.mark.parametrize("mask", [-1, 1 << 27, 2**63, True, int(Scope.FULL) | 1 << 40])
async def test_an_unknown_bit_refuses_the_whole_mask(session: AsyncSession, ada: Actor, mask: int) -> None:
    with pytest.raises(Invalid) as caught:
        await keys.create(session, ada, name="x", scopes=mask)
    assert caught.value.code == "invalid_scope"


async def test_scopes_bound_what_a_key_may_do(session: AsyncSession) -> None:
    person = await make_person(session)
    reader = await keys.actor_of_key(session, await make_key(session, person, scopes=Scope.READ_ONLY))
    assert reader is not None and reader.require(Scope.MODELS_READ) == person
    for use in (
        keys.create(session, reader, name="x"),
        keys.revoke(session, reader, key_id=1),
    ):
        with pytest.raises(Forbidden) as caught:
            await use
        assert caught.value.code == "insufficient_scope"


async def test_a_key_passes_on_only_what_it_has(session: AsyncSession) -> None:
    person = await make_person(session)
    secret = await make_key(
        session, person, scopes=Scope.USER_READ | Scope.USER_WRITE | Scope.MODELS_READ, days=10
    )
    parent = await keys.actor_of_key(session, secret)
    assert parent is not None
    with pytest.raises(Forbidden):
        await keys.create(session, parent, name="wider", scopes=int(Scope.MODELS_WRITE))
    for wish in (None, clock.now() + timedelta(days=100)):
        child = await keys.create(
            session, parent, name="child", scopes=int(Scope.MODELS_READ), expires_at=wish
        )
        assert child.info.expires_at is not None
        assert child.info.expires_at <= clock.now() + timedelta(days=10)


async def test_expired_keys_stop_and_are_listed_for_a_while(session: AsyncSession, ada: Actor) -> None:
    made = await keys.create(session, ada, name="short", expires_at=clock.now() + timedelta(days=1))
    with clock.held_at(clock.now() + timedelta(days=1, seconds=1)):
        assert await keys.actor_of_key(session, made.secret) is None
        assert [key.name for key in await keys.mine(session, ada)] == ["short"]
        assert await keys.sweep(session) == 0
    with clock.held_at(clock.now() + timedelta(days=92)):
        assert await keys.sweep(session) == 1


async def test_revoking_is_for_owners(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    made = await keys.create(session, ada, name="x")
    with pytest.raises(NotFound):
        await keys.revoke(session, bob, key_id=made.info.id)
    assert await keys.actor_of_key(session, made.secret) is not None
    await keys.revoke(session, ada, key_id=made.info.id)
    assert await keys.actor_of_key(session, made.secret) is None
    with pytest.raises(NotFound):
        await keys.revoke(session, ada, key_id=made.info.id)
    with pytest.raises(NotFound):
        await keys.revoke(session, ada, key_id=2**62)


async def test_last_use_is_written_once_a_minute(session: AsyncSession, ada: Actor) -> None:
    made = await keys.create(session, ada, name="x")
    start = clock.now()
    seen = []
    for second in (0, 30, 59, 61):
        with clock.held_at(start + timedelta(seconds=second)):
            await keys.actor_of_key(session, made.secret)
            seen.append((await keys.mine(session, ada))[0].last_used_at)
    assert seen == [start, start, start, start + timedelta(seconds=61)]


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("name", {"name": ""}),
        ("name", {"name": " \t\u202e "}),
        ("name", {"name": "x" * 61}),
        ("expiresAt", {"name": "x", "expires_at": datetime(2001, 1, 1).astimezone()}),
        ("expiresAt", {"name": "x", "expires_at": datetime(2999, 1, 1)}),  # noqa: DTZ001
        ("buzzLimit", {"name": "x", "buzz_limit": [{"kind": "sliding", "amount": 5}]}),
        ("buzzLimit", {"name": "x", "buzz_limit": [{"kind": "absolute", "amount": -5}]}),
        ("buzzLimit", {"name": "x", "buzz_limit": [{"kind": "absolute", "amount": 5, "hack": 1}]}),
        ("buzzLimit", {"name": "x", "buzz_limit": [{"kind": "absolute", "amount": 1}] * 21}),
    ],
)
async def test_bad_keys_are_refused_by_field(
    session: AsyncSession, ada: Actor, field: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(Invalid) as caught:
        await keys.create(session, ada, **arguments)
    assert field in caught.value.fields


async def test_buzz_limits_are_kept_and_changed_at_a_browser(session: AsyncSession, ada: Actor) -> None:
    rule = {"kind": "sliding", "amount": 500, "unit": "day", "window": 1}
    made = await keys.create(session, ada, name="x", buzz_limit=[rule])
    assert made.info.buzz_limit == [rule]
    await keys.set_limit(session, ada, key_id=made.info.id, buzz_limit=[{"kind": "absolute", "amount": 9}])
    assert (await keys.mine(session, ada))[0].buzz_limit == [{"kind": "absolute", "amount": 9}]
    with pytest.raises(Forbidden):
        await keys.set_limit(session, actor_for(ada.id or 0, via="key"), key_id=made.info.id, buzz_limit=None)


async def test_there_is_an_end_to_keys(session: AsyncSession, ada: Actor) -> None:
    for _ in range(keys.MOST):
        await make_key(session, ada.id or 0)
    with pytest.raises(Conflict):
        await keys.create(session, ada, name="one more")


async def test_keys_of_the_banned_do_nothing(session: AsyncSession) -> None:
    secret = await make_key(session, await make_person(session, status="banned"))
    assert await keys.actor_of_key(session, secret) is None
