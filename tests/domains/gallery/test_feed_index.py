"""The index in memory before the feeds: the same pages as by SQL, and never anything that may not be seen."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.gallery.test_feed_pages import World, make_world, some_filter
from tests.factories.accounts import actor_for, make_person
from tests.factories.feeds import make_image, tag
from tests.factories.indexes import follow_now, held_now

from civitas.domains.accounts.tables import Follow
from civitas.domains.accounts.types import ALL_MASK, ANONYMOUS, Actor
from civitas.domains.catalog.wish_tables import HiddenTag
from civitas.domains.gallery.feeds import neighbours, pages, planning, rows, seeing, terms
from civitas.domains.gallery.feeds.pages import Known
from civitas.domains.gallery.feeds.tables import FeedImage, HiddenImage, SubjectCounts
from civitas.domains.gallery.feeds.types import FeedFilter, ImagePeriod, ImageSort
from civitas.domains.gallery.tables import Image, ImageTag
from civitas.infra.db.readpool import BoundReads
from civitas.infra.search.fake import HeldIndex
from civitas.infra.search.finding import Limits
from civitas.infra.search.shape import Answer, Question
from civitas.kit import clock


class Middling(dict[int, int]):
    """As if the feed were large, and whatever one asks for neither common nor rare: what SQL takes longest for."""

    def get(self, term: int, default: Any = None) -> Any:
        return 10**7 if term == terms.EVERYTHING else 3000


DEAR = Known(Middling({1: 1}), read_at=float("inf"), shortest=8)
SMALL = Limits(direct=5, piece=2, largest_piece=8, patience=8, sparse=4)


class Away:
    """An index that never knows."""

    async def find(self, question: Question) -> Answer | None:
        return None


async def walked(
    reads: BoundReads, actor: Actor, wanted: FeedFilter, index: Any, *, limit: int = 7, posts: bool = False
) -> list[int]:
    found: list[int] = []
    cursor, shelf = None, planning.POSTS if posts else planning.IMAGES
    for _ in range(100):
        page = await pages.page(
            reads, actor, wanted, limit=limit, cursor=cursor, known=DEAR, index=index, shelf=shelf
        )
        found += page.ids
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise AssertionError("the pages never end")


async def change_something(session: AsyncSession, rng: random.Random, world: World) -> None:
    """What happens to pictures of a feed: they come, go, are tagged, rated and reacted to."""
    one, kind = rng.choice(world.pictures), rng.randrange(5)
    if kind == 0:
        made = await make_image(
            session, rng.choice(world.people), tags=("cat", "moon"), nsfw_level=rng.choice([1, 4])
        )
        world.pictures.append(replace(one, id=made))
    elif kind == 1:
        await session.execute(update(Image).values(deleted_at=clock.now()).where(Image.id == one.id))
    elif kind == 2:
        await session.execute(
            insert(ImageTag).from_select(
                ["image_id", "tag_id", "source"],
                select(text(str(one.id)), text(str(await tag(session, "sea"))), text("'person'")).where(
                    ~select(ImageTag).where(ImageTag.image_id == one.id, ImageTag.tag_id == await tag(session, "sea")).exists()
                ),
            )
        )  # fmt: skip
    elif kind == 3:
        await session.execute(
            update(Image).values(nsfw_level=rng.choice([1, 2, 8])).where(Image.id == one.id)
        )
    else:
        await session.execute(
            update(SubjectCounts).values(likes=rng.randint(0, 300)).where(SubjectCounts.subject_id == one.id)
        )
    await rows.rebuild(session, [one.id])


@pytest.mark.parametrize("limits", [Limits(), SMALL], ids=["sorted", "walked"])
async def test_pages_by_the_index_are_those_by_sql_while_things_change(
    session: AsyncSession, reads: BoundReads, limits: Limits
) -> None:
    world = await make_world(session)
    held = await held_now(session)
    await session.execute(text("DELETE FROM index_changes"))
    index, rng = HeldIndex(held, limits), random.Random(21)
    viewer = actor_for(world.people[3], mature=True)
    met = taken = 0
    for number in range(70):
        if number % 5 == 4:
            for _ in range(3):
                await change_something(session, rng, world)
            taken += await follow_now(session, held)
        wanted, actor, posts = some_filter(rng, world), rng.choice([viewer, ANONYMOUS]), rng.random() < 0.3
        if posts and wanted.sort is ImageSort.RANDOM:
            wanted = replace(wanted, sort=ImageSort.MOST_REACTIONS)
        by_sql = await walked(reads, actor, wanted, Away(), posts=posts)
        assert await walked(reads, actor, wanted, index, posts=posts) == by_sql, wanted
        met += bool(by_sql)
    assert met > 20 and index.asked > 70 and taken > 30


async def test_every_way_a_row_changes_is_logged(session: AsyncSession) -> None:
    owner = await make_person(session)
    images = [await make_image(session, owner) for _ in range(3)]
    held = await held_now(session)

    async def logged() -> set[int]:
        found = await session.execute(
            text("DELETE FROM index_changes WHERE collection = 'images' RETURNING ids")
        )
        return {number for row in found for number in row[0]}

    assert await logged() == set(images)
    await session.execute(update(FeedImage).values(reactions=3).where(FeedImage.image_id == images[0]))
    assert await logged() == {images[0]}
    await session.execute(update(FeedImage).values(fresh=False, week=1))
    assert await logged() == set(), "nothing that the index holds"
    await session.execute(update(FeedImage).values(terms=[5, 6]).where(FeedImage.image_id != images[0]))
    assert await logged() == set(images[1:])
    await session.execute(delete(Image).where(Image.id == images[1]))
    assert await logged() == {images[1]}, "a row that goes with its picture"
    await rows.rebuild(session, images)
    assert await logged() == {images[0], images[2]}, "ranks and terms are as the facts have them again"
    await rows.rebuild(session, images)
    assert await logged() == set(), "they were so already"
    await session.execute(text("TRUNCATE feed_images"))
    emptied = await session.execute(text("SELECT ids FROM index_changes WHERE collection = 'images'"))
    assert [row[0] for row in emptied] == [None]
    assert held["images"].count == 3


async def test_an_index_out_of_date_leaves_out_and_never_shows(
    session: AsyncSession, reads: BoundReads
) -> None:
    owner = await make_person(session)
    images = [
        await make_image(session, owner, tags=("cat",), published_at=clock.now() - timedelta(minutes=n)) for n in range(30)
    ]  # fmt: skip
    index = HeldIndex(await held_now(session))
    wanted = FeedFilter(tags=("cat",))
    assert await walked(reads, ANONYMOUS, wanted, index) == images
    # Taken away, made mature, untagged, moved to a person whom the viewer hides: none of it is told to the index.
    gone, mature, untagged = images[0], images[8], images[9]
    await session.execute(update(Image).values(deleted_at=clock.now()).where(Image.id == gone))
    await session.execute(update(Image).values(nsfw_level=8).where(Image.id == mature))
    await session.execute(delete(ImageTag).where(ImageTag.image_id == untagged))
    await rows.rebuild(session, images)
    left = [one for one in images if one not in (gone, mature, untagged)]
    for limit in (1, 7, 29, 50):
        found = await walked(reads, ANONYMOUS, wanted, index, limit=limit)
        assert found == left, "full pages, nothing twice, nothing that is gone"
    # All that it knows is gone: what is there is found by SQL.
    await session.execute(update(Image).values(nsfw_level=8).where(Image.id.in_(images[:28])))
    await rows.rebuild(session, images)
    assert await walked(reads, ANONYMOUS, wanted, index, limit=1) == images[28:]


async def test_what_a_viewer_hides_is_asked_for_and_looked_at_again(
    session: AsyncSession, reads: BoundReads
) -> None:
    me, friend, other = [await make_person(session) for _ in range(3)]
    images = {name: await make_image(session, who, tags=("cat", name)) for name, who in
              {"moon": other, "sea": other, "sun": friend}.items()}  # fmt: skip
    index = HeldIndex(await held_now(session))
    viewer, wanted = actor_for(me), FeedFilter(tags=("cat",))

    async def shown(**given: Any) -> set[int]:
        return set(await walked(reads, viewer, replace(wanted, **given), index))

    assert await shown() == set(images.values())
    await session.execute(insert(HiddenTag).values(person_id=me, tag_id=await tag(session, "moon")))
    assert await shown() == {images["sea"], images["sun"]}
    await session.execute(insert(HiddenImage).values(person_id=me, image_id=images["sea"]))
    assert await shown() == {images["sun"]}
    await session.execute(insert(Follow).values(person_id=me, target_id=friend, kind="follow"))
    assert await shown(followed=True) == {images["sun"]}
    before = index.asked
    await seeing.note(session, viewer, image_ids=[images["sun"]])
    assert await shown(unseen=True) == set() and index.asked == before, (
        "what was seen only the database knows"
    )
    await session.execute(update(Follow).values(kind="block").where(Follow.person_id == me))
    assert await shown() == set() and index.asked > before


async def test_neighbours_are_found_by_the_index(session: AsyncSession, reads: BoundReads) -> None:
    owner = await make_person(session)
    images = [
        await make_image(session, owner, tags=("cat",), published_at=clock.now() - timedelta(hours=n)) for n in range(5)
    ]  # fmt: skip
    index = HeldIndex(await held_now(session))
    wanted = FeedFilter(person_ids=(owner,))
    for at, image in enumerate(images):
        found = await neighbours.around(reads, ANONYMOUS, wanted, image_id=image, index=index)
        assert found == (images[at - 1] if at else None, images[at + 1] if at < 4 else None)


async def test_what_sql_is_quick_with_is_not_asked(session: AsyncSession, reads: BoundReads) -> None:
    owner = await make_person(session)
    image = await make_image(session, owner, tags=("cat",))
    number, index = await tag(session, "cat"), HeldIndex(await held_now(session))
    everywhere = Known({terms.EVERYTHING: 10**7, terms.tag(number): 10**6}, read_at=float("inf"))
    middling = Known({terms.EVERYTHING: 10**7, terms.tag(number): 20_000}, read_at=float("inf"))
    small = Known({terms.EVERYTHING: 1}, read_at=float("inf"))
    wanted = FeedFilter(tag_ids=(number,), mask=ALL_MASK)
    viewer = actor_for(owner, mature=True)
    for known, asked in ((everywhere, 0), (small, 0), (middling, 1)):
        before = index.asked
        found = await pages.page(reads, viewer, wanted, limit=50, known=known, index=index)
        assert found.ids == (image,) and index.asked - before == asked
    month = replace(wanted, sort=ImageSort.MOST_COMMENTS, period=ImagePeriod.MONTH)
    assert (await pages.page(reads, viewer, month, limit=5, known=DEAR, index=index)).ids == (image,)
