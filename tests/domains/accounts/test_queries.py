"""Reading people."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_actor, make_person

from civitas.domains.accounts import following, profiles, queries
from civitas.domains.accounts.actors import actor_named
from civitas.domains.accounts.types import ALL_MASK, ANONYMOUS, SYSTEM_ID, Actor, Relation, Role
from civitas.kit.errors import Forbidden, Invalid, NotFound


async def test_cards_by_id(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    cards = await queries.by_ids(session, [ada.id or 0, bob.id or 0, 2**61, ada.id or 0])
    assert {card.username for card in cards.values()} == {"Ada", "Bob"} and len(cards) == 2
    assert await queries.by_ids(session, []) == {}
    with pytest.raises(NotFound):
        await queries.by_id(session, 2**61)


@pytest.mark.parametrize("name", ["", "nobody", "a" * 100_000, "ada\0", "ada%", "_da", "é"])
async def test_names_of_nobody(session: AsyncSession, ada: Actor, name: str) -> None:
    with pytest.raises(NotFound):
        await queries.by_username(session, name if name != "ada\0" else "ada\0x")
    with pytest.raises(NotFound):
        await queries.profile(session, ANONYMOUS, username=name if name != "ada\0" else "x\0")


async def test_ids_of_names(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    found = await queries.ids_of_names(session, ["ADA", "bob", "nobody"])
    assert found == {"ada": ada.id, "bob": bob.id}
    assert await queries.ids_of_names(session, []) == {}


async def test_completion_takes_underscores_for_letters(session: AsyncSession) -> None:
    for name in ("zed_one", "zedXone", "ZED_two", "other"):
        await make_person(session, name)
    await make_person(session, "zed_gone", status="banned")
    assert [c.username for c in await queries.starting_with(session, "ZED_")] == ["zed_one", "ZED_two"]
    assert [c.username for c in await queries.starting_with(session, "zed", limit=1)] == ["zed_one"]
    assert await queries.starting_with(session, " ") == []
    assert await queries.starting_with(session, "%") == []


async def test_completion_and_lists_use_their_indexes(session: AsyncSession) -> None:
    await session.execute(text("SET LOCAL enable_seqscan = off"))
    await session.execute(text("SET LOCAL enable_sort = off"))
    plans = []
    for statement, index in (
        ("SELECT id FROM people WHERE username_folded >= 'ab' AND username_folded < 'ac' "
         "ORDER BY username_folded LIMIT 10", "uq_people_username_folded"),
        ("SELECT id FROM people WHERE model_count > 0 AND status = 'active' "
         "ORDER BY model_count DESC, id LIMIT 20", "ix_people_creators"),
    ):  # fmt: skip
        rows = (await session.execute(text(f"EXPLAIN {statement}"))).scalars()
        plans.append(index in " ".join(rows))
    assert plans == [True, True]


async def test_creators_page_by_page_with_the_models_that_one_may_see(session: AsyncSession) -> None:
    for number in range(24):
        await make_person(session, f"maker_{number}", model_count=number % 4, safe_model_count=number % 3)
    adult = replace(ANONYMOUS, mask=ALL_MASK)
    for viewer, some in ((ANONYMOUS, 3), (adult, 4)):
        seen, cursor = [], None
        while True:
            page = await queries.creators(session, viewer, cursor=cursor, limit=4)
            seen += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
        counts = [creator.model_count for creator in seen]
        assert counts == sorted(counts, reverse=True)
        assert sorted(counts) == sorted(number % some for number in range(24) if number % some)
        assert len({creator.id for creator in seen}) == len(seen)
    named = (await queries.creators(session, adult, query="MAKER_1", limit=50)).items
    assert {creator.username for creator in named} == {f"maker_{n}" for n in (1, *range(10, 20)) if n % 4}
    with pytest.raises(Invalid):
        await queries.creators(session, adult, cursor="WzFd")


async def test_a_profile_for_its_viewers(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    await profiles.edit(session, ada, changes=profiles.ProfileEdit(bio="Hello"))
    await following.decide(session, bob, target_id=ada.id or 0, relation=Relation.FOLLOW)
    seen = await queries.profile(session, bob, username="ADA")
    assert (seen.relation, seen.blocked_by_them, seen.text.bio) == (Relation.FOLLOW, False, "Hello")
    assert (seen.follower_count, seen.banned, seen.ban_label) == (1, False, None)
    await following.decide(session, ada, target_id=bob.id or 0, relation=Relation.BLOCK)
    seen = await queries.profile(session, bob, username="ada")
    assert (seen.relation, seen.blocked_by_them) == (None, True)
    stranger = await queries.profile(session, ANONYMOUS, username="ada")
    assert (stranger.relation, stranger.blocked_by_them, stranger.username) == (None, False, "Ada")


async def test_a_banned_profile_shows_its_label_only(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    await profiles.edit(session, ada, changes=profiles.ProfileEdit(bio="Hello"))
    await profiles.set_avatar(session, ada, key="v/1")
    await session.execute(
        text("UPDATE people SET status = 'banned', ban_code = 'Nudify' WHERE id = :i"), {"i": ada.id}
    )
    seen = await queries.profile(session, bob, username="ada")
    assert (seen.banned, seen.ban_label, seen.text.bio, seen.avatar_key) == (
        True,
        "Undressing real people",
        "",
        None,
    )
    mod = await make_actor(session, role=Role.MODERATOR)
    assert (await queries.profile(session, mod, username="ada")).text.bio == "Hello"


async def test_accounts_are_private(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    assert (await queries.account(session, ada)).email == "ada@example.org"
    with pytest.raises(Forbidden):
        await queries.account(session, bob, person_id=ada.id)
    with pytest.raises(Forbidden):
        await queries.accounts(session, bob)
    mod = await make_actor(session, "Mona", role=Role.MODERATOR)
    assert (await queries.account(session, mod, person_id=ada.id)).username == "Ada"
    assert [a.username for a in (await queries.accounts(session, mod, query="ada@example.org")).items] == [
        "Ada"
    ]
    assert [a.username for a in (await queries.accounts(session, mod, query="bo")).items] == ["Bob"]
    staff = await queries.accounts(session, mod, staff_only=True)
    assert [a.username for a in staff.items] == ["Mona"]
    assert (await queries.accounts(session, mod, status="deleted")).items == []
    everyone = await queries.accounts(session, mod)
    assert SYSTEM_ID not in {a.id for a in everyone.items}


async def test_acting_in_the_name_of_a_person(session: AsyncSession, ada: Actor) -> None:
    actor = await actor_named(session, ada.id or 0)
    assert (actor.username, actor.via) == ("Ada", "system")
    with pytest.raises(NotFound):
        await actor_named(session, await make_person(session, status="banned"))
