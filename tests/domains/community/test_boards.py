"""Boards through time, legends, trophies, scores and milestones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person
from tests.factories.catalog import make_model, make_version
from tests.factories.community import make_article, make_picture, make_writer

from civitas.domains.accounts import scoring as account_scoring
from civitas.domains.accounts.tables import Person
from civitas.domains.buzz.shop.tables import OwnedCosmetic
from civitas.domains.catalog.tables import Download, ModelMetric
from civitas.domains.community.articles.tables import Article
from civitas.domains.community.boards import computing, milestones, reading, scoring
from civitas.domains.community.boards.tables import Milestone
from civitas.domains.community.boards.types import BOARDS, BY_KEY, Season, Span
from civitas.domains.gallery.feeds.tables import Reaction
from civitas.kit import clock
from civitas.kit.errors import NotFound

NIGHT = datetime(2026, 6, 15, 23, tzinfo=UTC)
MODELS = BY_KEY["models"]


async def downloads(session: AsyncSession, owner: int, count: int, at: datetime, kind: str = "LORA") -> int:
    """A published model of this owner with so many downloads at a moment."""
    model = await make_model(session, owner, status="Published", type=kind, published_at=at)
    version = await make_version(session, model)
    for number in range(count):
        await session.execute(
            insert(Download).values(
                caller=f"a:{model}:{number}", version_id=version, day=at.date(), created_at=at
            )
        )
    return model


async def names(
    session: AsyncSession, key: str = "models", span: Span = Span.WINDOW, day: date | None = None
) -> list[int]:
    found = await reading.places(session, BY_KEY[key], span=span, day=day or NIGHT.date())
    return [one.person_id for one in found.items]


async def test_thirty_days_and_no_more(session: AsyncSession) -> None:
    ana, ben, old = [await make_person(session) for _ in range(3)]
    await downloads(session, ana, 3, NIGHT - timedelta(days=2))
    await downloads(session, ben, 5, NIGHT - timedelta(days=29), kind="Checkpoint")
    await downloads(session, old, 9, NIGHT - timedelta(days=31))
    for board in BOARDS:
        await computing.compute(session, board, now=NIGHT)
        await computing.compute(session, board, now=NIGHT)
    assert await names(session) == [ben, ana]
    assert await names(session, "loras") == [ana] and await names(session, "checkpoints") == [ben]
    assert await names(session, "overall") == [ben, ana]
    # A season looks back to its first day.
    assert await names(session, span=Span.SEASON, day=date(2026, 4, 1)) == [old, ben, ana]
    later = NIGHT + timedelta(days=5)
    await downloads(session, ana, 9, later - timedelta(hours=1))
    await computing.compute(session, MODELS, now=later)
    found = await reading.places(session, MODELS, span=Span.WINDOW, day=later.date())
    assert [(one.person_id, one.moved) for one in found.items] == [(ana, 1)]
    assert await reading.own(session, ana, MODELS, span=Span.WINDOW, day=NIGHT.date()) == (2, 3)


async def test_those_who_may_not_be_there_are_not(session: AsyncSession) -> None:
    ana, cheat, banned = [await make_person(session) for _ in range(3)]
    for person in (ana, cheat, banned):
        await downloads(session, person, 2, NIGHT - timedelta(days=1))
    await session.execute(update(Person).where(Person.id == cheat).values(off_leaderboards=True))
    await session.execute(update(Person).where(Person.id == banned).values(status="banned"))
    own = await make_model(session, ana, status="Published")
    version = await make_version(session, own)
    await session.execute(
        insert(Download).values(
            caller=f"p:{ana}",
            version_id=version,
            person_id=ana,
            day=NIGHT.date(),
            created_at=NIGHT - timedelta(hours=2),
        )
    )
    await computing.compute(session, MODELS, now=NIGHT)
    found = await reading.places(session, MODELS, span=Span.WINDOW, day=NIGHT.date())
    assert [(one.person_id, one.points) for one in found.items] == [(ana, 2)]


async def test_a_season_is_settled_on_the_first_day_of_the_next(session: AsyncSession) -> None:
    ana = await make_person(session)
    await downloads(session, ana, 1, datetime(2026, 6, 30, 23, 30, tzinfo=UTC))
    await computing.compute(session, MODELS, now=datetime(2026, 6, 30, 23, tzinfo=UTC))
    assert await names(session, span=Span.SEASON, day=date(2026, 4, 1)) == []
    await computing.compute(session, MODELS, now=datetime(2026, 7, 1, 23, tzinfo=UTC))
    assert await names(session, span=Span.SEASON, day=date(2026, 4, 1)) == [ana]
    assert await names(session, span=Span.SEASON, day=date(2026, 7, 1)) == []
    assert [one.name for one in await reading.seasons(session, MODELS)] == ["2026-Q2"]


def test_seasons_follow_one_another() -> None:
    last = Season.of(date(2026, 12, 31))
    assert (last.name, last.first, last.after.name, last.before.name) == (
        "2026-Q4", date(2026, 10, 1), "2027-Q1", "2026-Q3",
    )  # fmt: skip
    assert Season.of(date(2026, 1, 1)).before.name == "2025-Q4"


async def test_legends_sum_the_days(session: AsyncSession) -> None:
    people = [await make_person(session) for _ in range(4)]
    for place, person in enumerate(people):
        await downloads(session, person, 4 - place, NIGHT - timedelta(days=1))
    for days in range(2):
        await computing.compute(session, MODELS, now=NIGHT + timedelta(days=days))
    with clock.held_at(NIGHT + timedelta(days=1)):
        await computing.sum_up(session)
        await computing.sum_up(session)
    found = (await reading.legends(session, MODELS)).items
    assert [(one.person_id, one.points) for one in found] == [
        (people[0], 2000), (people[1], 1600), (people[2], 1600), (people[3], 1200),
    ]  # fmt: skip
    assert (found[0].diamonds, found[1].golds, found[3].silvers) == (2, 2, 2)


async def test_those_at_the_top_get_their_plate_once(session: AsyncSession) -> None:
    people = [await make_person(session) for _ in range(11)]
    for place, person in enumerate(people):
        await downloads(session, person, 12 - place, NIGHT - timedelta(days=1))
    await computing.compute(session, MODELS, now=NIGHT)
    with clock.held_at(NIGHT):
        assert await computing.reward(session) == 10
        assert await computing.reward(session) == 0
    assert len((await session.scalars(select(OwnedCosmetic.person_id))).all()) == 10
    assert await reading.best_of(session, people[0]) == (MODELS, 1)


async def test_reactions_of_others_count_and_ones_own_do_not(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    picture = await make_picture(session, ana)
    for person, reaction in ((ben, "heart"), (ben, "dislike"), (ana, "like")):
        await session.execute(
            insert(Reaction).values(
                kind="image",
                subject_id=picture,
                person_id=person,
                reaction=reaction,
                created_at=NIGHT - timedelta(days=1),
            )
        )
    await computing.compute(session, BY_KEY["images"], now=NIGHT)
    found = await reading.places(session, BY_KEY["images"], span=Span.WINDOW, day=NIGHT.date())
    assert [(one.person_id, one.points) for one in found.items] == [(ana, 1)]


async def test_pages_of_places_hold_together(session: AsyncSession) -> None:
    people = [await make_person(session) for _ in range(7)]
    for person in people:
        await downloads(session, person, 1, NIGHT - timedelta(days=1))
    await computing.compute(session, MODELS, now=NIGHT)
    seen: list[int] = []
    cursor = None
    while True:
        page = await reading.places(
            session, MODELS, span=Span.WINDOW, day=NIGHT.date(), cursor=cursor, limit=3
        )
        seen += [one.position for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    with pytest.raises(NotFound):
        reading.board_of("nonsense")


async def test_articles_and_media_add_to_the_score(session: AsyncSession) -> None:
    writer = await make_writer(session)
    article = await make_article(session, writer)
    await session.execute(
        update(Article)
        .where(Article.id == article.id)
        .values(view_count=7, comment_count=2, reaction_count=3)
    )
    for _ in range(2):
        await scoring.score_words_and_media(session)
    assert (await account_scoring.of(session, writer.require())).parts["articles"] == 7 + 50 + 30


async def test_a_milestone_is_told_once_and_only_the_highest(session: AsyncSession) -> None:
    writer = await make_writer(session)
    model = await make_model(session, writer.require(), status="Published")
    await session.execute(insert(ModelMetric).values(model_id=model, downloads=1200))
    article = await make_article(session, writer)
    await session.execute(update(Article).where(Article.id == article.id).values(reaction_count=5))
    assert await milestones.look(session) == 2
    assert await milestones.look(session) == 0
    amounts = await session.scalars(select(Milestone.amount).where(Milestone.subject_kind == "model"))
    assert sorted(amounts) == [100, 500, 1000]
    await session.execute(update(ModelMetric).values(downloads=4999))
    assert await milestones.look(session) == 0
    await session.execute(update(ModelMetric).values(downloads=5000))
    assert await milestones.look(session) == 1
