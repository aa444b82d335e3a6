"""Reviews: one of a person about a version, what is counted, and who reads them."""

from __future__ import annotations

import pytest
from sqlalchemy import event, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from tests.factories.accounts import actor_for, make_actor, make_follow
from tests.factories.catalog import make_published_model, make_version

from civitas.contracts import subjects
from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import ANONYMOUS, Actor, Role
from civitas.domains.catalog import rebuilding
from civitas.domains.catalog.read_tables import ModelListing
from civitas.domains.catalog.tables import ModelMetric, VersionMetric
from civitas.domains.community.reviews import reading, writing
from civitas.domains.gallery.tables import Post
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.kit import clock
from civitas.kit.errors import Fault, Forbidden, Invalid, Limited


async def test_one_review_of_a_person_and_what_models_show(
    session: AsyncSession, context: TaskContext
) -> None:
    model, (first, second) = await make_published_model(session, versions=2)
    await rebuilding.rebuild(session, [model])
    ana, ben, cy = [await make_actor(session) for _ in range(3)]

    async def shown() -> tuple[tuple[int, int], tuple[int, int]]:
        await drain(context)
        fresh = {"populate_existing": True}
        whole = await session.scalar(
            select(ModelMetric).where(ModelMetric.model_id == model).execution_options(**fresh)
        )
        part = await session.scalar(
            select(VersionMetric).where(VersionMetric.version_id == first).execution_options(**fresh)
        )
        assert whole is not None
        assert part is not None
        return (whole.thumbs_up, whole.thumbs_down), (part.thumbs_up, part.thumbs_down)

    await writing.review(session, ana, version_id=first, recommended=True, content="Good")
    await writing.review(session, ben, version_id=first, recommended=False)
    await writing.review(session, cy, version_id=second, recommended=True)
    assert await shown() == ((2, 1), (1, 1))
    again = await writing.review(session, ben, version_id=first, recommended=True, content="Changed my mind")
    assert await shown() == ((3, 0), (2, 0))
    listing = (
        await session.execute(
            select(ModelListing.thumbs_up, ModelListing.rating).where(ModelListing.model_id == model)
        )
    ).one()
    assert (listing.thumbs_up, listing.rating > 0.3) == (3, True)
    staff = await make_actor(session, role=Role.MODERATOR)
    await writing.exclude(session, staff, review_id=again.id, excluded=True)
    assert await shown() == ((2, 0), (1, 0))
    assert [one.total for one in await reading.tallies(session, ANONYMOUS, model_id=model)] == [1, 1]
    await writing.exclude(session, staff, review_id=again.id, excluded=False)
    await writing.remove(session, ana, version_id=first)
    await writing.remove(session, ana, version_id=first)
    assert await shown() == ((2, 0), (1, 0))
    assert await reading.mine(session, ana, version_id=first) is None


async def test_who_may_review(session: AsyncSession) -> None:
    owner, helper, ben = [await make_actor(session) for _ in range(3)]
    model, (version,) = await make_published_model(session, owner.id, editor_ids=[helper.id])
    draft = await make_version(session, model)
    number = ben.id or 0
    await make_follow(session, owner.id or 0, (blocked := await make_actor(session)).id or 0, "block")
    for actor, about, code in (
        (owner, version, "own_model"),
        (helper, version, "own_model"),
        (blocked, version, "blocked"),
        (ben, draft, "version_not_found"),
        (actor_for(number, muted=True), version, "muted"),
        (actor_for(number, verified=False), version, "not_verified"),
        (ANONYMOUS, version, "sign_in_needed"),
    ):
        with pytest.raises(Fault) as caught:
            await writing.review(session, actor, version_id=about, recommended=True)
        assert caught.value.code == code
    with pytest.raises(Invalid):
        await writing.review(session, ben, version_id=version, recommended=True, content="x" * 20_001)


async def test_pictures_are_a_post_of_ones_own(session: AsyncSession) -> None:
    _, (version,) = await make_published_model(session)
    ben, eve = await make_actor(session), await make_actor(session)
    posts = {
        person.id: await session.scalar(
            insert(Post).values(person_id=person.id, published_at=clock.now()).returning(Post.id)
        )
        for person in (ben, eve)
    }
    made = await writing.review(session, ben, version_id=version, recommended=True, post_id=posts[ben.id])
    assert (await reading.one(session, eve, review_id=made.id)).post_id == posts[ben.id]
    with pytest.raises(Invalid) as caught:
        await writing.review(session, ben, version_id=version, recommended=True, post_id=posts[eve.id])
    assert caught.value.code == "no_such_post"


async def test_the_owner_leaves_out_but_not_over_staff(session: AsyncSession) -> None:
    owner, ben = await make_actor(session), await make_actor(session)
    staff = await make_actor(session, role=Role.MODERATOR)
    _, (version,) = await make_published_model(session, owner.id)
    made = await writing.review(session, ben, version_id=version, recommended=False)
    with pytest.raises(Forbidden):
        await writing.exclude(session, ben, review_id=made.id, excluded=True)
    await writing.exclude(session, owner, review_id=made.id, excluded=True)
    assert (await reading.one(session, ANONYMOUS, review_id=made.id)).excluded
    await writing.exclude(session, owner, review_id=made.id, excluded=False)
    await writing.exclude(session, staff, review_id=made.id, excluded=True, reason="Revenge")
    with pytest.raises(Forbidden):
        await writing.exclude(session, owner, review_id=made.id, excluded=False)


async def test_pages_hold_all_that_the_viewer_may_see(
    session: AsyncSession, connection: AsyncConnection
) -> None:
    model, (first, second) = await make_published_model(session, versions=2)
    mature, (hidden,) = await make_published_model(session, level=8)
    people: list[Actor] = [await make_actor(session, mature=True) for _ in range(9)]
    made = [
        (await writing.review(session, one, version_id=(first, second)[at % 2], recommended=at % 3 > 0)).id
        for at, one in enumerate(people)
    ]
    await writing.review(session, people[0], version_id=hidden, recommended=True)
    await make_follow(session, people[0].id or 0, people[8].id or 0, "hide")
    viewer = actor_for(people[0].id or 0)
    asked: list[str] = []
    event.listen(connection.sync_connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
    found, cursor = [], None
    while True:
        page = await reading.page(session, viewer, model_id=model, cursor=cursor, limit=3)
        found += [one.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == made[7::-1]
    assert len(asked) <= 6
    assert {
        one.recommended
        for one in (await reading.page(session, viewer, version_id=first, recommended=False)).items
    } == {False}
    assert (await reading.page(session, ANONYMOUS, model_id=mature)).items == []
    assert len((await reading.page(session, people[1], person_id=people[0].id)).items) == 2
    assert len((await reading.page(session, ANONYMOUS)).items) == 9
    facts = await subjects.resolve(session, Subject("review", made[0]))
    assert facts is not None
    assert (facts.owner_id, facts.path, facts.public) == (people[0].id, f"/reviews/{made[0]}", True)


async def test_a_storm_of_reviews_is_bounded(session: AsyncSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MOST_A_DAY", 2)
    _, versions = await make_published_model(session, versions=3)
    ben = await make_actor(session)
    for version in versions[:2]:
        await writing.review(session, ben, version_id=version, recommended=True)
    await writing.review(session, ben, version_id=versions[0], recommended=False)
    with pytest.raises(Limited):
        await writing.review(session, ben, version_id=versions[2], recommended=True)
