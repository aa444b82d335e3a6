"""Reactions, their counts, and the feed that is held against the facts."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.feeds import make_image

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.tables import Follow
from civitas.domains.gallery.feeds import auditing, counting, reactions, rows
from civitas.domains.gallery.feeds.reactions import Counts, Feeling
from civitas.domains.gallery.feeds.tables import (
    EngagementChange,
    FeedImage,
    FeedPost,
    Reaction,
    SubjectCounts,
)
from civitas.kit.errors import Forbidden, Invalid, NotFound


async def test_reacting_counts_once_and_is_taken_back(session: AsyncSession) -> None:
    owner, fan = await make_person(session), await make_person(session)
    image = await make_image(session, owner)
    subject, viewer = Subject("image", image), actor_for(fan)
    assert await reactions.react(session, viewer, subject=subject, feeling=Feeling.LIKE)
    assert not await reactions.react(session, viewer, subject=subject, feeling=Feeling.LIKE)
    assert await reactions.react(session, viewer, subject=subject, feeling=Feeling.HEART)
    found = await reactions.counts(session, kind="image", ids=[image])
    assert found == {image: Counts(likes=1, hearts=1)}, "what is not folded yet counts, too"
    assert await counting.fold(session) == 2
    assert await session.scalar(select(func.count()).select_from(EngagementChange)) == 0
    assert await reactions.counts(session, kind="image", ids=[image]) == found
    assert await reactions.mine(session, viewer, kind="image", ids=[image]) == {
        image: frozenset({Feeling.LIKE, Feeling.HEART})
    }
    assert await session.scalar(select(FeedImage.reactions).where(FeedImage.image_id == image)) == 2
    assert await session.scalar(select(FeedPost.reactions)) == 2
    assert await reactions.withdraw(session, viewer, subject=subject, feeling=Feeling.LIKE)
    assert not await reactions.withdraw(session, viewer, subject=subject, feeling=Feeling.LIKE)
    await counting.fold(session)
    session.expire_all()
    assert await reactions.counts(session, kind="image", ids=[image]) == {image: Counts(hearts=1)}
    assert await session.scalar(select(FeedImage.reactions).where(FeedImage.image_id == image)) == 1


async def test_who_may_not_react(session: AsyncSession) -> None:
    owner, fan = await make_person(session), await make_person(session)
    image, mature = await make_image(session, owner), await make_image(session, owner, nsfw_level=8)
    pending = await make_image(session, owner, status="pending")

    async def react(kind: str, number: int, **fields: bool) -> None:
        await reactions.react(
            session, actor_for(fan, **fields), subject=Subject(kind, number), feeling=Feeling.LIKE
        )

    for number in (mature, pending, 2**40):
        with pytest.raises(NotFound):
            await react("image", number)
    with pytest.raises(Invalid):
        await react("person", owner)
    with pytest.raises(Forbidden, match="muted"):
        await react("image", image, muted=True)
    await react("image", mature, mature=True)
    await session.execute(insert(Follow).values(person_id=owner, target_id=fan, kind="block"))
    with pytest.raises(Forbidden, match="blocked"):
        await react("image", image)
    assert await session.scalar(select(func.count()).select_from(Reaction)) == 1


async def test_the_audit_finds_and_repairs(session: AsyncSession) -> None:
    owner, fan = await make_person(session), await make_person(session)
    kept = [await make_image(session, owner) for _ in range(6)]
    await reactions.react(session, actor_for(fan), subject=Subject("image", kept[5]), feeling=Feeling.LIKE)
    await counting.fold(session)
    clean, last = await auditing.step(session, after=0)
    assert clean.total == 0 and clean.looked_at == 6 and last == kept[5]
    # Missing, stale, of a wrong rank, not to be there, counted wrongly.
    await session.execute(delete(FeedImage).where(FeedImage.image_id == kept[0]))
    await session.execute(update(FeedImage).where(FeedImage.image_id == kept[1]).values(terms=[1]))
    await session.execute(update(FeedImage).where(FeedImage.image_id == kept[2]).values(reactions=7))
    hidden = await make_image(session, owner, status="failed", listed=False)
    await session.execute(
        insert(FeedImage).from_select(
            [c.name for c in FeedImage.__table__.columns],
            select(*[hidden if c.name == "image_id" else c for c in FeedImage.__table__.columns]).where(
                FeedImage.image_id == kept[3]
            ),
        )
    )
    await session.execute(
        update(SubjectCounts).where(SubjectCounts.subject_id == kept[5]).values(likes=50, comments=3)
    )
    found, _ = await auditing.step(session, after=0)
    assert (found.surplus, found.wrong, found.counts) == (1, 2, 1)
    again, _ = await auditing.step(session, after=0)
    assert again.total == 0
    session.expire_all()
    counted = (await session.execute(select(SubjectCounts))).scalar_one()
    assert (counted.likes, counted.comments) == (1, 3), "comments are told by their room alone"
    assert set(await session.scalars(select(FeedImage.image_id))) == set(kept)
    assert await session.scalar(select(FeedImage.reactions).where(FeedImage.image_id == kept[2])) == 0
    assert await auditing.step(session, after=hidden) == (auditing.Difference(), None)
    assert not await rows.unfilled(session)
