"""Proving who one is, and being recognised."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.accounts.conftest import Post, SignIn
from tests.factories.accounts import actor_for, make_key, make_person

from civitas.domains.accounts import hashing, keys, passwords, sessions, signing_in
from civitas.domains.accounts.sessions import Browser, SignedIn
from civitas.domains.accounts.tables import Person, PersonSession
from civitas.domains.accounts.types import Actor
from civitas.infra.db.database import Database
from civitas.kit import clock
from civitas.kit.errors import Fault, Forbidden, Invalid, NotFound, Unauthorised

PASSWORD = "open sesame now"


@pytest.fixture(scope="module")
async def stored() -> str:
    return await hashing.make_hash(PASSWORD)


async def test_by_name_or_address_in_any_capitals(session: AsyncSession, stored: str) -> None:
    person = await make_person(session, "Ada_L", email="ada@example.org", password_hash=stored)
    for login in ("Ada_L", "ADA_l", " ada_l ", "Ada@Example.ORG"):
        done = await signing_in.by_password(session, login=login, password=PASSWORD)
        assert isinstance(done, SignedIn) and done.actor.id == person


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("ada_l", "wrong password"),
        ("nobody", PASSWORD),
        ("nobody@example.org", PASSWORD),
        ("passwordless", PASSWORD),
        ("passwordless", ""),
        ("", ""),
        ("ada\0", PASSWORD),
        ("a" * 10_000, PASSWORD),
        ("@", PASSWORD),
        ("ada_l", "x" * 100_000),
        ("civitas", ""),
    ],
)
async def test_every_failure_looks_the_same(
    session: AsyncSession, stored: str, login: str, password: str
) -> None:
    await make_person(session, "ada_l", password_hash=stored)
    await make_person(session, "passwordless")
    with pytest.raises(Unauthorised) as caught:
        await signing_in.by_password(session, login=login, password=password)
    assert (caught.value.code, caught.value.message) == (
        "wrong_credentials",
        "The name or password is wrong.",
    )


async def test_nobody_costs_the_same_work_as_somebody(stored: str) -> None:
    assert hashing._nobody().split("$")[:4] == stored.split("$")[:4]
    assert await hashing.verify(PASSWORD, stored) == (True, None)
    assert await hashing.verify("nobody has this password", None) == (False, None)


async def test_a_weaker_hash_is_renewed(session: AsyncSession) -> None:
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    weak = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8192, parallelism=1),)).hash(PASSWORD)
    person = await make_person(session, "old_one", password_hash=weak)
    await signing_in.by_password(session, login="old_one", password=PASSWORD)
    renewed = await session.scalar(select(Person.password_hash).where(Person.id == person))
    assert renewed != weak and renewed is not None and renewed.startswith("$argon2id$")


async def test_a_banned_person_hears_it_only_with_the_right_password(
    session: AsyncSession, stored: str
) -> None:
    await make_person(session, "outlaw", password_hash=stored, status="banned", ban_code="Other")
    with pytest.raises(Unauthorised):
        await signing_in.by_password(session, login="outlaw", password="wrong password")
    with pytest.raises(Forbidden) as caught:
        await signing_in.by_password(session, login="outlaw", password=PASSWORD)
    assert caught.value.code == "banned"


async def test_passwords_are_the_same_in_every_unicode_form(session: AsyncSession) -> None:
    composed, decomposed = "caf\u00e9 au lait", "cafe\u0301 au lait"
    await make_person(session, "cafe", password_hash=await hashing.make_hash(composed))
    assert isinstance(await signing_in.by_password(session, login="cafe", password=decomposed), SignedIn)


async def test_a_session_recognises_its_person(session: AsyncSession) -> None:
    person = await make_person(session, "Ada", role="moderator", muted_until=clock.now() + timedelta(hours=1))
    opened = await sessions.open_session(session, person, method="password")
    actor = await signing_in.actor_of_session(session, opened.token)
    assert actor == opened.actor and actor is not None
    assert (actor.via, actor.is_moderator, actor.muted, actor.mask) == ("session", True, True, 3)
    row = (await session.scalars(select(PersonSession))).one()
    assert opened.token.encode() not in row.digest


@pytest.mark.parametrize("token", ["", "x", "\0", "é", "a" * 100_000])
async def test_made_up_tokens_are_nobody(session: AsyncSession, token: str) -> None:
    assert await signing_in.actor_of_session(session, token) is None
    assert await keys.actor_of_key(session, token) is None


async def test_the_mature_mask_needs_an_adult_who_asked(session: AsyncSession) -> None:
    for columns, mask in (
        ({"show_mature": True, "browsing_level": 31}, 3),
        ({"adult_confirmed_at": clock.now(), "browsing_level": 31}, 3),
        ({"adult_confirmed_at": clock.now(), "show_mature": True, "browsing_level": 29}, 29),
        ({"browsing_level": 1}, 1),
        ({"browsing_level": 16}, 1),
    ):
        person = await make_person(session, **columns)
        assert (await sessions.open_session(session, person, method="password")).actor.mask == mask


async def test_a_session_slides_at_most_once_a_minute(session: AsyncSession) -> None:
    start = clock.now()
    with clock.held_at(start):
        opened = await sessions.open_session(session, await make_person(session), method="password")

    async def ends() -> object:
        return await session.scalar(
            select(PersonSession.expires_at).execution_options(populate_existing=True)
        )

    with clock.held_at(start + timedelta(seconds=59)):
        await signing_in.actor_of_session(session, opened.token)
    assert await ends() == opened.expires_at
    with clock.held_at(start + timedelta(days=29)):
        await signing_in.actor_of_session(session, opened.token)
    assert await ends() == start + timedelta(days=59)
    with clock.held_at(start + timedelta(days=60)):
        assert await signing_in.actor_of_session(session, opened.token) is None


async def test_no_session_lasts_beyond_a_year(session: AsyncSession) -> None:
    start = clock.now()
    with clock.held_at(start):
        opened = await sessions.open_session(session, await make_person(session), method="password")
    for day in range(20, 365, 20):
        with clock.held_at(start + timedelta(days=day)):
            assert await signing_in.actor_of_session(session, opened.token) is not None
    with clock.held_at(start + timedelta(days=366)):
        assert await signing_in.actor_of_session(session, opened.token) is None


async def test_a_reading_transaction_only_reads(own_dsn: str) -> None:
    database = Database(own_dsn)
    try:
        async with database.unit() as session:
            person = await make_person(session)
            token = (await sessions.open_session(session, person, method="password")).token
            key = await make_key(session, person)
        with clock.held_at(clock.now() + timedelta(hours=1)):
            async with database.reading() as session:
                assert await signing_in.actor_of_session(session, token) is not None
                assert await keys.actor_of_key(session, key) is not None
                used = (await session.execute(text("SELECT last_used_at FROM api_keys"))).scalar()
                assert used is None
            async with database.unit() as session:
                assert await keys.actor_of_key(session, key) is not None
                used = (await session.execute(text("SELECT last_used_at FROM api_keys"))).scalar()
                assert used == clock.now()
    finally:
        await database.close()


async def test_rotation_kills_the_old_secret(session: AsyncSession) -> None:
    opened = await sessions.open_session(session, await make_person(session), method="password")
    fresh = await sessions.rotate(session, opened.actor)
    assert fresh.token != opened.token and fresh.actor.session_id == opened.actor.session_id
    assert await signing_in.actor_of_session(session, opened.token) is None
    assert await signing_in.actor_of_session(session, fresh.token) == fresh.actor


async def test_the_list_shows_this_browser_and_revokes_others(session: AsyncSession, bob: Actor) -> None:
    person = await make_person(session, "Eve")
    opened = [
        await sessions.open_session(
            session, person, method="password", browser=Browser(f"Browser {n}\x07<script>" + "x" * 900, "::1")
        )
        for n in range(3)
    ]
    me = opened[0].actor
    listed = await sessions.mine(session, me)
    assert len(listed) == 3 and [s.id for s in listed if s.current] == [me.session_id]
    assert all(len(s.user_agent) <= 400 and "\x07" not in s.user_agent for s in listed)
    with pytest.raises(NotFound):
        await sessions.revoke(session, bob, session_id=listed[0].id)
    await sessions.revoke(session, me, session_id=opened[1].actor.session_id or 0)
    assert await signing_in.actor_of_session(session, opened[1].token) is None
    assert await sessions.revoke_others(session, me) == 1
    assert [s.current for s in await sessions.mine(session, me)] == [True]
    assert await signing_in.actor_of_session(session, opened[0].token) is not None
    await sessions.end(session, me)
    assert await signing_in.actor_of_session(session, opened[0].token) is None


async def test_old_sessions_give_way(session: AsyncSession) -> None:
    person = await make_person(session)
    start = clock.now()
    tokens = []
    for minute in range(sessions.MOST + 2):
        with clock.held_at(start + timedelta(minutes=minute)):
            tokens.append((await sessions.open_session(session, person, method="password")).token)
    with clock.held_at(start + timedelta(minutes=60)):
        alive = [await signing_in.actor_of_session(session, token) is not None for token in tokens]
    assert alive == [False, False] + [True] * sessions.MOST


async def test_a_key_cannot_touch_sessions(session: AsyncSession) -> None:
    by_key = actor_for(await make_person(session), via="key", key_id=1)
    for use in (sessions.rotate(session, by_key), sessions.revoke_others(session, by_key)):
        with pytest.raises(Forbidden) as caught:
            await use
        assert caught.value.code == "session_needed"


async def test_proving_again_is_asked_for_after_half_an_hour(session: AsyncSession, stored: str) -> None:
    person = await make_person(session, password_hash=stored)
    opened = await sessions.open_session(session, person, method="password")
    with clock.held_at(clock.now() + timedelta(minutes=31)):
        with pytest.raises(Forbidden) as caught:
            signing_in.totp.require_fresh(opened.actor)
        assert caught.value.code == "prove_again"
        with pytest.raises(Unauthorised):
            await signing_in.prove_again(session, opened.actor, password="wrong password")
        proved = await signing_in.prove_again(session, opened.actor, password=PASSWORD)
        assert signing_in.totp.require_fresh(proved.actor) == person
        assert proved.token != opened.token


async def test_a_mailed_link_signs_in_once(session: AsyncSession, post: Post) -> None:
    person = await make_person(session, "Ada", email="ada@example.org", email_verified_at=None)
    await signing_in.request_link(session, email="ADA@example.org")
    secret = await post.secret()
    done = await signing_in.by_link(session, token=secret)
    assert isinstance(done, SignedIn) and (done.actor.id, done.actor.verified) == (person, True)
    with pytest.raises(Invalid):
        await signing_in.by_link(session, token=secret)


async def test_a_link_for_nobody_is_never_mailed(session: AsyncSession, post: Post) -> None:
    await make_person(session, "Gone", email="out@example.org", status="banned")
    await signing_in.request_link(session, email="nobody@example.org")
    await signing_in.request_link(session, email="out@example.org")
    await passwords.request_reset(session, email="nobody@example.org")
    assert await post.deliver() == []


async def test_a_reset_sets_the_password_and_ends_sessions(
    session: AsyncSession, stored: str, post: Post, sign_in: SignIn
) -> None:
    person = await make_person(session, "Ada", email="ada@example.org", password_hash=stored)
    opened = await sessions.open_session(session, person, method="password")
    await passwords.request_reset(session, email="ada@example.org")
    secret = await post.secret()
    assert await passwords.can_reset(session, token=secret)
    with pytest.raises(Invalid) as caught:
        async with session.begin_nested():
            await passwords.reset(session, token=secret, new="short")
    assert caught.value.code == "weak_password"
    assert await passwords.reset(session, token=secret, new="a brand new one") == person
    assert await signing_in.actor_of_session(session, opened.token) is None
    with pytest.raises(Unauthorised):
        await signing_in.by_password(session, login="Ada", password=PASSWORD)
    assert await signing_in.by_password(session, login="Ada", password="a brand new one")
    with pytest.raises(Invalid):
        await passwords.reset(session, token=secret, new="yet another one")
    (mail,) = await post.deliver()
    assert "password" in mail.subject


async def test_a_reset_voids_links_asked_for_before(session: AsyncSession, post: Post) -> None:
    await make_person(session, "Ada", email="ada@example.org")
    await passwords.request_reset(session, email="ada@example.org")
    first = await post.secret()
    await signing_in.request_link(session, email="ada@example.org")
    second = await post.secret()
    await passwords.reset(session, token=first, new="a brand new one")
    with pytest.raises(Invalid):
        await signing_in.by_link(session, token=second)


async def test_changing_a_password_needs_the_old_one(session: AsyncSession, stored: str) -> None:
    person = await make_person(session, password_hash=stored)
    here = await sessions.open_session(session, person, method="password")
    there = await sessions.open_session(session, person, method="password")
    for wrong in (None, "", "wrong password"):
        with pytest.raises(Invalid) as caught:
            await passwords.change(session, here.actor, current=wrong, new="a brand new one")
        assert caught.value.code == "wrong_password"
    changed = await passwords.change(session, here.actor, current=PASSWORD, new="a brand new one")
    assert await signing_in.actor_of_session(session, there.token) is None
    assert await signing_in.actor_of_session(session, here.token) is None
    assert await signing_in.actor_of_session(session, changed.token) is not None


async def test_a_first_password_needs_a_fresh_proof(session: AsyncSession) -> None:
    opened = await sessions.open_session(session, await make_person(session), method="link")
    with clock.held_at(clock.now() + timedelta(hours=1)):
        with pytest.raises(Forbidden):
            await passwords.change(session, opened.actor, current=None, new="a brand new one")
    await passwords.change(session, opened.actor, current=None, new="a brand new one")
    assert await passwords.has_password(session, opened.actor)


async def test_the_sweep_removes_what_expired(session: AsyncSession) -> None:
    person = await make_person(session)
    await sessions.open_session(session, person, method="password")
    await session.execute(update(PersonSession).values(expires_at=clock.now() - timedelta(seconds=1)))
    kept = await sessions.open_session(session, person, method="password")
    assert await signing_in.sweep(session) == 1
    assert await signing_in.actor_of_session(session, kept.token) is not None


async def test_a_deleted_person_cannot_be_signed_in(session: AsyncSession) -> None:
    gone = await make_person(session)
    bare = {"username": None, "username_folded": None, "email": None, "email_folded": None}
    await session.execute(update(Person).where(Person.id == gone).values(status="deleted", **bare))
    with pytest.raises(Fault):
        await sessions.open_session(session, gone, method="password")
