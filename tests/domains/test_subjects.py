"""What others learn of people, models, versions, posts and pictures by kind and id."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person
from tests.factories.catalog import make_blob, make_model, make_version

from civitas.contracts import pictures, subjects
from civitas.contracts.pictures import PictureSource
from civitas.contracts.subjects import Subject
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import BLOCKED
from civitas.domains.catalog.tables import Model
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import clock


async def _picture(session: AsyncSession, owner: int, version: int | None, level: int = 1) -> tuple[int, int]:
    post = await session.scalar(
        insert(Post)
        .values(person_id=owner, version_id=version, showcase=version is not None, published_at=clock.now())
        .returning(Post.id)
    )
    image = await session.scalar(
        insert(Image)
        .values(
            post_id=post,
            person_id=owner,
            blob_id=await make_blob(session),
            key=f"k{post}",
            name="a.png",
            status="ready",
            nsfw_level=level,
        )
        .returning(Image.id)
    )
    assert post is not None and image is not None
    return post, image


async def test_a_person_owns_themselves(session: AsyncSession) -> None:
    ana = await make_person(session, "ana")
    found = await subjects.resolve(session, Subject("user", ana))
    assert found is not None
    assert (found.owner_id, found.title, found.path, found.public) == (ana, "ana", "/user/ana", True)


async def test_the_banned_are_not_public_and_the_deleted_are_not_there(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    await session.execute(update(Person).where(Person.id == ana).values(status="banned"))
    await session.execute(
        update(Person)
        .where(Person.id == ben)
        .values(status="deleted", username=None, username_folded=None, email=None, email_folded=None)
    )
    found = await subjects.resolve_all(session, [Subject("user", ana), Subject("user", ben)])
    assert {subject.id: facts.public for subject, facts in found.items()} == {ana: False}


@pytest.mark.parametrize(
    ("columns", "mature", "public"),
    [
        ({"status": "Published", "nsfw_level": 3}, False, True),
        # There is a picture of it that a safe site shows.
        ({"status": "Published", "nsfw_level": 5}, False, True),
        ({"status": "Published", "nsfw_level": 4}, True, True),
        ({"status": "Published", "nsfw": True}, True, True),
        ({"status": "Draft"}, False, False),
        ({"status": "Published", "availability": "Private"}, False, False),
    ],
)
async def test_models_and_their_versions(
    session: AsyncSession, columns: dict[str, object], mature: bool, public: bool
) -> None:
    ana = await make_person(session)
    model = await make_model(session, ana, name="Lantern LoRA", **columns)
    version = await make_version(
        session, model, name="v2", status="Published", nsfw_level=columns.get("nsfw_level", 0)
    )
    found = await subjects.resolve_all(session, [Subject("model", model), Subject("model_version", version)])
    facts = found[Subject("model", model)]
    assert (facts.owner_id, facts.title, facts.path) == (ana, "Lantern LoRA", f"/models/{model}/lantern-lora")
    assert (facts.mature, facts.public) == (mature, public)
    of_version = found[Subject("model_version", version)]
    assert of_version.title == "Lantern LoRA v2"
    assert of_version.path == f"/models/{model}/lantern-lora?modelVersionId={version}"
    assert (of_version.owner_id, of_version.mature, of_version.public) == (ana, mature, public)


async def test_a_deleted_model_is_not_there(session: AsyncSession) -> None:
    model = await make_model(session)
    version = await make_version(session, model, status="Published")
    await session.execute(
        update(Model).where(Model.id == model).values(status="Deleted", deleted_at=clock.now())
    )
    assert await subjects.resolve(session, Subject("model", model)) is None
    assert await subjects.resolve(session, Subject("model_version", version)) is None


async def test_pictures_lead_to_the_model_that_they_show_or_to_their_post(session: AsyncSession) -> None:
    ana = await make_person(session, "ana")
    model = await make_model(session, ana, name="Lantern", status="Published")
    version = await make_version(session, model, status="Published")
    post, image = await _picture(session, ana, version, level=4)
    loose_post, loose = await _picture(session, ana, None)
    asked = [Subject("post", post), Subject("image", image), Subject("image", loose)]
    found = await subjects.resolve_all(session, [*asked, Subject("post", loose_post)])
    assert found[asked[0]].path == found[asked[1]].path == f"/models/{model}/lantern?modelVersionId={version}"
    assert found[asked[0]].mature and found[asked[1]].mature
    assert (found[asked[1]].title, found[asked[1]].owner_id) == ("Picture of Lantern", ana)
    assert (found[asked[2]].path, found[asked[2]].mature) == (
        f"/posts/{loose_post}#picture-{loose}",
        False,
    )
    of_post = found[Subject("post", loose_post)]
    assert (of_post.title, of_post.path) == ("Pictures of ana", f"/posts/{loose_post}")


async def test_a_blocked_picture_is_not_public(session: AsyncSession) -> None:
    _, image = await _picture(session, await make_person(session), None, level=32)
    found = await subjects.resolve(session, Subject("image", image))
    assert found is not None and not found.public and found.mature


async def test_what_nobody_knows_is_not_found(session: AsyncSession) -> None:
    assert await subjects.resolve(session, Subject("teapot", 1)) is None
    assert await subjects.resolve(session, Subject("model", 10**15)) is None


async def test_pictures_are_found_for_those_who_may_use_them(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    post, image = await _picture(session, ana, None, level=4)
    assert await pictures.find(session, image, ben) is None
    variants = [
        {"width": 320, "height": 200, "format": "webp"},
        {"width": 640, "height": 400, "format": "avif"},
        {"width": 640, "height": 400, "format": "webp"},
    ]
    await session.execute(update(Image).where(Image.id == image).values(variants=variants))
    assert await pictures.find(session, image, ben) == PictureSource(f"media/k{post}/640.webp", "r")
    await session.execute(update(Post).where(Post.id == post).values(published_at=None))
    assert await pictures.find(session, image, ben) is None
    assert await pictures.find(session, image, ana) is not None
    await session.execute(update(Image).where(Image.id == image).values(nsfw_level=4 | BLOCKED))
    assert await pictures.find(session, image, ana) is None
    assert await pictures.find(session, 0, ana) is None
