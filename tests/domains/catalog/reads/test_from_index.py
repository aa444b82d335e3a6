"""The index in memory before lists and search: the same pages as by SQL, and never anything that may not be seen."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.catalog.reads.test_listing import BASES, TAGS, TYPES, WORDS, Known, make_crowd
from tests.factories.accounts import actor_for, make_follow, make_person
from tests.factories.catalog import make_published_model, tag_model
from tests.factories.indexes import follow_now, held_now

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import ALL_MASK, ANONYMOUS, PG, Actor, R
from civitas.domains.catalog import lookup, reading, rebuilding, search, terms, vocabulary, worth
from civitas.domains.catalog.listing import Filters, Period, Sort
from civitas.domains.catalog.read_tables import ModelListing
from civitas.domains.catalog.tables import Model, ModelMetric, ModelTag
from civitas.domains.catalog.wish_tables import ModelEngagement
from civitas.domains.catalog.worth import SMALL, Counts
from civitas.infra.db.readpool import BoundReads
from civitas.infra.search.fake import HeldIndex
from civitas.infra.search.finding import Limits
from civitas.infra.search.shape import Answer, Question, float_key, float_of
from civitas.kit import clock

BASE = "https://hub.example.org"
FINE = Limits(direct=5, piece=2, largest_piece=8, patience=8, sparse=4)
# A large catalogue in which everything is rare.
DEAR = worth.Known(Counts({}, 10**6), read_at=float("inf"))


class Away:
    """An index that never knows."""

    async def find_each(self, questions: list[Question], enough: int) -> list[Answer] | None:
        return None


Shown = list[tuple[int, str | None]]


async def walked(
    reads: BoundReads, actor: Actor, filters: Filters, index: Any, *more: Any, limit: int = 4, **given: Any
) -> Shown:
    """Every model, and with the last one of each page the cursor; further indexes take the following pages by turns."""
    found: Shown = []
    cursor, turns = None, (index, *more)
    for at in range(200):
        page = await reading.models(
            reads,
            actor,
            filters,
            limit=limit,
            cursor=cursor,
            index=turns[at % len(turns)],
            known=DEAR,
            **given,
        )
        ids = [one["id"] for one in page.objects(BASE)]
        assert page.count == len(ids) <= limit
        cursor = page.next_cursor
        found += [(number, None) for number in ids[:-1]] + [(number, cursor) for number in ids[-1:]]
        if cursor is None:
            return found
    raise AssertionError("the pages never end")


QUERIES = (
    "robot", "robot castle", "ro", "cast", "sunset riv", "castlle", "castle rovot", '"robot castle"', '-robot', "-#anime castle",
    "#anime robot", "maker_1", "@maker_2 neon", "-@maker_1 river", "base:pony robot", "type:vae", "sdxl", "anime lora", "nothing",
    '-"robot castle" neon', "robot -castle -river", "x", "s", "-type:lora neon", "@nobody", "style neo",
    "sunsetri", "robotcas", "castlero", "sunsetro -castle", "castleriver", "neon sunsetri",
)  # fmt: skip


def some_filters(rng: random.Random) -> Filters:
    given: dict[str, Any] = {}
    if rng.random() < 0.4:
        given["types"] = tuple(rng.sample(TYPES, rng.randint(1, 2)))
    if rng.random() < 0.3:
        given["base_models"] = tuple(rng.sample(BASES, rng.randint(1, 2)))
    if rng.random() < 0.3:
        given["tags"] = tuple(rng.sample(TAGS, rng.randint(1, 2)))
    if rng.random() < 0.15:
        given["without_tags"] = (rng.choice(TAGS),)
    if rng.random() < 0.15:
        given["usernames"] = tuple(rng.sample(("maker_0", "Maker_1", "maker_2", "nobody"), 2))
    if rng.random() < 0.15:
        given["allow_no_credit"] = rng.random() < 0.5
    if rng.random() < 0.15:
        given["commercial_uses"] = tuple(rng.sample(("Image", "Rent", "Sell"), 2))
    if rng.random() < 0.35:
        given["period"] = rng.choice(list(Period))
    if rng.random() < 0.1:
        given["since"] = clock.now() - timedelta(days=rng.choice((1, 50)))
    if rng.random() < 0.1:
        given["min_stars"] = 3.0
    if rng.random() < 0.1:
        given["ids"] = tuple(range(1, 10**6, 2))
    if rng.random() < 0.5:
        given["query"] = search.parse(rng.choice(QUERIES))
    return Filters(mask=rng.choice((ALL_MASK, PG, R, PG | R)), **given)


async def change_something(session: AsyncSession, rng: random.Random, crowd: list[Known]) -> None:
    """What happens to listed models: they come, go, are tagged, renamed, rated and downloaded."""
    one, kind = rng.choice(crowd), rng.randrange(7)
    if kind == 0:
        person = await session.scalar(select(Person.id).where(Person.username == "maker_1"))
        number, _ = await make_published_model(
            session, person, name=" ".join(rng.sample(WORDS, 2)), tags=("anime",), level=PG,
            last_version_at=clock.now(),
        )  # fmt: skip
        one = replace(one, id=number)
        crowd.append(one)
    elif kind == 1:
        await session.execute(
            update(Model).values(status=rng.choice(("Unpublished", "Published"))).where(Model.id == one.id)
        )
    elif kind == 2:
        await session.execute(delete(ModelTag).where(ModelTag.model_id == one.id))
        await tag_model(session, one.id, rng.choice(TAGS))
    elif kind == 3:
        await session.execute(
            update(Model)
            .values(name=rng.choice(("castle", "robot castle", "neon")))
            .where(Model.id == one.id)
        )
    elif kind == 4:
        await session.execute(update(Model).values(nsfw_level=rng.choice((PG, R))).where(Model.id == one.id))
    else:
        await session.execute(
            update(ModelMetric)
            .values(downloads=rng.randint(0, 80), thumbs_up=rng.randint(0, 9), thumbs_down=rng.randint(0, 9))
            .where(ModelMetric.model_id == one.id)
        )
    await rebuilding.rebuild(session, [one.id])
    while await vocabulary.fold(session):
        pass


@pytest.mark.parametrize(("limits", "named"), [(Limits(), lookup.NAMED), (FINE, 0)], ids=["sorted", "walked"])
async def test_pages_by_the_index_are_those_by_sql_while_things_change(
    session: AsyncSession, reads: BoundReads, limits: Limits, named: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without any that may be named, long beginnings are asked for with others that share their span.
    monkeypatch.setattr(lookup, "NAMED", named)
    rng = random.Random(5)
    crowd = await make_crowd(session, 70, rng)
    await vocabulary.recount(session)
    held = await held_now(session)
    await session.execute(text("DELETE FROM index_changes"))
    index = HeldIndex(held, limits)
    viewer = actor_for(await make_person(session), mature=True)
    await session.execute(
        insert(ModelEngagement).values(person_id=viewer.id, model_id=crowd[3].id, kind="hide")
    )
    met = taken = deep = 0
    for number in range(40):
        if number % 6 == 5:
            for _ in range(4):
                await change_something(session, rng, crowd)
            taken += await follow_now(session, held)
        filters, actor = some_filters(rng), rng.choice([viewer, ANONYMOUS])
        given = {"sort": rng.choice([None, *Sort]), "limit": rng.choice((3, 6, 13))}
        by_sql = await walked(reads, actor, filters, Away(), **given)
        assert await walked(reads, actor, filters, index, **given) == by_sql, (filters, given)
        assert await walked(reads, actor, filters, index, Away(), **given) == by_sql, (
            "pages go on by the other"
        )
        met += bool(by_sql)
        deep += len(by_sql) > given["limit"]
    assert met > 15 and deep > 6 and index.asked > 40 and taken > 12


async def test_a_beginning_that_shares_its_span_loses_nothing(
    session: AsyncSession, reads: BoundReads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named like the one, and described with the other of two words whose first letters are one span."""
    owner = await make_person(session)
    models = []
    for number, (name, tag) in enumerate(
        [("illustrations", "illustrious"), ("illustrious xl", "anime"), ("illustrated", "illustriousxl"),
         ("plain", "illustrious"), ("illustration", "anime"), ("illustriously", "anime"), ("illustrious", "anime")] * 3
    ):  # fmt: skip
        made, _ = await make_published_model(session, owner, name=name, tags=(tag,), level=PG)
        await session.execute(insert(ModelMetric).values(model_id=made, downloads=number // 2))
        models.append(made)
    await rebuilding.rebuild(session, models)
    await vocabulary.recount(session)
    index = HeldIndex(await held_now(session))
    for most in (0, lookup.NAMED):
        monkeypatch.setattr(lookup, "NAMED", most)
        for query in ("illustriou", "illustrat", "illustri", "illustrious", "illustr"):
            for limit in (1, 4, 50):
                given = {"limit": limit, "sort": None}
                filters = Filters(query=search.parse(query))
                by_sql = await walked(reads, ANONYMOUS, filters, Away(), **given)
                before = index.asked
                assert await walked(reads, ANONYMOUS, filters, index, **given) == by_sql, (query, limit, most)
                assert index.asked > before and len(by_sql) >= 6


async def test_what_only_sql_knows_is_not_asked(session: AsyncSession, reads: BoundReads) -> None:
    rng = random.Random(8)
    crowd = await make_crowd(session, 12, rng)
    await vocabulary.recount(session)
    index = HeldIndex(await held_now(session))
    viewer = actor_for(await make_person(session), mature=True)
    alone = (
        Filters(), Filters(ids=(crowd[0].id,)), Filters(early_access=True), Filters(min_stars=2.0, tags=("anime",)),
        Filters(favourites=True, types=TYPES), Filters(query=search.parse("hash:879DB523C3 robot")),
        Filters(query=search.parse(f"civitai:{crowd[0].id}")),
    )  # fmt: skip
    for filters in alone:
        await reading.models(reads, viewer, filters, index=index, known=DEAR)
    assert index.asked == 0
    for filters in (Filters(tags=("anime",)), Filters(period=Period.YEAR), Filters(usernames=("maker_1",)),
                    Filters(query=search.parse("robot"))):  # fmt: skip
        before = index.asked
        await reading.models(reads, viewer, filters, index=index, known=DEAR)
        assert index.asked == before + 1, filters


async def test_what_sql_is_quick_with_is_not_asked(session: AsyncSession, reads: BoundReads) -> None:
    await make_crowd(session, 30, random.Random(3))
    await vocabulary.recount(session)
    index = HeldIndex(await held_now(session))
    facets = {
        "t:lora": 600_000,
        "t:vae": 3000,
        "t:checkpoint": 100_000,
        "b:sdxl 1.0": 500_000,
        "tb:lora|sdxl 1.0": 300_000,
        "+credit": 900_000,
    }
    large = worth.Known(Counts(facets, 10**6), read_at=float("inf"))

    async def asked(filters: Filters, known: worth.Known = large, **given: Any) -> bool:
        before = index.asked
        await reading.models(reads, ANONYMOUS, filters, index=index, known=known, **{"limit": 100, **given})
        return index.asked > before

    lora, both = Filters(types=("LORA",)), Filters(types=("LORA",), base_models=("SDXL 1.0",))
    deep = (await reading.models(reads, ANONYMOUS, lora, limit=2)).next_cursor
    assert deep is not None
    for quick in (lora, both, Filters(types=("LORA", "VAE")), Filters(without_tags=("anime",))):
        assert not await asked(quick) and not await asked(quick, cursor=deep, sort=Sort.HIGHEST_RATED), quick
    for dear in (
        Filters(types=("VAE",)), Filters(tags=("anime",)), replace(lora, tags=("anime",)),
        replace(lora, allow_no_credit=False), replace(lora, usernames=("maker_1",)), replace(lora, period=Period.YEAR),
        Filters(query=search.parse("robot")),
    ):  # fmt: skip
        assert await asked(dear), dear
    # As many as are wanted may be too many.
    tenth = Filters(types=("Checkpoint",))
    assert not await asked(tenth, limit=20) and await asked(tenth, limit=20, offset=20)
    assert await asked(tenth, limit=100) and not await asked(both, limit=150)
    assert not await asked(lora, worth.Known(Counts({}, SMALL), read_at=float("inf")))
    assert not await asked(Filters(tags=("anime",)), worth.Known()), "thirty models, as they were counted"
    counts = await worth.Known().of(reads)
    crowd = await session.scalar(select(func.count()).select_from(ModelListing))
    assert counts.total == crowd and 0 < counts.share(["t:lora"]) < 1 == counts.share(
        ["t:lora", "t:vae", "t:checkpoint"]
    )
    assert not any(facet.startswith("#") or facet.isalnum() for facet in counts.facets)


async def test_an_index_out_of_date_leaves_out_and_never_shows(
    session: AsyncSession, reads: BoundReads
) -> None:
    owner = await make_person(session)
    models = []
    for number in range(24):
        made, _ = await make_published_model(
            session, owner, name=f"castle {number}", tags=("anime",), level=PG
        )
        await session.execute(insert(ModelMetric).values(model_id=made, downloads=1000 - number))
        models.append(made)
    await rebuilding.rebuild(session, models)
    await vocabulary.recount(session)
    index = HeldIndex(await held_now(session))
    # Taken away, made mature, untagged, renamed: none of it is told to the index.
    gone, mature, untagged, renamed = models[0], models[6], models[7], models[8]
    await session.execute(update(Model).values(status="Unpublished").where(Model.id == gone))
    await session.execute(update(Model).values(nsfw_level=R).where(Model.id == mature))
    await session.execute(delete(ModelTag).where(ModelTag.model_id == untagged))
    await session.execute(update(Model).values(name="ruin").where(Model.id == renamed))
    await rebuilding.rebuild(session, models)
    tagged = [one for one in models if one not in (gone, mature, untagged)]
    named = [one for one in models if one not in (gone, mature, renamed)]
    for limit in (1, 5, 20, 50):
        for filters, left in (
            (Filters(tags=("anime",)), tagged),
            (Filters(query=search.parse("castle")), named),
        ):
            found = await walked(reads, ANONYMOUS, filters, index, limit=limit, sort=Sort.MOST_DOWNLOADED)
            assert [one for one, _ in found] == left, "full pages, nothing twice, nothing that is gone"
        found = await walked(reads, ANONYMOUS, Filters(query=search.parse("castle")), index, limit=limit)
        assert [one for one, _ in found] == named
    # All that it knows is gone: what is there is found by SQL.
    await session.execute(update(Model).values(nsfw_level=R).where(Model.id.in_(models[:22])))
    await rebuilding.rebuild(session, models)
    found = await walked(
        reads, ANONYMOUS, Filters(tags=("anime",)), index, limit=1, sort=Sort.MOST_DOWNLOADED
    )
    assert [one for one, _ in found] == models[22:]


async def test_people_whom_a_viewer_hides_are_left_out(session: AsyncSession, reads: BoundReads) -> None:
    me, dull, good = [await make_person(session) for _ in range(3)]
    dulls = [(await make_published_model(session, dull, tags=("anime",), level=PG))[0] for _ in range(6)]
    goods = [(await make_published_model(session, good, tags=("anime",), level=PG))[0] for _ in range(2)]
    await rebuilding.rebuild(session, [*dulls, *goods])
    index = HeldIndex(await held_now(session))
    await make_follow(session, me, dull, kind="hide")
    found = await walked(reads, actor_for(me), Filters(tags=("anime",)), index, limit=1, sort=Sort.OLDEST)
    assert [one for one, _ in found] == goods


async def test_every_way_a_listing_changes_is_logged(session: AsyncSession) -> None:
    owner = await make_person(session)
    models = [(await make_published_model(session, owner, level=PG))[0] for _ in range(3)]
    await rebuilding.rebuild(session, models)

    async def logged() -> set[int]:
        found = await session.execute(
            text("DELETE FROM index_changes WHERE collection = 'models' RETURNING ids")
        )
        return {number for row in found for number in row[0]}

    assert await logged() == set(models)
    await rebuilding.rebuild(session, models)
    assert await logged() == set(), "they were so already"
    await session.execute(
        update(ModelListing)
        .values(early_access_until=clock.now(), stars=4.0)
        .where(ModelListing.model_id == models[0])
    )
    assert await logged() == set(), "nothing that the index holds"
    await session.execute(update(ModelListing).values(downloads=3).where(ModelListing.model_id == models[0]))
    assert await logged() == {models[0]}
    await session.execute(update(ModelListing).values(name="other").where(ModelListing.model_id != models[0]))
    assert await logged() == set(models[1:])
    await session.execute(delete(ModelListing).where(ModelListing.model_id == models[1]))
    assert await logged() == {models[1]}
    await session.execute(text("TRUNCATE model_listings"))
    emptied = await session.execute(text("SELECT ids FROM index_changes WHERE collection = 'models'"))
    assert [row[0] for row in emptied] == [None]


async def test_terms_are_the_same_by_sql(session: AsyncSession) -> None:
    found = (
        "robot", "=robot", "ro", "robotics", "=robotics", "robotical", "дом", "=домик", "домиком", "城堡", "城堡塔", "x1", "=é",
        "naïveté", "abcdefдом", "x_y", "𠀀𠀁", "ab" * 16,
    )  # fmt: skip
    vector = " ".join(f"'{one}'" for one in found)
    given = {"terms": vector, "facets": ["tb:lora|sdxl 1.0", "#ink wash*", "+credit"]}
    query = f"SELECT {terms.SQL} FROM (SELECT :terms ::tsvector AS terms, CAST(:facets AS text[]) AS facets, 'ab' AS name) l"
    made = await session.scalar(text(query.replace("(terms)", "(l.terms)")), given)
    assert sorted(made) == sorted(
        [*map(terms.word, found), *map(terms.facet, given["facets"]), terms.name("ab")]
    )
    assert len(set(made)) == len(made)


KNOWN = (
    "r", "rob", "robot", "robotic", "robotical", "robotically", "roca", "rz", "s", "q", "дом", "дым", "домик", "домиком", "ро",
    "城堡", "城", "塔", "roé", "robдом",
)  # fmt: skip


@pytest.mark.parametrize(
    "beginning",
    ["r", "ro", "rob", "robo", "robot", "roboti", "robotic", "д", "до", "城", "城堡", "rob", "robд", "roé"],
)
def test_words_that_begin_alike_are_a_span(beginning: str) -> None:
    for sign in ("", "="):
        low, high = terms.beginning(sign + beginning)
        found = [one for one in KNOWN if low <= terms.word(sign + one) < high]
        assert terms.spans(beginning) and found == [one for one in KNOWN if one.startswith(beginning)]
        assert not any(low <= terms.word(("" if sign else "=") + one) < high for one in KNOWN)


@pytest.mark.parametrize("beginning", ["robotica", "robotically", "дом", "домик", "robдо"])
def test_words_that_begin_alike_for_longer_share_a_span(beginning: str) -> None:
    low, high = terms.beginning(beginning)
    found = [one for one in KNOWN if low <= terms.word(one) < high]
    assert not terms.spans(beginning) and terms.spans(terms.apart(beginning))
    assert {one for one in KNOWN if one.startswith(beginning)} <= set(found)
    assert all(one.startswith(terms.apart(beginning)) for one in found)
    assert len({terms.word(one) for one in KNOWN}) == len(KNOWN)


def test_floats_keep_their_order() -> None:
    numbers = [-1e300, -2.5, -1.0, -1e-17, -0.0, 0.0, 5e-324, 1e-17, 0.4999, 0.5, 1.0, 4.2, 1e300]
    keys = [float_key(one) for one in numbers]
    assert keys == sorted(keys) and float_key(-0.0) == float_key(0.0) == 0
    assert [float_of(key) for key in keys] == numbers
