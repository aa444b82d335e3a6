"""What agents see in posted pictures: automatic tags and ratings, where such agents are connected."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.orchestration import make_agent
from tests.factories.posts import make_image, make_post

from civitas.domains.accounts.types import BLOCKED, SYSTEM_ID, R
from civitas.domains.gallery import image_tags, sight
from civitas.domains.gallery.tables import Image, ImageTag
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.tables import Job, Workflow, WorkflowStep
from civitas.infra.media.arrived import Arrived


def lent() -> Arrived:
    """A copy that lies in the store."""
    return Arrived(f"orchestration/2026/01/{uuid4().hex}", "image", "image/webp", 10, b"1" * 32)


VARIANTS = [{"width": width, "format": "webp"} for width in (96, 450, 1280)]


async def picture(session: AsyncSession, **columns: Any) -> tuple[int, int]:
    """Somebody and a picture of theirs."""
    person = await make_person(session)
    return person, await make_image(session, await make_post(session, person), variants=VARIANTS, **columns)


async def carried(session: AsyncSession, image: int) -> dict[str, str]:
    found = await image_tags.of_images(session, actor_for(0), [image])
    return {one.name: one.source for one in found[image]}


async def answer(session: AsyncSession, image: int, questions: set[str], output: dict[str, Any]) -> list[str]:
    """Ask, and let the agent have said this; the ids of the workflows."""
    await sight.ask(session, image_id=image, picture=lent(), questions=questions)
    rows = (await session.scalars(select(Workflow).where(Workflow.person_id == SYSTEM_ID))).all()
    ids = [row.id for row in rows if row.notes == {"image": image}]
    for step in await session.scalars(select(WorkflowStep).where(WorkflowStep.workflow_id.in_(ids))):
        step.output = output
    await session.flush()
    for id in ids:
        await sight.answered(session, workflow_id=id)
    return ids


async def test_nothing_is_asked_where_no_agent_sees(session: AsyncSession) -> None:
    assert await sight.asked(session) == set()
    await make_agent(session, "convertImage")
    assert await sight.asked(session) == set()
    await make_agent(session, "wdTagging")
    assert await sight.asked(session) == {"wdTagging"}
    await make_agent(session, "mediaRating")
    assert await sight.asked(session) == {"wdTagging", "mediaRating"}


async def test_a_copy_that_is_wide_enough_is_lent_to_the_agent(session: AsyncSession) -> None:
    _, image = await picture(session)
    found = await sight.seeable(session, image_id=image)
    assert found is not None and found.storage_key.endswith("/450.webp") and found.media_type == "image/webp"
    for columns in ({"kind": "audio"}, {"status": "failed"}, {"variants": []}):
        other = await make_image(session, await make_post(session), **{"variants": VARIANTS} | columns)
        assert await sight.seeable(session, image_id=other) is None
    await sight.ask(session, image_id=image, picture=lent(), questions={"wdTagging", "mediaRating"})
    blob = (await session.scalars(select(MediaBlob).where(MediaBlob.person_id == SYSTEM_ID))).one()
    jobs = (await session.scalars(select(Job))).all()
    assert {job.step_type for job in jobs} == {"wdTagging", "mediaRating"}
    assert [job.media for job in jobs] == [[{"blob": blob.id}]] * 2
    workflows = (await session.scalars(select(Workflow))).all()
    assert {(one.person_id, one.reserved) for one in workflows} == {(SYSTEM_ID, 0)}


async def test_what_a_machine_is_sure_of_becomes_an_automatic_tag(session: AsyncSession) -> None:
    owner, image = await picture(session)
    await image_tags.set_tags(session, actor_for(owner), image_id=image, tags=["sea"])
    seen = {"night_sky": 0.93, "sea": 0.8, "boat": 0.41, "doubtful": 0.2, "rubbish": "x", "more": 7}
    ids = await answer(session, image, {"wdTagging"}, {"tags": seen})
    assert await carried(session, image) == {"sea": "person", "night sky": "machine", "boat": "machine"}
    shares = await session.execute(
        select(ImageTag.confidence).where(ImageTag.image_id == image).order_by(ImageTag.confidence)
    )
    assert [row[0] for row in shares] == [41, 93, None]
    await sight.answered(session, workflow_id=ids[0])
    assert len(await carried(session, image)) == 3, "told twice it is the same"
    await image_tags.set_tags(session, actor_for(owner), image_id=image, tags=[])
    assert await carried(session, image) == {"night sky": "machine", "boat": "machine"}


async def test_its_maker_or_enough_votes_take_an_automatic_tag_away(session: AsyncSession) -> None:
    owner, image = await picture(session)
    await answer(session, image, {"wdTagging"}, {"tags": {"boat": 0.9, "kite": 0.9}})
    await image_tags.vote(session, actor_for(owner), image_id=image, tag="boat", value=-1)
    assert await carried(session, image) == {"kite": "machine"}
    for _ in range(3):
        voter = actor_for(await make_person(session))
        await image_tags.vote(session, voter, image_id=image, tag="kite", value=-1)
    assert await carried(session, image) == {}
    await image_tags.vote(session, actor_for(owner), image_id=image, tag="boat", value=0)
    assert await carried(session, image) == {"boat": "machine"}


@pytest.mark.parametrize(
    ("before", "output", "after"),
    [
        (1, {"nsfwLevel": "r", "isBlocked": False}, R),
        (R, {"nsfwLevel": "pg", "isBlocked": False}, R),
        (0, {"nsfwLevel": "pg", "isBlocked": False}, 1),
        (1, {"nsfwLevel": "pg", "isBlocked": True}, BLOCKED),
        (1, {"nsfwLevel": "na"}, 1),
    ],
)
async def test_a_rating_makes_a_picture_stricter_and_never_milder(
    session: AsyncSession, before: int, output: dict[str, Any], after: int
) -> None:
    _, image = await picture(session, nsfw_level=before)
    await answer(session, image, {"mediaRating"}, output)
    assert (await session.get_one(Image, image)).nsfw_level == after


async def test_a_moderators_word_stays_and_a_picture_that_is_gone_is_left_alone(
    session: AsyncSession,
) -> None:
    _, image = await picture(session, nsfw_level=1, nsfw_level_locked=True)
    await answer(session, image, {"mediaRating"}, {"nsfwLevel": "x"})
    assert (await session.get_one(Image, image)).nsfw_level == 1
    await answer(session, 999_999, {"wdTagging"}, {"tags": {"boat": 0.9}})
    assert await session.scalar(select(ImageTag.tag_id).where(ImageTag.image_id == 999_999)) is None
