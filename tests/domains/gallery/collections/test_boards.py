"""Boards: who is given what for an entry, once, within caps, and from a purse that may be empty."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_actor
from tests.factories.buzz import give_buzz
from tests.factories.collections import make_collection, make_posted
from tests.factories.placements import purse

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Role
from civitas.domains.buzz.ledger import auditing
from civitas.domains.gallery.collections import filling, giving, reviewing
from civitas.domains.gallery.collections.tables import BoardGift, CollectionItem
from civitas.domains.gallery.collections.types import ReadBy, State, WriteBy
from civitas.infra.db.database import Database
from civitas.kit import clock
from civitas.kit.errors import Fault
from civitas.kit.money import buzz

MODERATOR = Role.MODERATOR


async def board(session: AsyncSession, *, funded: int = 1000) -> tuple[Actor, int]:
    """A board of a moderator's, whose purse holds so many Buzz."""
    owner = await make_actor(session, role=MODERATOR)
    made = await make_collection(session, owner, read_by=ReadBy.PUBLIC, write_by=WriteBy.REVIEW)
    if funded:
        await give_buzz(session, owner.require(), funded)
    await giving.arrange(session, owner, collection_id=made.id, on=True, reason="A game")
    return owner, made.id


async def entered(session: AsyncSession, number: int, who: Actor, *, by: Actor | None = None) -> int:
    """Somebody's entry of a picture by themselves, or by another; the item's id."""
    _, (image,) = await make_posted(session, (by or who).require())
    await filling.add(session, who, collection_id=number, subject_ids=[image])
    found = await session.scalar(
        select(CollectionItem.id).where(
            CollectionItem.collection_id == number, CollectionItem.subject_id == image
        )
    )
    assert found is not None
    return found


async def accepted(session: AsyncSession, owner: Actor, number: int, *items: int) -> None:
    """The owner accepts them, and what follows happens."""
    await reviewing.review(session, owner, collection_id=number, item_ids=items, state=State.ACCEPTED)
    for item in items:
        await giving.give(session, collection_id=number, item_id=item, by=owner.require())


async def reasons(session: AsyncSession) -> list[tuple[str, str]]:
    rows = await session.execute(select(BoardGift.status, BoardGift.reason).order_by(BoardGift.id))
    return [(row[0], row[1]) for row in rows]


async def test_an_entry_is_given_for_once_whatever_is_repeated(session: AsyncSession) -> None:
    owner, number = await board(session)
    ben = await make_actor(session)
    item = await entered(session, number, ben)
    await giving.give(session, collection_id=number, item_id=item, by=owner.require())
    assert await purse(session, ben) == 0, "it is not accepted yet"
    await accepted(session, owner, number, item)
    await accepted(session, owner, number, item)
    image = await session.scalar(select(CollectionItem.subject_id).where(CollectionItem.id == item))
    await filling.remove(session, ben, collection_id=number, subject_ids=[image or 0])
    with clock.held_at(clock.now() + timedelta(days=1)):
        await filling.add(session, ben, collection_id=number, subject_ids=[image or 0])
        again = await session.scalar(select(CollectionItem.id).where(CollectionItem.subject_id == image))
        await accepted(session, owner, number, again or 0)
    assert (await purse(session, ben), await purse(session, owner)) == (buzz(100), buzz(900))
    assert (await auditing.audit(session)).findings == ()


async def test_the_caps_of_a_person_and_a_day(session: AsyncSession) -> None:
    owner, number = await board(session, funded=10_000)
    ben = await make_actor(session)
    for _ in range(2):
        await accepted(session, owner, number, await entered(session, number, ben))
    assert await reasons(session) == [("given", ""), ("refused", "person_cap")]
    with clock.held_at(clock.now() + timedelta(days=1)):
        await accepted(session, owner, number, await entered(session, number, ben))
        assert await purse(session, ben) == buzz(200)
        for _ in range(50):
            await accepted(session, owner, number, await entered(session, number, await make_actor(session)))
        assert await purse(session, owner) == buzz(10_000 - 100 - 5_000)
        assert (await reasons(session))[-1] == ("refused", "day_cap")
        shown = await giving.board_of(session, number)
        assert shown is not None and shown.left == 0


