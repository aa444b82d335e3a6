"""Lists: every result satisfies every filter, pages neither drop nor repeat, hidden things stay hidden."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.catalog.reads.conftest import Queries
from tests.factories.accounts import actor_for, make_follow, make_person
from tests.factories.catalog import make_published_model

from civitas.domains.accounts.types import ALL_MASK, ANONYMOUS, PG, SAFE_MASK, Actor, R
from civitas.domains.catalog import hidden_tags, reading, rebuilding, search, vocabulary
from civitas.domains.catalog.listing import Filters, Period, Sort
from civitas.domains.catalog.read_tables import ModelListing
from civitas.domains.catalog.tables import ModelMetric, ModelVersion
from civitas.domains.catalog.walking import USUAL, Reach
from civitas.domains.catalog.wish_tables import ModelEngagement
from civitas.infra.db.readpool import BoundReads
from civitas.kit import clock
from civitas.kit.errors import Invalid, NotFound, Unauthorised

BASE = "https://hub.example.org"
TYPES = ("LORA", "Checkpoint", "VAE")
BASES = ("SDXL 1.0", "SD 1.5", "Pony")
TAGS = ("anime", "style", "photo", "landscape")
WORDS = ("sunset", "robot", "castle", "river", "neon")


@dataclass(frozen=True)
class Known:
    """What a test model is, to check results against."""

    id: int
    type: str
    bases: tuple[str, ...]
    tags: tuple[str, ...]
    name: str
    person: str
    level: int
    credit: bool
    uses: tuple[str, ...]
    age_days: int
    downloads: int


async def make_crowd(session: AsyncSession, count: int, rng: random.Random) -> list[Known]:
    people = {f"maker_{i}": await make_person(session, f"maker_{i}") for i in range(3)}
    made = []
    for _ in range(count):
        known = Known(
            id=0,
            type=rng.choice(TYPES),
            bases=tuple(rng.sample(BASES, rng.randint(1, 2))),
            tags=tuple(rng.sample(TAGS, rng.randint(0, 3))),
            name=" ".join(rng.sample(WORDS, 2)),
            person=rng.choice(list(people)),
            level=rng.choice((PG, PG, R, PG | R)),
            credit=rng.random() < 0.5,
            uses=tuple(rng.sample(("Image", "Rent", "Sell"), rng.randint(1, 2))),
            age_days=rng.choice((0, 3, 20, 100, 500)),
            downloads=rng.choice((0, 0, 5, 5, 70)),
        )
        model_id, versions = await make_published_model(
            session, people[known.person], versions=len(known.bases), type=known.type, name=known.name,
            tags=known.tags, level=known.level, allow_no_credit=known.credit,
            allow_commercial_use=list(known.uses),
            last_version_at=clock.now() - timedelta(days=known.age_days, seconds=rng.randint(0, 5)),
        )  # fmt: skip
        for version, base in zip(versions, known.bases, strict=True):
            await session.execute(
                update(ModelVersion).where(ModelVersion.id == version).values(base_model=base)
            )
        await session.execute(insert(ModelMetric).values(model_id=model_id, downloads=known.downloads))
        made.append(replace(known, id=model_id))
    await rebuilding.rebuild(session, [known.id for known in made])
    return made


async def all_pages(
    reads: BoundReads,
    filters: Filters,
    actor: Actor = ANONYMOUS,
    *,
    sort: Sort | None = None,
    limit: int = 7,
    reach: Reach = USUAL,
) -> list[int]:
    ids: list[int] = []
    cursor = None
    while True:
        page = await reading.models(reads, actor, filters, sort=sort, limit=limit, cursor=cursor, reach=reach)
        ids += [found["id"] for found in page.objects(BASE)]
        cursor = page.next_cursor
        if cursor is None:
            return ids


Check = Callable[[Known], bool]


def some_filter(rng: random.Random) -> tuple[dict[str, Any], Check]:
    """A random filter and what it must mean."""
    kind = rng.randrange(9)
    if kind == 0:
        types = tuple(rng.sample(TYPES, rng.randint(1, 2)))
        return {"types": types}, lambda k: k.type in types
    if kind == 1:
        bases = tuple(rng.sample(BASES, rng.randint(1, 2)))
        return {"base_models": tuple(b.lower() for b in bases)}, lambda k: bool(set(bases) & set(k.bases))
    if kind == 2:
        tags = tuple(rng.sample(TAGS, rng.randint(1, 2)))
        return {"tags": tags}, lambda k: set(tags) <= set(k.tags)
    if kind == 3:
        tag = rng.choice(TAGS)
        return {"without_tags": (tag,)}, lambda k: tag not in k.tags
    if kind == 4:
        person = f"maker_{rng.randrange(3)}"
        return {"usernames": (person.upper(),)}, lambda k: k.person == person
    if kind == 5:
        wanted = rng.random() < 0.5
        return {"allow_no_credit": wanted}, lambda k: k.credit is wanted
    if kind == 6:
        uses = tuple(rng.sample(("Image", "Rent", "Sell"), rng.randint(1, 2)))
        return {"commercial_uses": uses}, lambda k: bool(set(uses) & set(k.uses))
    if kind == 7:
        period, days = rng.choice(((Period.WEEK, 7), (Period.MONTH, 30), (Period.YEAR, 365), (Period.DAY, 1)))
        return {"period": period}, lambda k: k.age_days < days
    word = rng.choice(WORDS)
    return {"query": search.parse(word)}, lambda k: word in k.name.split()


@pytest.mark.parametrize("seed", range(3))
async def test_every_result_satisfies_every_filter_and_none_is_missing(
    session: AsyncSession, reads: BoundReads, seed: int
) -> None:
    rng = random.Random(seed)
    crowd = await make_crowd(session, 40, rng)
    await vocabulary.fold(session)
    for _ in range(25):
        chosen = [some_filter(rng) for _ in range(rng.randint(0, 4))]
        merged: dict[str, Any] = {}
        checks: list[Check] = []
        for fields, check in chosen:
            if not fields.keys() & merged.keys():
                merged |= fields
                checks.append(check)
        mask, actor = rng.choice(((3, ANONYMOUS), (ALL_MASK, actor_for(10**9, mature=True))))
        filters = Filters(**merged, mask=mask)
        expected = {k.id for k in crowd if k.level & mask and all(check(k) for check in checks)}
        sort = rng.choice([None, *Sort])
        reach = rng.choice(
            (USUAL, Reach(stretch=6, rare=0), Reach(stretch=2, rare=4), Reach(stretch=15, rare=9))
        )
        limit = rng.choice((3, 7, 100))
        found = await all_pages(reads, filters, actor, sort=sort, limit=limit, reach=reach)
        same = await all_pages(reads, filters, actor, sort=sort, limit=100)
        assert found == same, (merged, sort, reach)
        assert len(found) == len(set(found)), (merged, sort)
        assert set(found) == expected, (merged, sort)


@pytest.mark.parametrize("sort", [s for s in Sort if s is not Sort.RELEVANCE])
async def test_orders(session: AsyncSession, reads: BoundReads, sort: Sort) -> None:
    crowd = await make_crowd(session, 12, random.Random(5))
    for place, known in enumerate(crowd):
        await session.execute(
            update(ModelListing)
            .where(ModelListing.model_id == known.id)
            .values(
                rating=place % 3 / 7, thumbs_up=place % 4, comments=place % 2, collected=1, images=place,
                level=PG,
            )
        )  # fmt: skip
    rows = {
        row.model_id: row
        for row in (await session.execute(ModelListing.__table__.select())).all()
    }  # fmt: skip
    column = {
        Sort.HIGHEST_RATED: "rating", Sort.MOST_DOWNLOADED: "downloads", Sort.MOST_LIKED: "thumbs_up",
        Sort.MOST_DISCUSSED: "comments", Sort.MOST_COLLECTED: "collected", Sort.MOST_IMAGES: "images",
    }.get(sort, "last_version_at")  # fmt: skip
    found = await all_pages(reads, Filters(), sort=sort, limit=5)
    keys = [(getattr(rows[number], column), number) for number in found]
    assert len(found) == len(crowd)
    assert keys == sorted(keys, reverse=sort is not Sort.OLDEST)


async def test_pages_hold_still_while_models_come_in(session: AsyncSession, reads: BoundReads) -> None:
    crowd = await make_crowd(session, 20, random.Random(1))
    before = {k.id for k in crowd if k.level & 3}
    first = await reading.models(reads, ANONYMOUS, Filters(), sort=Sort.NEWEST, limit=5)
    await make_crowd_more(session)
    ids = [found["id"] for found in first.objects(BASE)]
    cursor = first.next_cursor
    while cursor:
        page = await reading.models(reads, ANONYMOUS, Filters(), sort=Sort.NEWEST, limit=5, cursor=cursor)
        ids += [found["id"] for found in page.objects(BASE)]
        cursor = page.next_cursor
    assert len(ids) == len(set(ids))
    assert set(ids) == before


async def make_crowd_more(session: AsyncSession) -> None:
    made = [(await make_published_model(session))[0] for _ in range(3)]
    await rebuilding.rebuild(session, made)


async def test_hidden_models_and_people_are_nowhere(session: AsyncSession, reads: BoundReads) -> None:
    crowd = await make_crowd(session, 30, random.Random(2))
    me = actor_for(await make_person(session), mature=True)
    hidden = crowd[0]
    person = next(k.person for k in crowd if k.person != hidden.person)
    target = await session.scalar(
        ModelListing.__table__.select()
        .with_only_columns(ModelListing.person_id)
        .where(ModelListing.model_id == next(k.id for k in crowd if k.person == person))
    )
    await session.execute(insert(ModelEngagement).values(person_id=me.id, model_id=hidden.id, kind="hide"))
    await make_follow(session, me.id or 0, target or 0, kind="hide")
    expected = {k.id for k in crowd if k.id != hidden.id and k.person != person}
    filters = Filters(mask=ALL_MASK)
    for sort in (Sort.NEWEST, Sort.MOST_DOWNLOADED):
        assert set(await all_pages(reads, filters, me, sort=sort)) == expected
    word = hidden.name.split()[0]
    found = await all_pages(reads, replace(filters, query=search.parse(word)), me)
    assert set(found) == {k.id for k in crowd if k.id in expected and word in k.name}
    suggested = await reading.suggest(reads, me, word, mask=ALL_MASK, limit=100)
    assert {s["id"] for s in suggested if s["kind"] == "model"} == set(found)
    assert await all_pages(reads, replace(filters, hidden=True), me) == [hidden.id]


async def test_what_carries_a_hidden_tag_or_belongs_to_a_theme_is_nowhere(
    session: AsyncSession, reads: BoundReads
) -> None:
    me = actor_for(await make_person(session))
    tagged = {
        tag: (await make_published_model(session, tags=("style", tag), name=f"Harbour {tag}"))[0]
        for tag in ("guro", "kemono", "moon", "sea")
    }
    await rebuilding.rebuild(session, list(tagged.values()))
    await hidden_tags.hide(session, me, name="moon")
    await hidden_tags.hide(session, me, name="moon")

    async def shown(viewer: Actor, **given: Any) -> set[int]:
        found = set(await all_pages(reads, Filters(**given), viewer))
        assert found == set(await all_pages(reads, Filters(**given, query=search.parse("harbour")), viewer))
        suggested = await reading.suggest(reads, viewer, "harbour", mask=SAFE_MASK, limit=100)
        assert found == {one["id"] for one in suggested if one["kind"] == "model"}
        return found

    assert await shown(me) == {tagged["guro"], tagged["kemono"], tagged["sea"]}
    assert await shown(me, tags=("style",)) == {tagged["guro"], tagged["kemono"], tagged["sea"]}
    calm = replace(me, themes=("furry", "gore", "no theme of ours"))
    assert await shown(calm) == await shown(calm, tags=("style",)) == {tagged["sea"]}
    await hidden_tags.show(session, me, name="moon")
    assert await shown(me) == set(tagged.values())
    with pytest.raises(NotFound):
        await hidden_tags.hide(session, me, name="no such tag")


async def test_favourites_are_ones_own(session: AsyncSession, reads: BoundReads) -> None:
    crowd = await make_crowd(session, 5, random.Random(3))
    me = actor_for(await make_person(session), mature=True)
    await session.execute(
        insert(ModelEngagement).values(person_id=me.id, model_id=crowd[2].id, kind="favourite")
    )
    assert await all_pages(reads, Filters(favourites=True, mask=ALL_MASK), me) == [crowd[2].id]
    with pytest.raises(Unauthorised):
        await reading.models(reads, ANONYMOUS, Filters(favourites=True))


async def test_unsearchable_models_keep_their_direct_link_only(
    session: AsyncSession, reads: BoundReads
) -> None:
    model_id, _ = await make_published_model(session, availability="Unsearchable", name="Quiet One")
    await rebuilding.rebuild(session, [model_id])
    assert await all_pages(reads, Filters()) == []
    assert await all_pages(reads, Filters(query=search.parse("quiet"))) == []
    assert (await reading.model(reads, model_id)).objects(BASE)[0]["id"] == model_id


async def test_a_page_is_one_statement_and_a_search_two(
    session: AsyncSession, reads: BoundReads, queries: Queries
) -> None:
    await make_crowd(session, 10, random.Random(4))
    with queries.counted():
        await reading.models(reads, ANONYMOUS, Filters(types=("LORA",), tags=("anime",)), limit=5)
    assert queries.count == 1
    with queries.counted():
        await reading.models(reads, ANONYMOUS, Filters(query=search.parse("sunset robo")), limit=5)
    assert queries.count == 2


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "W10",
        "WyJOZXdlc3QiLDEsMl0",
        "WyJNb3N0IERvd25sb2FkZWQiLDEsMl0",
        "eyJhIjoxfQ",
        "W251bGwsbnVsbCxudWxsXQ",
    ],
)
async def test_cursors_made_by_hand_are_told_so(reads: BoundReads, cursor: str) -> None:
    with pytest.raises(Invalid) as caught:
        await reading.models(reads, ANONYMOUS, Filters(), sort=Sort.HIGHEST_RATED, limit=2, cursor=cursor)
    assert caught.value.code == "bad_cursor"
