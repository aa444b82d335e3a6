"""Reading people."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_actor, make_person

from civitas.domains.accounts import following, profiles, queries
from civitas.domains.accounts.actors import actor_named
from civitas.domains.accounts.types import ANONYMOUS, SYSTEM_ID, Actor, Relation, Role
from civitas.kit.errors import Forbidden, Invalid, Limited, NotFound


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


async def test_creators_by_cursor_and_by_number_agree(session: AsyncSession) -> None:
    for number in range(25):
        person = await make_person(session, f"maker_{number}")
        await queries.set_model_count(session, person_id=person, count=number % 4)
    seen: list[int] = []
    cursor: str | None = None
    while True:
        page = await queries.creators(session, cursor=cursor, limit=4)
        seen += [creator.id for creator in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 18
    numbered = [
        creator.id
        for number in (1, 2, 3)
        for creator in (await queries.creators_numbered(session, page=number, limit=8)).items
    ]
    assert numbered == seen
    first = await queries.creators_numbered(session, query="MAKER_1", page=1, limit=8)
    assert first.total == 9 and all(c.username.startswith("maker_1") for c in first.items)
    counts = [c.model_count for c in (await queries.creators(session, limit=200)).items]
    assert counts == sorted(counts, reverse=True) and min(counts) == 1


async def test_numbered_pages_end(session: AsyncSession) -> None:
    with pytest.raises(Limited) as caught:
        await queries.creators_numbered(session, page=6, limit=200)
    assert caught.value.code == "use_cursor"
    assert (await queries.creators_numbered(session, page=-3, limit=0)).page == 1
    with pytest.raises(Invalid):
        await queries.creators(session, cursor="WzFd")


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
