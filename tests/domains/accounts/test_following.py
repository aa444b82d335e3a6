"""Follow, hide, block."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_actor, make_follow, make_person

from civitas.domains.accounts import following
from civitas.domains.accounts.tables import Follow, Person
from civitas.domains.accounts.types import SYSTEM_ID, Actor, Relation, Scope
from civitas.infra.db.database import Database
from civitas.kit import clock
from civitas.kit.errors import Forbidden, Invalid, NotFound

FOLLOW, HIDE, BLOCK = Relation


async def counts(session: AsyncSession, person_id: int | None) -> tuple[int, int]:
    row = (
        await session.execute(
            select(Person.following_count, Person.follower_count).where(Person.id == person_id)
        )
    ).one()
    return row.following_count, row.follower_count


async def test_following_counts_once(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    for _ in range(2):
        await following.decide(session, ada, target_id=bob.id or 0, relation=FOLLOW)
    assert (await counts(session, ada.id), await counts(session, bob.id)) == ((1, 0), (0, 1))
    for _ in range(2):
        await following.undo(session, ada, target_id=bob.id or 0, relation=FOLLOW)
    assert (await counts(session, ada.id), await counts(session, bob.id)) == ((0, 0), (0, 0))


async def test_one_decision_replaces_the_other(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    for relation in (FOLLOW, HIDE, FOLLOW, BLOCK, HIDE):
        await following.decide(session, ada, target_id=bob.id or 0, relation=relation)
        assert await following.relation(session, ada.id or 0, bob.id or 0) is relation
    assert await counts(session, bob.id) == (0, 0)
    await following.undo(session, ada, target_id=bob.id or 0, relation=BLOCK)
    assert await following.relation(session, ada.id or 0, bob.id or 0) is HIDE


async def test_a_block_cuts_both_ways(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    await following.decide(session, ada, target_id=bob.id or 0, relation=FOLLOW)
    await following.decide(session, bob, target_id=ada.id or 0, relation=FOLLOW)
    await following.decide(session, ada, target_id=bob.id or 0, relation=BLOCK)
    assert (await counts(session, ada.id), await counts(session, bob.id)) == ((0, 0), (0, 0))
    for a, b in ((ada.id, bob.id), (bob.id, ada.id)):
        assert await following.blocked_between(session, a or 0, b or 0)
        assert await following.unseen_by(session, a or 0) == {b}
    for actor, other in ((ada, bob), (bob, ada)):
        with pytest.raises(Forbidden) as caught:
            await following.require_no_block(session, actor, target_id=other.id or 0)
        assert caught.value.code == "blocked"
    with pytest.raises(Forbidden):
        await following.decide(session, bob, target_id=ada.id or 0, relation=FOLLOW)
    await following.undo(session, ada, target_id=bob.id or 0, relation=BLOCK)
    assert not await following.blocked_between(session, ada.id or 0, bob.id or 0)


async def test_hiding_is_one_way(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    await following.decide(session, ada, target_id=bob.id or 0, relation=HIDE)
    assert await following.unseen_by(session, ada.id or 0) == {bob.id}
    assert await following.unseen_by(session, bob.id or 0) == frozenset()
    assert not await following.blocked_between(session, ada.id or 0, bob.id or 0)


async def test_who_cannot_be_decided_about(session: AsyncSession, ada: Actor) -> None:
    with pytest.raises(Invalid):
        await following.decide(session, ada, target_id=ada.id or 0, relation=FOLLOW)
    for nobody in (0, -5, 2**62):
        with pytest.raises(NotFound):
            await following.decide(session, ada, target_id=nobody, relation=FOLLOW)
    with pytest.raises(Invalid):
        await following.decide(session, ada, target_id=SYSTEM_ID, relation=BLOCK)
    with pytest.raises(Forbidden):
        reader = actor_for(ada.id or 0, scopes=Scope.READ_ONLY)
        await following.decide(session, reader, target_id=SYSTEM_ID, relation=FOLLOW)


async def test_pages_hold_everyone_once(session: AsyncSession, ada: Actor) -> None:
    start = clock.now()
    made = [await make_person(session) for _ in range(following.PAGE + 30)]
    for number, person in enumerate(made):
        await make_follow(session, person, ada.id or 0)
        # Many in the same moment: the id decides.
        await session.execute(
            update(Follow)
            .where(Follow.person_id == person)
            .values(created_at=start + timedelta(seconds=number // 50))
        )
    first = await following.followers(session, person_id=ada.id or 0)
    second = await following.followers(session, person_id=ada.id or 0, cursor=first.next_cursor)
    listed = [person.id for person in (*first.items, *second.items)]
    assert listed == sorted(made, reverse=True) and second.next_cursor is None


async def test_lists_leave_the_departed_out(session: AsyncSession, ada: Actor, bob: Actor) -> None:
    await following.decide(session, ada, target_id=bob.id or 0, relation=FOLLOW)
    assert [p.username for p in (await following.mine(session, ada, relation=FOLLOW)).items] == ["Bob"]
    assert [p.username for p in (await following.following(session, person_id=ada.id or 0)).items] == ["Bob"]
    assert await following.followed_ids(session, ada.id or 0) == [bob.id]
    await session.execute(update(Person).where(Person.id == bob.id).values(status="banned"))
    assert (await following.mine(session, ada, relation=FOLLOW)).items == []


@pytest.mark.parametrize("cursor", ["", "x", "é", "W10", "WyIyMDI2Il0", "a" * 600])
async def test_cursors_made_up_by_hand(session: AsyncSession, ada: Actor, cursor: str) -> None:
    with pytest.raises(Invalid) as caught:
        await following.mine(session, ada, relation=FOLLOW, cursor=cursor)
    assert caught.value.code == "bad_cursor"


async def test_two_people_who_follow_and_block_each_other_never_deadlock(own_dsn: str) -> None:
    database = Database(own_dsn)
    try:
        async with database.unit() as session:
            a, b = await make_actor(session), await make_actor(session)

        async def decide(actor: Actor, other: Actor, relation: Relation) -> None:
            try:
                async with database.unit() as session:
                    await following.decide(session, actor, target_id=other.id or 0, relation=relation)
            except Forbidden as fault:
                assert fault.code == "blocked"

        for _ in range(5):
            await asyncio.gather(
                decide(a, b, FOLLOW), decide(b, a, FOLLOW), decide(a, b, HIDE), decide(b, a, BLOCK)
            )
        async with database.unit() as session:
            rows = {(f.person_id, f.target_id): f.kind for f in await session.scalars(select(Follow))}
            for person, other in ((a, b), (b, a)):
                follows = int(rows.get((person.id or 0, other.id or 0)) == "follow")
                followed = int(rows.get((other.id or 0, person.id or 0)) == "follow")
                assert await counts(session, person.id) == (follows, followed)
    finally:
        await database.close()