async def test_who_is_given_nothing(session: AsyncSession) -> None:
    owner, number = await board(session)
    ana, ben, eve = await make_actor(session), await make_actor(session), await make_actor(session)
    await session.execute(update(Person).where(Person.id == eve.id).values(rewards_eligibility="ineligible"))
    await accepted(session, owner, number, await entered(session, number, ben, by=ana))
    await accepted(session, owner, number, await entered(session, number, eve))
    item = await entered(session, number, ana)
    await giving.give(session, collection_id=number, item_id=item, by=ana.require())
    staff = await make_actor(session, role=MODERATOR)
    await reviewing.review(session, staff, collection_id=number, item_ids=[item], state=State.ACCEPTED)
    await giving.give(session, collection_id=number, item_id=item, by=ana.require())
    assert await reasons(session) == [
        ("refused", "not_theirs"),
        ("refused", "ineligible"),
        ("refused", "manages"),
    ]
    assert await purse(session, owner) == buzz(1000)


async def test_an_empty_purse_is_tried_again(session: AsyncSession) -> None:
    owner, number = await board(session, funded=0)
    ben, eve = await make_actor(session), await make_actor(session)
    await accepted(session, owner, number, await entered(session, number, ben))
    await accepted(session, owner, number, await entered(session, number, eve))
    assert await reasons(session) == [("short", "short")] * 2
    assert await giving.retry_short(session) == 1, "it is still empty"
    await give_buzz(session, owner.require(), 150)
    await giving.retry_short(session)
    assert (await purse(session, ben), await purse(session, eve), await purse(session, owner)) == (
        buzz(100),
        0,
        buzz(50),
    )
    await session.execute(
        update(CollectionItem).where(CollectionItem.person_id == eve.id).values(state="rejected")
    )
    await give_buzz(session, owner.require(), 150)
    await giving.retry_short(session)
    assert await reasons(session) == [("given", ""), ("refused", "gone")]


async def test_what_was_there_long_enough_goes_and_what_was_rejected(session: AsyncSession) -> None:
    owner, number = await board(session)
    ben = await make_actor(session)
    old, young = await entered(session, number, ben), await entered(session, number, ben)
    await accepted(session, owner, number, old)
    await reviewing.review(session, owner, collection_id=number, item_ids=[young], state=State.REJECTED)
    assert await giving.clear(session) == 1
    assert list(await session.scalars(select(CollectionItem.id))) == [old]
    with clock.held_at(clock.now() + timedelta(days=4)):
        assert (await giving.clear(session), await giving.clear(session)) == (1, 0)


@pytest.mark.parametrize("case", ["member", "theirs", "open", "no reason"])
async def test_who_may_make_a_board(session: AsyncSession, case: str) -> None:
    owner = await make_actor(session, role=Role.USER if case == "member" else MODERATOR)
    whose = await make_actor(session) if case == "theirs" else owner
    write = WriteBy.PUBLIC if case == "open" else WriteBy.REVIEW
    made = await make_collection(session, whose, write_by=write)
    codes = {
        "member": "staff_only",
        "theirs": "not_yours",
        "open": "board_needs_review",
        "no reason": "reason_needed",
    }
    reason = "" if case == "no reason" else "A game"
    with pytest.raises(Fault) as refused:
        await giving.arrange(session, owner, collection_id=made.id, on=True, reason=reason)
    assert refused.value.code == codes[case]


async def test_the_same_entry_and_others_at_once(own_dsn: str) -> None:
    database = Database(own_dsn)
    async with database.unit() as session:
        owner, number = await board(session, funded=250)
        people = [await make_actor(session) for _ in range(4)]
        items = [await entered(session, number, one) for one in people]
        await reviewing.review(session, owner, collection_id=number, item_ids=items, state=State.ACCEPTED)

    async def give(item: int) -> None:
        async with database.unit() as session:
            await giving.give(session, collection_id=number, item_id=item, by=owner.require())

    done: list[Any] = await asyncio.gather(*(give(item) for item in items * 3), return_exceptions=True)
    assert done == [None] * 12
    async with database.reading() as session:
        assert await purse(session, owner) == buzz(50)
        assert sorted(status for status, _ in await reasons(session)) == ["given", "given", "short", "short"]
        assert (await auditing.audit(session)).findings == ()
    await database.close()
