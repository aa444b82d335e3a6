"""Passkeys, with an authenticator in software."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.accounts.authenticator import PRESENT, Authenticator
from tests.domains.accounts.conftest import Post, SignIn
from tests.domains.accounts.test_totp import turn_on
from tests.factories.accounts import make_person

from civitas.domains.accounts import passkeys, sessions, signing_in
from civitas.domains.accounts.passkeys import RelyingParty
from civitas.domains.accounts.tables import Passkey, Person
from civitas.domains.accounts.types import Actor
from civitas.infra.db.database import Database
from civitas.kit import clock
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid, NotFound, Unauthorised

PARTY = RelyingParty("hub.example.org", "Testhub", ("https://hub.example.org",))


async def register(session: AsyncSession, actor: Actor, device: Authenticator) -> passkeys.PasskeyInfo:
    challenge = await passkeys.begin_registration(session, actor, party=PARTY)
    return await passkeys.finish_registration(
        session,
        actor,
        ticket=challenge.ticket,
        answer=device.register(challenge.options),
        name=" My\tphone ",
        party=PARTY,
    )


async def sign_in_with(session: AsyncSession, device: Authenticator, **changes: Any) -> sessions.SignedIn:
    challenge = await passkeys.begin_sign_in(session, party=PARTY)
    return await passkeys.finish_sign_in(
        session, ticket=challenge.ticket, answer=device.sign(challenge.options, **changes), party=PARTY
    )


async def test_registering_and_signing_in_without_a_name(
    session: AsyncSession, ada: Actor, post: Post
) -> None:
    device = Authenticator()
    info = await register(session, ada, device)
    assert info.name == "My phone" and await passkeys.mine(session, ada) == [info]
    handle = await session.scalar(select(Person.handle).where(Person.id == ada.id))
    assert handle is not None and device.handle == handle.bytes
    assert "passkey" in (await post.deliver())[0].text
    done = await sign_in_with(session, device)
    assert done.actor.id == ada.id
    assert await signing_in.actor_of_session(session, done.token) == done.actor
    again = await sign_in_with(session, device)
    assert again.token != done.token
    assert (await passkeys.mine(session, ada))[0].last_used_at is not None


async def test_options_ask_for_a_resident_verified_key(session: AsyncSession, ada: Actor) -> None:
    first = await passkeys.begin_registration(session, ada, party=PARTY)
    assert first.options["rp"] == {"name": "Testhub", "id": "hub.example.org"}
    assert first.options["authenticatorSelection"]["residentKey"] == "required"
    assert first.options["authenticatorSelection"]["userVerification"] == "required"
    device = Authenticator()
    info = await register(session, ada, device)
    second = await passkeys.begin_registration(session, ada, party=PARTY)
    assert len(second.options["excludeCredentials"]) == 1
    assert second.options["challenge"] != first.options["challenge"]
    assert info.id == (await session.scalar(select(Passkey.id)))


async def test_a_passkey_is_both_steps(session: AsyncSession, ada: Actor) -> None:
    await turn_on(session, ada)
    device = Authenticator()
    await register(session, ada, device)
    assert (await sign_in_with(session, device)).actor.id == ada.id


async def test_one_device_cannot_be_registered_twice(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    device = Authenticator()
    await register(session, ada, device)
    with pytest.raises(Conflict):
        await register(session, bob, device)


async def test_a_registration_ticket_is_for_one_person_once(
    session: AsyncSession, ada: Actor, bob: Actor
) -> None:
    challenge = await passkeys.begin_registration(session, ada, party=PARTY)
    answer = Authenticator().register(challenge.options)
    finish = {"ticket": challenge.ticket, "answer": answer, "name": "x", "party": PARTY}
    with pytest.raises(Invalid) as caught:
        await passkeys.finish_registration(session, bob, **finish)
    assert caught.value.code == "challenge_expired"
    await passkeys.finish_registration(session, ada, **finish)
    with pytest.raises(Invalid):
        await passkeys.finish_registration(session, ada, **finish)


async def test_challenges_expire(session: AsyncSession, ada: Actor) -> None:
    device = Authenticator()
    await register(session, ada, device)
    challenge = await passkeys.begin_sign_in(session, party=PARTY)
    with clock.held_at(clock.now() + passkeys.LIFETIME):
        with pytest.raises(Invalid) as caught:
            await passkeys.finish_sign_in(
                session, ticket=challenge.ticket, answer=device.sign(challenge.options), party=PARTY
            )
    assert caught.value.code == "challenge_expired"


async def test_an_answer_cannot_be_replayed(session: AsyncSession, ada: Actor) -> None:
    device = Authenticator()
    await register(session, ada, device)
    challenge = await passkeys.begin_sign_in(session, party=PARTY)
    answer = device.sign(challenge.options)
    await passkeys.finish_sign_in(session, ticket=challenge.ticket, answer=answer, party=PARTY)
    with pytest.raises(Invalid):
        await passkeys.finish_sign_in(session, ticket=challenge.ticket, answer=answer, party=PARTY)
    other = await passkeys.begin_sign_in(session, party=PARTY)
    with pytest.raises(Unauthorised):
        await passkeys.finish_sign_in(session, ticket=other.ticket, answer=answer, party=PARTY)


async def test_a_copy_whose_counter_went_back_is_refused(session: AsyncSession, ada: Actor) -> None:
    device = Authenticator()
    await register(session, ada, device)
    copy = Authenticator(key=device.key, credential_id=device.credential_id, handle=device.handle)
    await sign_in_with(session, device)
    await sign_in_with(session, device)
    with pytest.raises(Unauthorised) as caught:
        await sign_in_with(session, copy)
    assert caught.value.code == "unknown_passkey"


async def test_wrong_answers_are_all_alike(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    device, other = Authenticator(), Authenticator()
    await register(session, ada, device)
    await register(session, bob, other)
    told = set()
    for wrong in (
        {"signature": b"nonsense"},
        {"rp_id": "evil.example.org"},
        {"handle": other.handle},
    ):
        with pytest.raises(Unauthorised) as caught:
            await sign_in_with(session, device, **wrong)
        told.add((caught.value.code, caught.value.message))
    for mutant in (
        Authenticator(origin="https://evil.example.org", key=device.key, handle=device.handle),
        Authenticator(flags=PRESENT, key=device.key, handle=device.handle),
        Authenticator(handle=device.handle),
        Authenticator(key=other.key, handle=device.handle),
    ):
        mutant.credential_id, mutant.count = device.credential_id, 100
        with pytest.raises(Unauthorised) as caught:
            await sign_in_with(session, mutant)
        told.add((caught.value.code, caught.value.message))
    with pytest.raises(Unauthorised) as caught:
        await sign_in_with(session, Authenticator(handle=device.handle))
    told.add((caught.value.code, caught.value.message))
    assert len(told) == 1


async def test_registration_wants_our_origin_and_a_verified_user(session: AsyncSession, ada: Actor) -> None:
    for device in (Authenticator(origin="https://evil.example.org"), Authenticator(flags=PRESENT)):
        with pytest.raises(Invalid) as caught:
            await register(session, ada, device)
        assert caught.value.code == "bad_passkey"
    assert await passkeys.mine(session, ada) == []


HOSTILE: list[Any] = [
    "",
    "null",
    "[]",
    "{",
    "{}",
    '{"rawId": 5}',
    '{"rawId": "AA", "response": null}',
    '{"rawId": "é", "response": {}}',
    '{"rawId": "AAAA", "response": {"userHandle": 7}}',
    "[" * 20_000,
    {"rawId": "AA" * 20_000, "response": {}},
    {"rawId": "AAAA", "response": {"clientDataJSON": "e30", "authenticatorData": "", "signature": ""}},
    {"rawId": object()},
    {1: 2},
]


@pytest.mark.parametrize("answer", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_answers_are_faults(session: AsyncSession, ada: Actor, answer: Any) -> None:
    begun = await passkeys.begin_sign_in(session, party=PARTY)
    with pytest.raises((Invalid, Unauthorised)):
        await passkeys.finish_sign_in(session, ticket=begun.ticket, answer=answer, party=PARTY)
    challenge = await passkeys.begin_registration(session, ada, party=PARTY)
    with pytest.raises(Invalid):
        await passkeys.finish_registration(
            session, ada, ticket=challenge.ticket, answer=answer, name="x", party=PARTY
        )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_broken_answers_are_faults(session: AsyncSession, ada: Actor, data: st.DataObject) -> None:
    challenge = await passkeys.begin_registration(session, ada, party=PARTY)
    device = Authenticator()
    answer = device.register(challenge.options)
    part = data.draw(st.sampled_from(["clientDataJSON", "attestationObject"]))
    text = answer["response"][part]
    at = data.draw(st.integers(0, len(text) - 1))
    answer["response"][part] = text[:at] + data.draw(st.text("AZaz09-_=é", max_size=5)) + text[at + 1 :]
    try:
        async with session.begin_nested():
            await passkeys.finish_registration(
                session,
                ada,
                ticket=challenge.ticket,
                answer=json.dumps(answer) if data.draw(st.booleans()) else answer,
                name="x",
                party=PARTY,
            )
            raise Conflict("it was fine after all")
    except Fault as fault:
        assert fault.kind in {"invalid", "conflict"}


async def test_the_last_way_in_cannot_be_removed(session: AsyncSession, sign_in: SignIn, bob: Actor) -> None:
    actor = await sign_in(await make_person(session, email=None, email_verified_at=None))
    first = await register(session, actor, Authenticator())
    second = await register(session, actor, Authenticator())
    with pytest.raises(NotFound):
        await passkeys.remove(session, bob, passkey_id=first.id)
    await passkeys.rename(session, actor, passkey_id=second.id, name="Yellow key")
    await passkeys.remove(session, actor, passkey_id=first.id)
    with pytest.raises(Conflict) as caught:
        async with session.begin_nested():
            await passkeys.remove(session, actor, passkey_id=second.id)
    assert caught.value.code == "last_way_in"
    assert [key.name for key in await passkeys.mine(session, actor)] == ["Yellow key"]


async def test_proving_again_by_passkey(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    device = Authenticator()
    await register(session, ada, device)
    with clock.held_at(clock.now() + timedelta(hours=1)):
        for actor in (bob, ada):
            challenge = await passkeys.begin_sign_in(session, party=PARTY)
            prove = passkeys.prove_again(
                session,
                actor,
                ticket=challenge.ticket,
                answer=device.sign(challenge.options),
                party=PARTY,
            )
            if actor is bob:
                with pytest.raises(Forbidden):
                    await prove
            else:
                assert (await prove).actor.proved_at == clock.now()


async def test_a_banned_person_cannot_enter_by_passkey(session: AsyncSession, ada: Actor) -> None:
    device = Authenticator()
    await register(session, ada, device)
    await session.execute(update(Person).where(Person.id == ada.id).values(status="banned"))
    with pytest.raises(Forbidden):
        await sign_in_with(session, device)


async def test_one_answer_sent_twice_at_once_opens_one_session(own_dsn: str) -> None:
    database, device = Database(own_dsn), Authenticator()
    try:
        async with database.unit() as session:
            person = await make_person(session)
            actor = (await sessions.open_session(session, person, method="password")).actor
            await register(session, actor, device)
            challenge = await passkeys.begin_sign_in(session, party=PARTY)
        answer = device.sign(challenge.options)

        async def enter() -> str:
            try:
                async with database.unit() as session:
                    await passkeys.finish_sign_in(
                        session, ticket=challenge.ticket, answer=answer, party=PARTY
                    )
            except Fault as fault:
                return fault.code
            return "in"

        assert sorted(await asyncio.gather(enter(), enter())) == ["challenge_expired", "in"]
    finally:
        await database.close()
