"""Pictures of a post: taking in, order, notes, and how mature they are."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.catalog import make_published_model, make_upload
from tests.factories.posts import make_image, make_post

from civitas.domains.accounts.types import BLOCKED, PG, PG13, XXX, Role, X
from civitas.domains.accounts.types import R as RESTRICTED
from civitas.domains.gallery import post_pictures, posting, previews, processing
from civitas.domains.gallery.processing import Decoded
from civitas.domains.gallery.tables import Image, ImageResource, Post
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound


def facts(**meta: str) -> Decoded:
    """What decoding gave."""
    return Decoded(
        width=64, height=48, content_type="image/png", animated=False, variants=[], blurhash="L", colour="#000000",
        perceptual_hash=1, original="as_is", meta=dict(meta), raw_metadata={},
    )  # fmt: skip


async def test_an_upload_becomes_a_picture_of_the_post(session: AsyncSession) -> None:
    ana = await make_person(session)
    post = await make_post(session, ana, published=False)
    upload = await make_upload(session, ana, "boat.png", purpose="image")
    image = await post_pictures.add(
        session, actor_for(ana), post_id=post, upload_id=upload, note=" A boat \n", hide_meta=True
    )
    await session.refresh(image)
    assert (image.status, image.nsfw_level, image.nsfw_level_locked) == ("pending", 0, False)
    assert (image.note, image.hide_meta, image.name, image.position) == ("A boat", True, "boat.png", 0)


async def test_what_cannot_be_added(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    post = await make_post(session, ana)
    await make_image(session, post)
    upload = await make_upload(session, ana, purpose="media")
    with pytest.raises(Conflict) as fault:
        await post_pictures.add(
            session, actor_for(ana), post_id=post, upload_id=await make_upload(session, ana)
        )
    assert fault.value.code == "upload_purpose"
    for actor, options in (
        (actor_for(ana), {"nsfw_level": 3}),
        (actor_for(ana), {"note": "x" * 2001}),
        (actor_for(ana), {"meta": {"prompt": "x" * 70_000}}),
    ):
        with pytest.raises(Invalid):
            await post_pictures.add(session, actor, post_id=post, upload_id=upload, **options)  # type: ignore[arg-type]
    with pytest.raises(Forbidden):
        await post_pictures.add(session, actor_for(ben), post_id=post, upload_id=upload)
    with pytest.raises(NotFound):
        await post_pictures.add(
            session, actor_for(ana), post_id=post, upload_id=await make_upload(session, ben, purpose="media")
        )
    for _ in range(20):
        await make_image(session, post)
    with pytest.raises(Conflict) as full:
        await post_pictures.add(session, actor_for(ana), post_id=post, upload_id=upload)
    assert full.value.code == "too_many_images"


async def test_order(session: AsyncSession) -> None:
    ana = await make_person(session)
    post = await make_post(session, ana)
    ids = [await make_image(session, post) for _ in range(3)]
    wanted = [ids[2], ids[0], ids[1]]
    await post_pictures.reorder(session, actor_for(ana), post_id=post, image_ids=wanted)
    assert [image.id for image in await post_pictures.of_post(session, post)] == wanted
    for wrong in (ids[:2], [*ids, ids[0]], [*ids[:2], 999_999]):
        with pytest.raises(Invalid):
            await post_pictures.reorder(session, actor_for(ana), post_id=post, image_ids=wrong)


async def test_a_posts_level_follows_its_pictures(session: AsyncSession) -> None:
    ana = await make_person(session)
    post_id = await make_post(session, ana)
    first, second = await make_image(session, post_id), await make_image(session, post_id, nsfw_level=0)
    post = await session.get_one(Post, post_id)

    async def level() -> int:
        await session.refresh(post)
        return post.nsfw_level

    await post_pictures.rate_all(session, actor_for(ana), post_id=post_id, nsfw_level=X)
    assert await level() == PG | X
    await previews.rate(session, actor_for(ana), image_id=first, nsfw_level=PG13)
    assert await level() == PG13 | X
    await previews.remove(session, actor_for(ana), image_id=second)
    assert await level() == PG13


@pytest.mark.parametrize(
    ("prompt", "chosen", "given"),
    [
        ("a paper boat", PG, PG),
        ("a nude statue", PG, X),
        ("a nude statue", XXX, XXX),
        ("a naked mole rat in a field", PG, PG),
    ],
)
async def test_words_of_the_prompt_say_the_least(
    session: AsyncSession, prompt: str, chosen: int, given: int
) -> None:
    ana = await make_person(session)
    image = await make_image(session, await make_post(session, ana), meta={"prompt": prompt})
    rated = await previews.rate(session, actor_for(ana), image_id=image, nsfw_level=chosen)
    assert rated.nsfw_level == given
    staff = actor_for(await make_person(session), role=Role.MODERATOR)
    assert (await previews.rate(session, staff, image_id=image, nsfw_level=PG)).nsfw_level == PG


async def test_what_was_made_with_a_mature_model_is_mature(session: AsyncSession) -> None:
    ana = await make_person(session)
    _, (version,) = await make_published_model(session, versions=1, nsfw=True)
    image = await make_image(session, await make_post(session, ana), nsfw_level=0)
    await session.execute(insert(ImageResource).values(image_id=image, version_id=version, source="person"))
    assert (
        await previews.rate(session, actor_for(ana), image_id=image, nsfw_level=PG)
    ).nsfw_level == RESTRICTED


@pytest.mark.parametrize(
    ("prompt", "level", "kept"),
    [("a paper boat", 0, True), ("a nude statue", X, True), ("nude schoolgirl", BLOCKED, False)],
)
async def test_what_decoding_finds_rates_at_once(
    session: AsyncSession, prompt: str, level: int, kept: bool
) -> None:
    ana = await make_person(session)
    image_id = await make_image(session, await make_post(session, ana), status="pending", nsfw_level=0)
    assert await processing.decoded(session, image_id=image_id, facts=facts(prompt=prompt)) is kept
    image = await session.get_one(Image, image_id)
    assert (image.status, image.nsfw_level) == ("ready", level)


async def test_a_note_is_cleaned_and_taken_away(session: AsyncSession) -> None:
    ana = await make_person(session)
    image = await make_image(session, await make_post(session, ana))
    noted = await post_pictures.annotate(
        session, actor_for(ana), image_id=image, note="one\u202e\r\n\r\n\r\ntwo"
    )
    assert noted.note == "one\n\ntwo"
    assert (await post_pictures.annotate(session, actor_for(ana), image_id=image, note=" ")).note is None
    assert await session.scalar(select(Image.note).where(Image.id == image)) is None
    with pytest.raises(Forbidden):
        await post_pictures.annotate(
            session, actor_for(await make_person(session)), image_id=image, note="not mine"
        )


async def test_pictures_of_a_removed_post_are_not_found(session: AsyncSession) -> None:
    ana = await make_person(session)
    post = await make_post(session, ana)
    image = await make_image(session, post)
    await posting.remove(session, actor_for(ana), post_id=post)
    with pytest.raises(NotFound):
        await previews.rate(session, actor_for(ana), image_id=image, nsfw_level=PG)
