"""What goes into collections and comes out: who may, how many, what others are told, and what leaks (nothing)."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_actor
from tests.factories.catalog import make_published_model
from tests.factories.collections import make_collection, make_posted

from civitas.domains.accounts import following
from civitas.domains.accounts.types import ANONYMOUS, Relation
from civitas.domains.catalog import engagement
from civitas.domains.catalog.engagement import Wish
from civitas.domains.gallery.collections import (
    bookmarks,
    entries,
    filling,
    levels,
    making,
    people,
    pictures,
    reads,
    reviewing,
)
from civitas.domains.gallery.collections.making import CollectionEdit
from civitas.domains.gallery.collections.tables import Collection, CollectionItem
from civitas.domains.gallery.collections.types import (
    Kind,
    Mode,
    Order,
    Permission,
    ReadBy,
    State,
    WriteBy,
)
from civitas.domains.gallery.tables import Image
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound


async def test_a_collection_has_a_name_of_at_most_thirty_characters(session: AsyncSession) -> None:
    ana = await make_actor(session)
    with pytest.raises(Invalid) as fault:
        await making.create(
            session, ana, kind=Kind.IMAGE, changes=CollectionEdit(name="x" * 31, description="y" * 301)
        )
    assert set(fault.value.fields) == {"name", "description"}
    made = await making.create(session, ana, kind=Kind.IMAGE, changes=CollectionEdit(name="x" * 30))
    assert made.read_by == ReadBy.PRIVATE


async def test_each_thing_is_in_it_once(session: AsyncSession) -> None:
    ana = await make_actor(session)
    _, images = await make_posted(session, ana.require(), levels=(1, 1))
    made = await make_collection(session, ana)
    first = await filling.add(session, ana, collection_id=made.id, subject_ids=images)
    again = await filling.add(session, ana, collection_id=made.id, subject_ids=images)
    assert first.accepted == tuple(images)
    assert again.accepted == ()
    shown = await reads.one(session, ANONYMOUS, collection_id=made.id)
    assert shown.count == 2


async def test_strangers_see_and_count_only_safe_things(session: AsyncSession) -> None:
    ana = await make_actor(session, mature=True)
    post, images = await make_posted(session, ana.require(), levels=(1, 8, 16))
    made = await make_collection(session, ana)
    await filling.add(session, ana, collection_id=made.id, subject_ids=images)
    posts = await make_collection(session, ana, kind=Kind.POST)
    await filling.add(session, ana, collection_id=posts.id, subject_ids=[post])
    shown = await reads.one(session, ANONYMOUS, collection_id=made.id)
    assert (shown.count, shown.level) == (1, 1)
    page = await entries.page(session, ANONYMOUS, collection=shown)
    assert [one.subject_id for one in page.items] == images[:1]
    covers = await pictures.covers(session, ANONYMOUS, collection_ids=[made.id, posts.id])
    assert {shot.level for shots in covers.values() for shot in shots} == {1}
    mine = await reads.one(session, ana, collection_id=made.id)
    assert (mine.count, mine.level) == (3, 25)


async def test_a_collection_of_mature_things_is_not_there_for_strangers(session: AsyncSession) -> None:
    ana = await make_actor(session, mature=True)
    _, images = await make_posted(session, ana.require(), levels=(16,))
    made = await make_collection(session, ana)
    await filling.add(session, ana, collection_id=made.id, subject_ids=images)
    assert (await reads.public(session, ANONYMOUS)).items == []
    with pytest.raises(NotFound):
        await reads.one(session, ANONYMOUS, collection_id=made.id)
    assert reads.ids_of((await reads.public(session, ana)).items) == [made.id]


async def test_one_cannot_collect_what_one_cannot_see(session: AsyncSession) -> None:
    ana, ben = await make_actor(session), await make_actor(session, mature=True)
    _, images = await make_posted(session, ben.require(), levels=(16,))
    _, drafts = await make_posted(session, ben.require(), published_at=None)
    made = await make_collection(session, ana)
    for image in (*images, *drafts, 10**9):
        with pytest.raises(NotFound):
            await filling.add(session, ana, collection_id=made.id, subject_ids=[image])


async def test_two_hundred_at_once_and_no_more(session: AsyncSession) -> None:
    ana = await make_actor(session)
    made = await make_collection(session, ana)
    with pytest.raises(Invalid) as fault:
        await filling.add(session, ana, collection_id=made.id, subject_ids=range(1, 202))
    assert fault.value.code == "too_many_at_once"


async def test_private_ones_are_for_their_people(session: AsyncSession) -> None:
    ana, ben = await make_actor(session), await make_actor(session)
    made = await make_collection(session, ana, read_by=ReadBy.PRIVATE)
    with pytest.raises(NotFound):
        await reads.one(session, ben, collection_id=made.id)
    await people.invite(
        session, ana, collection_id=made.id, person_id=ben.require(), permissions=Permission.ADD
    )
    assert (await reads.one(session, ben, collection_id=made.id)).rights.add
    assert reads.ids_of((await reads.mine(session, ben)).items) == [made.id]
    await people.leave(session, ben, collection_id=made.id)
    with pytest.raises(NotFound):
        await reads.one(session, ben, collection_id=made.id)


async def test_contributors_do_not_manage_and_managers_do_not_make_managers(session: AsyncSession) -> None:
    ana, ben, cleo = await make_actor(session), await make_actor(session), await make_actor(session)
    made = await make_collection(session, ana)
    _, images = await make_posted(session, ana.require())
    await filling.add(session, ana, collection_id=made.id, subject_ids=images)
    await people.invite(
        session, ana, collection_id=made.id, person_id=ben.require(), permissions=Permission.ADD
    )
    assert await filling.remove(session, ben, collection_id=made.id, subject_ids=images) == 0
    with pytest.raises(Forbidden):
        await making.edit(session, ben, collection_id=made.id, changes=CollectionEdit(name="Mine"))
    await people.invite(
        session, ana, collection_id=made.id, person_id=ben.require(), permissions=Permission.MANAGE
    )
    with pytest.raises(Forbidden):
        await people.invite(
            session, ben, collection_id=made.id, person_id=cleo.require(), permissions=Permission.MANAGE
        )
    with pytest.raises(Forbidden):
        await making.delete(session, ben, collection_id=made.id)


async def test_what_others_add_waits_until_it_was_looked_at(session: AsyncSession) -> None:
    ana, ben = await make_actor(session), await make_actor(session)
    made = await make_collection(session, ana, write_by=WriteBy.REVIEW)
    _, images = await make_posted(session, ben.require(), levels=(1, 1))
    added = await filling.add(session, ben, collection_id=made.id, subject_ids=images)
    assert added.waiting == tuple(images)
    shown = await reads.one(session, ANONYMOUS, collection_id=made.id)
    assert (shown.count, shown.waiting) == (0, 0)
    managed = await reads.one(session, ana, collection_id=made.id)
    assert managed.waiting == 2
    waiting = await entries.page(session, ana, collection=managed, state=State.REVIEW)
    first, second = (one.id for one in waiting.items)
    with pytest.raises(Forbidden):
        await reviewing.review(session, ben, collection_id=made.id, item_ids=[first], state=State.ACCEPTED)
    await reviewing.review(session, ana, collection_id=made.id, item_ids=[first], state=State.ACCEPTED)
    await reviewing.review(session, ana, collection_id=made.id, item_ids=[second], state=State.REJECTED)
    shown = await reads.one(session, ANONYMOUS, collection_id=made.id)
    assert shown.count == 1
    mine = await reads.one(session, ben, collection_id=made.id)
    rejected = await entries.page(session, ben, collection=mine, state=State.REJECTED)
    assert [one.id for one in rejected.items] == [second]


async def test_a_block_keeps_people_out_of_each_others_collections(session: AsyncSession) -> None:
    ana, ben = await make_actor(session), await make_actor(session)
    made = await make_collection(session, ana, write_by=WriteBy.PUBLIC)
    _, images = await make_posted(session, ben.require())
    await filling.add(session, ana, collection_id=made.id, subject_ids=images)
    await following.decide(session, ana, target_id=ben.require(), relation=Relation.BLOCK)
    with pytest.raises(Forbidden):
        await filling.add(session, ben, collection_id=made.id, subject_ids=images)
    with pytest.raises(NotFound):
        await reads.one(session, ben, collection_id=made.id)
    assert (await reads.public(session, ben)).items == []
    shown = await reads.one(session, ana, collection_id=made.id)
    assert (await entries.page(session, ana, collection=shown)).items == []
    assert await pictures.covers(session, ana, collection_ids=[made.id]) == {}


async def test_moving_needs_the_same_kind_and_both_collections(session: AsyncSession) -> None:
    ana = await make_actor(session)
    _, images = await make_posted(session, ana.require(), levels=(1, 1, 1))
    source, target = await make_collection(session, ana), await make_collection(session, ana)
    posts = await make_collection(session, ana, kind=Kind.POST)
    await filling.add(session, ana, collection_id=source.id, subject_ids=images)
    await filling.add(session, ana, collection_id=target.id, subject_ids=images[:1])
    with pytest.raises(Invalid):
        await filling.move(session, ana, collection_id=source.id, to_id=posts.id, subject_ids=images)
    assert (
        await filling.move(session, ana, collection_id=source.id, to_id=target.id, subject_ids=images[:2])
        == 2
    )
    counts = [
        (await reads.one(session, ana, collection_id=number)).count for number in (source.id, target.id)
    ]
    assert counts == [1, 2]


async def test_levels_follow_their_pictures(session: AsyncSession) -> None:
    ana = await make_actor(session, mature=True)
    _, images = await make_posted(session, ana.require(), levels=(1, 1))
    made = await make_collection(session, ana)
    await filling.add(session, ana, collection_id=made.id, subject_ids=images)
    await session.execute(update(Image).where(Image.id == images[0]).values(nsfw_level=16))
    changed = await levels.keep(session, "image", images)
    assert changed == [made.id]
    await levels.count(session, changed)
    assert (await reads.one(session, ANONYMOUS, collection_id=made.id)).count == 1
    assert await levels.keep(session, "image", images) == []


async def test_a_favourite_is_a_bookmark_and_a_bookmark_a_favourite(
    session: AsyncSession, context: TaskContext
) -> None:
    ana = await make_actor(session)
    model, _ = await make_published_model(session)
    other, _ = await make_published_model(session)
    await engagement.engage(session, ana, model_id=model, wish=Wish.FAVOURITE)
    await session.flush()
    await drain(context)
    kept = await bookmarks.bookmark_of(session, person_id=ana.require(), kind=Kind.MODEL)
    held = select(CollectionItem.subject_id).where(CollectionItem.collection_id == kept.id)
    assert list(await session.scalars(held)) == [model]
    await bookmarks.keep(session, ana, kind=Kind.MODEL, subject_id=other, on=True)
    assert (await engagement.wishes(session, ana, model_ids=[other]))[other] == {Wish.FAVOURITE}
    await bookmarks.keep(session, ana, kind=Kind.MODEL, subject_id=model, on=False)
    assert await engagement.wishes(session, ana, model_ids=[model]) == {}
    await drain(context)
    assert list(await session.scalars(held)) == [other]


async def test_there_is_one_bookmark_for_each_kind(session: AsyncSession) -> None:
    ana = await make_actor(session)
    first = await bookmarks.bookmark_of(session, person_id=ana.require(), kind=Kind.IMAGE)
    again = await bookmarks.bookmark_of(session, person_id=ana.require(), kind=Kind.IMAGE)
    assert first.id == again.id
    assert first.mode == Mode.BOOKMARK
    with pytest.raises(Conflict):
        await making.delete(session, ana, collection_id=first.id)


async def test_saving_puts_in_and_takes_out_what_was_offered(session: AsyncSession) -> None:
    ana = await make_actor(session)
    _, (image,) = await make_posted(session, ana.require())
    one, two = await make_collection(session, ana), await make_collection(session, ana)
    await filling.add(session, ana, collection_id=one.id, subject_ids=[image])
    offered = await bookmarks.offers(session, ana, kind=Kind.IMAGE, subject_id=image)
    assert [(offer.id, offer.holds) for offer in offered] == [(0, False), (one.id, True), (two.id, False)]
    done = await bookmarks.save(
        session, ana, kind=Kind.IMAGE, subject_id=image, offered=[0, one.id, two.id], wanted=[0, two.id]
    )
    assert done == (2, 1)
    offered = await bookmarks.offers(session, ana, kind=Kind.IMAGE, subject_id=image)
    assert {offer.name for offer in offered if offer.holds} == {"Bookmarked pictures", "Harbours"}


@pytest.mark.parametrize("order", [Order.NEWEST, Order.OLDEST, Order.RANDOM])
async def test_pages_of_every_order_hold_each_thing_once(session: AsyncSession, order: Order) -> None:
    ana = await make_actor(session)
    _, images = await make_posted(session, ana.require(), levels=(1,) * 17)
    made = await make_collection(session, ana)
    await filling.add(session, ana, collection_id=made.id, subject_ids=images)
    shown = await reads.one(session, ANONYMOUS, collection_id=made.id)
    seen: list[int] = []
    cursor = None
    while True:
        page = await entries.page(session, ANONYMOUS, collection=shown, order=order, cursor=cursor, limit=5)
        seen += [one.subject_id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == images
    if order is not Order.RANDOM:
        assert seen == (images if order is Order.OLDEST else images[::-1])
    else:
        assert seen not in (images, images[::-1])
        with pytest.raises(Invalid):
            await entries.page(
                session, ANONYMOUS, collection=shown, order=Order.NEWEST, cursor=page.next_cursor or "x"
            )


async def test_a_followed_collection_is_listed_until_it_is_private(session: AsyncSession) -> None:
    ana, ben = await make_actor(session), await make_actor(session)
    made = await make_collection(session, ana)
    await people.follow(session, ben, collection_id=made.id, on=True)
    await people.follow(session, ben, collection_id=made.id, on=True)
    assert (await reads.one(session, ben, collection_id=made.id)).followers == 1
    assert reads.ids_of((await reads.followed(session, ben)).items) == [made.id]
    await making.edit(session, ana, collection_id=made.id, changes=CollectionEdit(read_by=ReadBy.PRIVATE))
    assert (await reads.followed(session, ben)).items == []
    await people.follow(session, ben, collection_id=made.id, on=False)
    assert await session.scalar(select(Collection.follower_count).where(Collection.id == made.id)) == 0
