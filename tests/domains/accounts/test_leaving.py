"""Deleting, restoring, exporting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.accounts.authenticator import Authenticator
from tests.domains.accounts.conftest import SECRET, Post
from tests.domains.accounts.test_passkeys import PARTY, sign_in_with
from tests.domains.accounts.test_totp import turn_on
from tests.factories.accounts import make_actor, make_follow, make_key, make_person

from civitas.domains.accounts import (
    exports,
    following,
    keys,
    leaving,
    passkeys,
    profiles,
    queries,
    sessions,
    signing_in,
    social,
    standing,
)
from civitas.domains.accounts.tables import Departure, Person
from civitas.domains.accounts.types import SYSTEM_ID, Actor, Relation, Role
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, NotFound


async def furnish(session: AsyncSession, actor: Actor, other: Actor) -> tuple[Authenticator, str, list[str]]:
    """Give a person everything that an account can have."""
    device = Authenticator()
    challenge = await passkeys.begin_registration(session, actor, party=PARTY)
    answer = device.register(challenge.options)
    await passkeys.finish_registration(
        session, actor, ticket=challenge.ticket, answer=answer, name="phone", party=PARTY
    )
    await social.link(session, actor, profile=social.Elsewhere("github", "g1", "Ada"))
    _, codes = await turn_on(session, actor)
    key = (await keys.create(session, actor, name="x")).secret
    await profiles.edit(session, actor, changes=profiles.ProfileEdit(bio="I was here"))
    await following.decide(session, actor, target_id=other.id or 0, relation=Relation.FOLLOW)
    await following.decide(session, other, target_id=actor.id or 0, relation=Relation.FOLLOW)
    return device, key, codes


async def leave(session: AsyncSession, actor: Actor) -> None:
    await leaving.delete_account(session, actor, remove_models=False, remove_images=True)


async def test_leaving_closes_every_door_at_once(
    session: AsyncSession, ada: Actor, bob: Actor, post: Post
) -> None:
    device, key, _ = await furnish(session, ada, bob)
    opened = await sessions.open_session(session, ada.id or 0, method="password")
    await signing_in.request_link(session, email="ada@example.org")
    await leave(session, ada)
    assert await signing_in.actor_of_session(session, opened.token) is None
    assert await keys.actor_of_key(session, key) is None
    with pytest.raises(Exception, match="passkey"):
        await sign_in_with(session, device)
    mails = await post.deliver()
    assert not any("token=" in mail.text for mail in mails)
    assert [mail.to for mail in mails if "deleted" in mail.subject] == ["ada@example.org"]
    row = (await session.execute(select(Person).where(Person.id == ada.id))).scalar_one()
    assert (row.username, row.email, row.email_folded, row.password_hash, row.status) == (
        None, None, None, None, "deleted",
    )  # fmt: skip
    with pytest.raises(NotFound):
        await queries.by_username(session, "Ada")
    card = await queries.by_id(session, ada.id or 0)
    assert (card.username, card.status) == (queries.DELETED_NAME, "deleted")
    counts = select(Person.follower_count, Person.following_count)
    assert tuple((await session.execute(counts.where(Person.id == bob.id))).one()) == (0, 0)


async def test_the_name_and_address_are_free_again(session: AsyncSession, ada: Actor) -> None:
    await leave(session, ada)
    await make_person(session, "ADA", email="ada@example.org")


async def test_leaving_needs_a_fresh_proof_at_a_browser(session: AsyncSession, ada: Actor) -> None:
    by_key = await keys.actor_of_key(session, await make_key(session, ada.id or 0))
    assert by_key is not None
    with pytest.raises(Forbidden):
        await leave(session, by_key)
    with clock.held_at(clock.now() + timedelta(hours=1)):
        with pytest.raises(Forbidden) as caught:
            await leave(session, ada)
    assert caught.value.code == "prove_again"


async def test_the_last_admin_cannot_leave(session: AsyncSession) -> None:
    root = await make_actor(session, role=Role.ADMIN)
    with pytest.raises(Conflict):
        await leave(session, root)


async def test_restoring_within_the_month(session: AsyncSession, ada: Actor, bob: Actor, post: Post) -> None:
    root = await make_actor(session, role=Role.ADMIN)
    await furnish(session, ada, bob)
    await leave(session, ada)
    with pytest.raises(Forbidden):
        await leaving.restore(session, bob, person_id=ada.id or 0, reason="They asked.")
    await leaving.restore(session, root, person_id=ada.id or 0, reason="They asked.")
    assert (await queries.by_username(session, "ada")).id == ada.id
    assert (await profiles.text_of(session, ada.id or 0)).bio == "I was here"
    await post.deliver()
    await signing_in.request_link(session, email="ada@example.org")
    done = await signing_in.by_link(session, token=await post.secret())
    assert isinstance(done, sessions.SignedIn) and done.actor.id == ada.id
    with pytest.raises(NotFound):
        await leaving.restore(session, root, person_id=ada.id or 0, reason="Again.")
    log = await standing.audit.page(session, root, about=ada.id)
    assert [deed.action for deed in log.items] == ["account.restore"]


async def test_a_taken_name_needs_another_one(session: AsyncSession, ada: Actor) -> None:
    root = await make_actor(session, role=Role.ADMIN)
    await leave(session, ada)
    await make_person(session, "ada", email="second@example.org")
    restore = {"person_id": ada.id or 0, "reason": "They asked."}
    with pytest.raises(Conflict) as caught:
        await leaving.restore(session, root, **restore)
    assert caught.value.code == "username_taken"
    await leaving.restore(session, root, **restore, username="Ada_Two")
    assert (await queries.by_username(session, "ada_two")).id == ada.id


async def test_a_taken_address_stops_the_return(session: AsyncSession, ada: Actor) -> None:
    root = await make_actor(session, role=Role.ADMIN)
    await leave(session, ada)
    await make_person(session, "other", email="ada@example.org")
    with pytest.raises(Conflict) as caught:
        await leaving.restore(session, root, person_id=ada.id or 0, reason="They asked.")
    assert caught.value.code == "email_taken"


async def test_after_the_month_nothing_is_left(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    root = await make_actor(session, role=Role.ADMIN)
    await profiles.edit(session, ada, changes=profiles.ProfileEdit(bio="I was here"))
    await make_follow(session, bob.id or 0, ada.id or 0, "block")
    await leave(session, ada)
    assert await leaving.forget_due(session) == 0
    with clock.held_at(clock.now() + leaving.KEPT):
        with pytest.raises(NotFound):
            await leaving.restore(session, root, person_id=ada.id or 0, reason="Too late.")
        assert await leaving.forget_due(session) == 1
        assert await leaving.forget_due(session) == 0
    assert await session.scalar(select(func.count()).select_from(Departure)) == 0
    left = (
        await session.execute(text("SELECT to_jsonb(p) FROM people p WHERE id = :i"), {"i": ada.id})
    ).scalar()
    assert left is not None and "ada" not in orjson.dumps(left).decode().lower().replace("handle", "")
    assert (await profiles.text_of(session, ada.id or 0)).bio == ""


async def test_the_system_account_exists(session: AsyncSession) -> None:
    card = await queries.by_id(session, SYSTEM_ID)
    assert (card.username, card.role) == ("civitas", Role.ADMIN)


async def test_an_export_holds_everything_but_secrets(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    _, key, codes = await furnish(session, ada, bob)
    rows: dict[str, list[dict[str, Any]]] = {}
    async for section, row in exports.export(session, ada):
        rows.setdefault(section, []).append(row)
    assert rows["about"][0]["personId"] == ada.id
    assert rows["account"][0]["email"] == "ada@example.org"
    assert rows["profile"][0]["bio"] == "I was here"
    assert [row["kind"] for row in rows["relations"]] == ["follow"]
    assert {"sessions", "passkeys", "linked_accounts", "api_keys"} <= set(rows)
    written = orjson.dumps(rows).decode()
    for secret in (key, *codes, SECRET.decode(), "digest", "password_hash", "public_key"):
        assert secret not in written


async def test_an_export_needs_a_fresh_proof(session: AsyncSession, ada: Actor) -> None:
    with clock.held_at(clock.now() + timedelta(hours=1)):
        with pytest.raises(Forbidden):
            await anext(exports.export(session, ada))


async def test_other_rooms_add_sections(session: AsyncSession, ada: Actor) -> None:
    async def section(_: AsyncSession, person_id: int) -> AsyncIterator[exports.Row]:
        yield {"of": person_id}

    exports.register_section("test_things")(section)
    try:
        with pytest.raises(ValueError, match="two sections"):
            exports.register_section("test_things")(section)
        found = [pair async for pair in exports.export(session, ada)]
        assert ("test_things", {"of": ada.id}) in found
    finally:
        del exports._sections["test_things"]
