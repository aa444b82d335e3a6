"""The versions that pictures were made with: found by ids, hashes and names, named and taken away by owners."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.catalog import make_model, make_published_model, make_version
from tests.factories.posts import make_image, make_post

from civitas.domains.catalog.tables import FileHash, ModelFile
from civitas.domains.gallery import resources
from civitas.domains.gallery.tables import Image, ImageResource
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound


async def detected(
    session: AsyncSession, meta: dict[str, Any], about: int | None = None
) -> dict[int, tuple[int | None, str]]:
    """What is found for a picture with this recipe: strength and source by version."""
    image = await session.get_one(
        Image, await make_image(session, await make_post(session, version_id=about), meta=meta)
    )
    await resources.detect(session, image)
    rows = await session.execute(
        select(ImageResource.version_id, ImageResource.strength, ImageResource.source).where(
            ImageResource.image_id == image.id
        )
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def public(session: AsyncSession) -> tuple[int, str, str]:
    """A public version: its id, the SHA-256 of its file, the name of its file without ending."""
    _, (version,) = await make_published_model(session, versions=1)
    row = (
        await session.execute(
            select(FileHash.value, ModelFile.name)
            .join(ModelFile, ModelFile.id == FileHash.file_id)
            .where(ModelFile.version_id == version, FileHash.kind == "SHA256")
        )
    ).one()
    return version, row[0], row[1].removesuffix(".safetensors")


async def test_every_way_of_naming(session: AsyncSession) -> None:
    version, sha256, stem = await public(session)
    for meta, expected in (
        ({"civitaiResources": [{"modelVersionId": version, "weight": 0.75}]}, (75, "civitai")),
        ({"civitaiResources": [{"air": f"urn:air:sdxl:lora:civitai:1@{version}"}]}, (None, "civitai")),
        (
            {"resources": [{"type": "lora", "name": "x", "weight": -0.5, "hash": sha256.lower()}]},
            (-50, "hash"),
        ),
        ({"hashes": {"model": sha256}}, (None, "hash")),
        ({"Model hash": sha256}, (None, "hash")),
        ({"resources": [{"type": "lora", "name": stem.upper(), "weight": 1.2}]}, (120, "name")),
    ):
        assert await detected(session, meta) == {version: expected}, meta


async def test_the_posts_version_stands_in_when_nothing_else_is_named(session: AsyncSession) -> None:
    version, _, stem = await public(session)
    other, *_ = await public(session)
    assert await detected(session, {"prompt": "a kite"}, about=other) == {other: (None, "post")}
    found = await detected(session, {"resources": [{"type": "lora", "name": stem}]}, about=other)
    assert found == {version: (None, "name")}
    assert await detected(session, {"prompt": "a kite"}) == {}


async def test_drafts_are_not_found_nor_names_that_two_have(session: AsyncSession) -> None:
    draft = await make_version(session, await make_model(session))
    _, _, stem = await public(session)
    second, *_ = await public(session)
    for file in await session.scalars(select(ModelFile).where(ModelFile.version_id == second)):
        file.name = f"{stem}.safetensors"
    await session.flush()
    meta = {"civitaiResources": [{"modelVersionId": draft}], "resources": [{"name": stem}]}
    assert await detected(session, meta) == {}


@pytest.mark.parametrize(
    "meta",
    [
        {"civitaiResources": "x", "resources": {"name": 1}, "hashes": [1], "Model hash": 7},
        {"civitaiResources": [{"modelVersionId": True}, {"modelVersionId": 2**70}, {"air": ["x"]}, None]},
        {"resources": [{"name": ["x"], "hash": {"a": 1}, "weight": "NaN"}, {"weight": float("inf")}]},
    ],
)
async def test_nonsense_names_nothing(session: AsyncSession, meta: dict[str, Any]) -> None:
    image = Image(id=0, post_id=await make_post(session), meta=meta)
    await resources.detect(session, image)
    assert resources.named_in(meta) == []


async def test_owners_name_and_take_away(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    version, *_ = await public(session)
    image = await make_image(session, await make_post(session, ana))
    await resources.add(session, actor_for(ana), image_id=image, version_id=version, strength=80)
    await resources.add(session, actor_for(ana), image_id=image, version_id=version, strength=90)
    (used,) = (await resources.of_images(session, actor_for(ben), [image]))[image]
    assert (used.version_id, used.strength, used.source) == (version, 90, "person")
    with pytest.raises(Forbidden):
        await resources.remove(session, actor_for(ben), image_id=image, version_id=version)
    await resources.remove(session, actor_for(ana), image_id=image, version_id=version)
    with pytest.raises(NotFound):
        await resources.remove(session, actor_for(ana), image_id=image, version_id=version)
    draft = await make_version(session, await make_model(session))
    for version_id, strength in ((draft, 10), (version, 1001)):
        with pytest.raises(Invalid):
            await resources.add(
                session, actor_for(ana), image_id=image, version_id=version_id, strength=strength
            )


async def test_twenty_at_most(session: AsyncSession) -> None:
    ana = await make_person(session)
    image = await make_image(session, await make_post(session, ana))
    _, versions = await make_published_model(session, versions=21)
    for version in versions[:20]:
        session.add(ImageResource(image_id=image, version_id=version, source="hash"))
    await session.flush()
    await resources.add(session, actor_for(ana), image_id=image, version_id=versions[0], strength=1)
    with pytest.raises(Conflict):
        await resources.add(session, actor_for(ana), image_id=image, version_id=versions[20])
