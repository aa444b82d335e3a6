"""Feeds against a plain model of them: every filter, every order, whole and without repetition."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.catalog import make_model, make_version
from tests.factories.feeds import make_image, make_post, tag

from civitas.domains.accounts.tables import Follow
from civitas.domains.accounts.types import ALL_MASK, ANONYMOUS, SAFE_MASK, Actor
from civitas.domains.catalog.wish_tables import HiddenTag
from civitas.domains.gallery.feeds import pages, planning, ranks, rows, seeing, terms
from civitas.domains.gallery.feeds.pages import Known
from civitas.domains.gallery.feeds.tables import FeedImage, FeedTerm, HiddenImage, SubjectCounts
from civitas.domains.gallery.feeds.types import SPANS, FeedFilter, ImagePeriod, ImageSort
from civitas.domains.gallery.tables import Image, Post
from civitas.infra.db.readpool import BoundReads
from civitas.kit import clock
from civitas.kit.errors import Invalid, Unauthorised

TAGS = ("cat", "dog", "moon", "sea")
AGES = (1, 5, 30, 100, 300, 900, 9000, 20000)
LIKES = (0, 0, 1, 2, 7, 40, 200)
TOOLS = ("Krita", "Inpainting")
BASES = ("SDXL 1.0", "Pony", "Flux.1 D")


@dataclass
class Shown:
    """One picture as the model of the test sees it."""

    id: int
    person: int
    at: datetime
    level: int
    kind: str
    tags: frozenset[str]
    tools: frozenset[str]
    versions: frozenset[int]
    meta: bool
    here: bool
    remix: bool
    counts: dict[str, int]


@dataclass
class World:
    people: list[int]
    versions: dict[int, tuple[int, str]]
    pictures: list[Shown] = field(default_factory=list)

    def expected(self, wanted: FeedFilter, actor: Actor, now: datetime) -> list[int]:
        def meets(one: Shown) -> bool:
            bases = {self.versions[v][1] for v in one.versions}
            models = {self.versions[v][0] for v in one.versions}
            span = SPANS.get(wanted.period)
            return bool(
                one.level & wanted.mask & actor.mask
                and (not wanted.kinds or one.kind in wanted.kinds)
                and (not wanted.base_models or bases & set(wanted.base_models))
                and (not wanted.version_ids or one.versions & set(wanted.version_ids))
                and (not wanted.model_ids or models & set(wanted.model_ids))
                and set(wanted.tags) <= one.tags
                and not set(wanted.without_tags) & one.tags
                and set(wanted.tools) <= one.tools
                and (not wanted.person_ids or one.person in wanted.person_ids)
                and (not wanted.with_meta or one.meta)
                and (not wanted.made_here or one.here)
                and (wanted.remixes is None or wanted.remixes == one.remix)
                and (span is None or one.at >= now - span)
            )

        found = [one for one in self.pictures if meets(one)]
        key = {
            ImageSort.NEWEST: lambda o: (o.at, o.id),
            ImageSort.OLDEST: lambda o: (o.at, o.id),
            ImageSort.MOST_REACTIONS: lambda o: (ranks.rank(o.counts["likes"]), o.id),
            ImageSort.MOST_COMMENTS: lambda o: (ranks.rank(o.counts["comments"]), o.id),
            ImageSort.MOST_COLLECTED: lambda o: (ranks.rank(o.counts["collected"]), o.id),
            ImageSort.RANDOM: lambda o: o.id,
        }[wanted.sort]
        found.sort(key=key, reverse=wanted.sort is not ImageSort.OLDEST)
        return [one.id for one in found]


async def make_world(session: AsyncSession, count: int = 60) -> World:
    rng = random.Random(11)
    people = [await make_person(session) for _ in range(4)]
    versions: dict[int, tuple[int, str]] = {}
    for base in BASES:
        model = await make_model(session, people[0], status="Published")
        made = await make_version(session, model, base_model=base, status="Published")
        versions[made] = (model, base)
    world = World(people, versions)
    now = clock.now()
    for _ in range(count):
        remixed = rng.choice(world.pictures).id if world.pictures and rng.random() < 0.2 else None
        one = Shown(
            id=0, person=rng.choice(people), at=now - timedelta(hours=rng.choice(AGES), seconds=rng.random()),
            level=rng.choice([1, 1, 2, 4, 8, 16]), kind=rng.choice(["image", "image", "video", "audio"]),
            tags=frozenset(rng.sample(TAGS, rng.randint(0, 3))), tools=frozenset(rng.sample(TOOLS, rng.randint(0, 2))),
            versions=frozenset(rng.sample(sorted(versions), rng.randint(0, 2))),
            meta=rng.random() < 0.6, here=rng.random() < 0.4, remix=remixed is not None,
            counts={"likes": rng.choice(LIKES), "comments": rng.choice([0, 0, 1, 3]), "collected": rng.choice([0, 0, 9])},
        )  # fmt: skip
        one.id = await make_image(
            session, one.person, published_at=one.at, tags=tuple(sorted(one.tags)), tools=tuple(sorted(one.tools)),
            versions=tuple(sorted(one.versions)), nsfw_level=one.level, kind=one.kind, listed=False,
            meta={"prompt": "x"} if one.meta else None, workflow_id="wf" if one.here else None, remix_of_id=remixed,
        )  # fmt: skip
        await session.execute(insert(SubjectCounts).values(kind="image", subject_id=one.id, **one.counts))
        world.pictures.append(one)
    await rows.rebuild(session, [one.id for one in world.pictures])
    await rows.count_terms(session)
    return world


async def all_pages(
    reads: BoundReads, actor: Actor, wanted: FeedFilter, known: Known, limit: int = 7
) -> list[int]:
    found: list[int] = []
    cursor = None
    for _ in range(100):
        page = await pages.page(reads, actor, wanted, limit=limit, cursor=cursor, known=known)
        assert len(page.ids) <= limit
        found += page.ids
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise AssertionError("the pages never end")


def some_filter(rng: random.Random, world: World) -> FeedFilter:
    made = FeedFilter(
        sort=rng.choice(list(ImageSort)), period=rng.choice(list(ImagePeriod)),
        mask=rng.choice([ALL_MASK, ALL_MASK, SAFE_MASK, 4, 16]), seed=rng.randrange(-(2**31), 2**31),
    )  # fmt: skip
    ways: list[dict[str, Any]] = [
        {"kinds": tuple(rng.sample(["image", "video", "audio"], rng.randint(1, 2)))},
        {"base_models": tuple(rng.sample(BASES, rng.randint(1, 2)))},
        {"version_ids": (rng.choice(sorted(world.versions)),)},
        {"model_ids": tuple(m for m, _ in rng.sample(list(world.versions.values()), 2))},
        {"tags": tuple(rng.sample(TAGS, rng.randint(1, 2)))}, {"without_tags": (rng.choice(TAGS),)},
        {"tools": (rng.choice(TOOLS),)}, {"person_ids": tuple(rng.sample(world.people, 2))}, {"with_meta": True},
        {"made_here": True}, {"remixes": rng.choice([True, False])},
    ]  # fmt: skip
    for way in rng.sample(ways, rng.choice([0, 1, 1, 2, 2])):
        made = replace(made, **way)
    return made


# What a plan believes of the counts decides how it goes about it, never what it finds.
BELIEFS = {
    "as counted": lambda real: real,
    "large, all common": lambda real: dict.fromkeys(real, 10**7) | {0: 10**7},
    "large, all rare": lambda real: dict.fromkeys(real, 300) | {0: 10**7},
    "large, few at the top": lambda real: (
        dict.fromkeys(real, 40000)
        | {0: 10**7, terms.tier("reactions", 30): 10**6, terms.tier("comments", 1): 10**6}
    ),
    "nothing": lambda real: {0: 10**7},
}


@pytest.mark.parametrize("belief", list(BELIEFS))
async def test_every_filter_and_order_finds_what_the_model_says(
    session: AsyncSession, reads: BoundReads, belief: str
) -> None:
    world = await make_world(session)
    counted = {row[0]: row[1] for row in await session.execute(select(FeedTerm.term, FeedTerm.images))}
    known = Known(BELIEFS[belief](counted), read_at=float("inf"), shortest=8)
    rng = random.Random(belief)
    viewer = actor_for(world.people[3], mature=True)
    seen_some = 0
    for _ in range(60):
        wanted = some_filter(rng, world)
        actor = rng.choice([viewer, viewer, ANONYMOUS])
        expected = world.expected(wanted, actor, clock.now())
        found = await all_pages(reads, actor, wanted, known)
        if wanted.sort is ImageSort.RANDOM:
            assert len(found) == len(set(found)), wanted
            assert sorted(found) == sorted(expected), wanted
        else:
            assert found == expected, wanted
        seen_some += bool(expected)
    assert seen_some > 20


async def test_pages_are_whole_while_pictures_arrive(session: AsyncSession, reads: BoundReads) -> None:
    world = await make_world(session, 30)
    known = Known({0: 30}, read_at=float("inf"))
    for sort in (ImageSort.NEWEST, ImageSort.OLDEST, ImageSort.MOST_REACTIONS, ImageSort.RANDOM):
        wanted = FeedFilter(mask=ALL_MASK, sort=sort, seed=99)
        viewer = actor_for(world.people[0], mature=True)
        before = set(await session.scalars(select(FeedImage.image_id)))
        found: list[int] = []
        cursor = None
        while True:
            page = await pages.page(reads, viewer, wanted, limit=4, cursor=cursor, known=known)
            found += page.ids
            cursor = page.next_cursor
            if cursor is None:
                break
            # The middle of every order changes while somebody pages.
            await make_image(session, world.people[1], published_at=clock.now() - timedelta(hours=200))
        assert len(found) == len(set(found)), sort
        assert before <= set(found), sort


async def test_what_a_viewer_hides_follows_and_has_seen(session: AsyncSession, reads: BoundReads) -> None:
    me, friend, other = [await make_person(session) for _ in range(3)]
    known = Known({0: 4}, read_at=float("inf"))
    by_friend = await make_image(session, friend)
    tagged = await make_image(session, other, tags=("moon",))
    model = await make_model(session, other, status="Published")
    version = await make_version(session, model, status="Published")
    made_with = await make_image(session, other, versions=(version,))
    plain = await make_image(session, other)
    viewer = actor_for(me)

    async def shown(**fields: Any) -> set[int]:
        return set((await pages.page(reads, viewer, FeedFilter(**fields), limit=50, known=known)).ids)

    assert await shown() == {by_friend, tagged, made_with, plain}
    await session.execute(insert(Follow).values(person_id=me, target_id=friend, kind="follow"))
    assert await shown(followed=True) == {by_friend}
    await session.execute(insert(HiddenTag).values(person_id=me, tag_id=await tag(session, "moon")))
    await session.execute(insert(HiddenImage).values(person_id=me, image_id=plain))
    assert await shown() == {by_friend, made_with}
    await session.execute(
        text("INSERT INTO model_engagements (person_id, model_id, kind) VALUES (:p, :m, 'hide')"),
        {"p": me, "m": model},
    )
    assert await shown() == {by_friend}
    await session.execute(update(Follow).values(kind="block").where(Follow.person_id == me))
    assert await shown() == set()
    await session.execute(delete(Follow))
    await session.execute(insert(Follow).values(person_id=friend, target_id=me, kind="block"))
    assert await shown() == set()
    await session.execute(delete(Follow))
    await session.execute(delete(HiddenImage))
    await session.execute(delete(HiddenTag))
    await seeing.note(session, viewer, image_ids=[by_friend, plain, plain, 2**40])
    assert await shown(unseen=True) == {tagged}
    await seeing.forget(session, viewer)
    assert await shown(unseen=True) == {by_friend, tagged, plain}
    with pytest.raises(Unauthorised):
        await pages.page(reads, ANONYMOUS, FeedFilter(followed=True), limit=5, known=known)


async def test_only_what_everybody_may_see_is_in_the_feed(session: AsyncSession, reads: BoundReads) -> None:
    owner = await make_person(session)
    banned = await make_person(session, status="banned")
    draft = await make_version(session, await make_model(session, owner), status="Draft")
    soon = clock.now() + timedelta(hours=1)
    hidden = [
        await make_image(session, owner, status="pending"),
        await make_image(session, owner, nsfw_level=32 | 1),
        await make_image(session, owner, nsfw_level=0),
        await make_image(session, owner, deleted_at=clock.now()),
        await make_image(session, owner, published_at=soon),
        await make_image(session, banned),
        await make_image(
            session, owner, post_id=await make_post(session, owner, availability="unsearchable")
        ),
        await make_image(
            session, owner, post_id=await make_post(session, owner, version_id=draft, showcase=True)
        ),
        await make_image(session, owner, post_id=await make_post(session, owner, deleted_at=clock.now())),
    ]
    open_one = await make_image(session, owner, nsfw_level=2)
    mature = await make_image(session, owner, nsfw_level=8)
    known = Known({0: 2}, read_at=float("inf"))
    everything = FeedFilter(mask=ALL_MASK)
    found = await pages.page(reads, actor_for(owner, mature=True), everything, limit=50, known=known)
    assert set(found.ids) == {open_one, mature} and not set(found.ids) & set(hidden)
    assert (await pages.page(reads, ANONYMOUS, everything, limit=50, known=known)).ids == (open_one,)
    assert (
        await pages.page(reads, ANONYMOUS, FeedFilter(mask=ALL_MASK, image_id=mature), limit=5, known=known)
    ).ids == ()
    post = await session.scalar(select(Image.post_id).where(Image.id == open_one))
    await session.execute(update(Post).where(Post.id == post).values(deleted_at=clock.now()))
    await rows.rebuild_post(session, post or 0)
    assert (await pages.page(reads, ANONYMOUS, everything, limit=50, known=known)).ids == ()
    assert (await pages.posts(reads, ANONYMOUS, everything, limit=50)).ids == ()


async def test_a_page_is_one_statement_for_a_stranger(session: AsyncSession, reads: BoundReads) -> None:
    owner = await make_person(session)
    for _ in range(3):
        await make_image(session, owner)
    known = Known({0: 3}, read_at=float("inf"))
    before = reads.asked
    await pages.page(reads, ANONYMOUS, FeedFilter(sort=ImageSort.MOST_REACTIONS), limit=2, known=known)
    assert reads.asked - before == 1
    await pages.page(reads, actor_for(owner), FeedFilter(tags=("cat",)), limit=2, known=known)
    assert reads.asked - before == 2, "a tag that nothing has ends the search"
    await pages.page(reads, actor_for(owner), FeedFilter(), limit=2, known=known)
    assert reads.asked - before == 4


@pytest.mark.parametrize(
    "cursor", ["x", "WyJOZXdlc3QiLDEsMl0", "WyJNb3N0IFJlYWN0aW9ucyIsOTk5OTk5OTk5OTksMV0"]
)
async def test_a_cursor_that_is_none_is_refused(reads: BoundReads, cursor: str) -> None:
    for sort in ImageSort:
        with pytest.raises(Invalid):
            await pages.page(reads, ANONYMOUS, FeedFilter(sort=sort), limit=5, cursor=cursor)


def test_ranks_never_fall_and_are_rarely_new() -> None:
    found = [ranks.rank(count) for count in range(100_000)]
    assert found == sorted(found) and len(set(found)) < 130
    assert found[:17] == list(range(17))


async def test_ranks_are_the_same_in_sql(session: AsyncSession) -> None:
    counts = [*range(40), 64, 127, 128, 4096, 99_999]
    told = await session.execute(
        text(f"SELECT n, {ranks.expression('n')} FROM unnest(CAST(:n AS int[])) n"),
        {"n": counts},
    )
    assert all(rank == ranks.rank(count) for count, rank in told)
    assert planning.week(clock.now()) > 2900
