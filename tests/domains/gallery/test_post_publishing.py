"""Posts becoming visible: what it takes, when, and what is stated."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.posts import make_image, make_post

from civitas.domains.accounts.types import BLOCKED, PG, X
from civitas.domains.gallery import post_publishing, post_reads
from civitas.domains.gallery.post_reads import PostState
from civitas.domains.gallery.tables import Post
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid, NotFound


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        (None, "no_picture"),
        ({"status": "pending"}, "pictures_pending"),
        ({"nsfw_level": 0}, "pictures_unrated"),
        ({"status": "failed"}, "no_picture"),
        ({"nsfw_level": BLOCKED}, "no_picture"),
        ({"deleted_at": clock.now()}, "no_picture"),
    ],
)
async def test_it_takes_a_picture_that_others_can_see(
    session: AsyncSession, columns: dict[str, object] | None, code: str
) -> None:
    ana = await make_person(session)
    post = await make_post(session, ana, published=False)
    if columns is not None:
        await make_image(session, post, **columns)
    with pytest.raises(Invalid) as fault:
        await post_publishing.publish(session, actor_for(ana), post_id=post)
    assert fault.value.code == code


async def test_published_and_made_a_draft_again(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    post_id = await make_post(session, ana, published=False)
    await make_image(session, post_id)
    await make_image(session, post_id, nsfw_level=X)
    post = await post_publishing.publish(session, actor_for(ana), post_id=post_id)
    before = post.published_at
    await session.refresh(post)
    assert post.nsfw_level == PG | X
    again = await post_publishing.publish(session, actor_for(ana), post_id=post_id)
    assert again.published_at == before
    # The mature one is not for those who did not ask.
    assert len((await post_reads.one(session, actor_for(ben), post_id=post_id)).images) == 1
    assert len((await post_reads.one(session, actor_for(ben, mature=True), post_id=post_id)).images) == 2
    await post_publishing.unpublish(session, actor_for(ana), post_id=post_id)
    with pytest.raises(NotFound):
        await post_reads.one(session, actor_for(ben), post_id=post_id)
    assert len((await post_reads.one(session, actor_for(ana), post_id=post_id)).images) == 2


async def test_a_post_of_which_one_may_see_nothing_is_not_told(session: AsyncSession) -> None:
    post_id = await make_post(session)
    await make_image(session, post_id, nsfw_level=X)
    with pytest.raises(NotFound):
        await post_reads.one(session, actor_for(await make_person(session)), post_id=post_id)


async def test_scheduled_moved_and_due(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    post_id = await make_post(session, ana, published=False)
    await make_image(session, post_id)
    first, second = clock.now() + timedelta(hours=2), clock.now() + timedelta(hours=3)
    post = await post_publishing.publish(session, actor_for(ana), post_id=post_id, publish_at=first)
    assert post_reads.state_of(post) is PostState.SCHEDULED
    with pytest.raises(NotFound):
        await post_reads.one(session, actor_for(ben), post_id=post_id)
    await post_publishing.publish(session, actor_for(ana), post_id=post_id, publish_at=second)
    waits = await session.scalars(
        text(
            "SELECT scheduled_at FROM procrastinate.procrastinate_jobs"
            " WHERE args->>'name' = 'gallery.ShowPost' AND (args->'body'->>'post_id')::bigint = :post ORDER BY 1"
        ).bindparams(post=post_id)
    )
    assert list(waits) == [first, second]
    # The task of the time that was given up does nothing; the other one states the fact.
    assert not await post_publishing.due(session, post_id=post_id, at=first)
    assert await post_publishing.due(session, post_id=post_id, at=second)
    await post_publishing.unpublish(session, actor_for(ana), post_id=post_id)
    assert not await post_publishing.due(session, post_id=post_id, at=second)


async def test_times_that_cannot_be(session: AsyncSession) -> None:
    ana = await make_person(session)
    post_id = await make_post(session, ana, published=False)
    await make_image(session, post_id)
    for ahead in (timedelta(minutes=5), timedelta(days=400)):
        with pytest.raises(Invalid):
            await post_publishing.publish(
                session, actor_for(ana), post_id=post_id, publish_at=clock.now() + ahead
            )
    public = await make_post(session, ana)
    with pytest.raises(Conflict):
        await post_publishing.publish(
            session, actor_for(ana), post_id=public, publish_at=clock.now() + timedelta(hours=2)
        )
    assert (await session.get_one(Post, post_id)).published_at is None
