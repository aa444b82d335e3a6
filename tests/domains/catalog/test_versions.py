"""Versions: adding, editing, ordering, deleting."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_actor
from tests.factories.catalog import make_model, make_preview, make_published_model, make_version

from civitas.domains.catalog import versions
from civitas.domains.catalog.forms import VersionForm, VersionPatch
from civitas.domains.catalog.tables import Model, ModelVersion, VersionPreview
from civitas.kit import clock
from civitas.kit.errors import Conflict, Gone, Invalid, NotFound


def form(**fields: object) -> VersionForm:
    return VersionForm.model_validate({"name": "v1", "baseModel": "sdxl 1.0"} | fields)


async def _order(session: AsyncSession, model_id: int) -> list[int]:
    found = await session.scalars(
        select(ModelVersion.id)
        .where(ModelVersion.model_id == model_id)
        .order_by(ModelVersion.position, ModelVersion.id)
    )
    return list(found.all())


async def test_a_new_version_comes_first(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id = await make_model(session, actor.id)
    first = await versions.add(session, actor, model_id=model_id, form=form())
    second = await versions.add(
        session,
        actor,
        model_id=model_id,
        form=form(
            name="v2",
            trainedWords=["ink", "ink", " wash "],
            clipSkip=2,
            settings={"strength": 0.8, "minStrength": 0.5, "maxStrength": 1},
            description="Sharper lines.",
        ),
    )
    assert await _order(session, model_id) == [second.id, first.id]
    assert second.base_model == "SDXL 1.0"
    assert second.trained_words == ["ink", "wash"]
    assert (second.strength, second.min_strength, second.max_strength) == (0.8, 0.5, 1.0)


async def test_what_a_version_refuses(session: AsyncSession) -> None:
    actor, other = await make_actor(session), await make_actor(session)
    model_id = await make_model(session, actor.id)
    hidden = await make_version(session, await make_model(session, other.id))
    for fields, code in (
        ({"baseModel": "Foo 9"}, "unknown_base_model"),
        ({"settings": {"strength": 2, "maxStrength": 1}}, "bad_strength"),
        ({"settings": {"minStrength": 2, "maxStrength": 1}}, "bad_strength"),
        ({"vaeVersionId": hidden}, "vae_not_found"),
    ):
        with pytest.raises(Invalid) as caught:
            await versions.add(session, actor, model_id=model_id, form=form(**fields))
        assert caught.value.code == code
    with pytest.raises(NotFound):
        await versions.add(session, other, model_id=model_id, form=form())


async def test_a_patch_keeps_the_rest(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id = await make_model(session, actor.id)
    version = await versions.add(
        session, actor, model_id=model_id, form=form(steps=100, settings={"strength": 0.5})
    )
    patch = VersionPatch.model_validate({"epochs": 3, "settings": {"maxStrength": 1}})
    version = await versions.update_version(session, actor, version_id=version.id, patch=patch)
    assert (version.steps, version.epochs, version.strength, version.max_strength) == (100, 3, 0.5, 1.0)
    patch = VersionPatch.model_validate({"settings": None})
    version = await versions.update_version(session, actor, version_id=version.id, patch=patch)
    assert (version.strength, version.max_strength) == (None, None)
    with pytest.raises(Conflict):
        await versions.update_version(
            session,
            actor,
            version_id=version.id,
            patch=VersionPatch.model_validate({"name": "v9"}),
            seen=version.updated_at - timedelta(seconds=5),
        )


async def test_a_stricter_base_model_takes_pictures_from_view(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, [version_id] = await make_published_model(session, actor.id, level=1)
    await make_preview(session, version_id, actor.id or 0, nsfw_level=8)
    patch = VersionPatch.model_validate({"baseModel": "SDXL Turbo"})
    await versions.update_version(session, actor, version_id=version_id, patch=patch)
    left = await session.scalars(
        select(VersionPreview.nsfw_level).where(VersionPreview.version_id == version_id)
    )
    assert list(left.all()) == [1]
    assert (await session.get_one(Model, model_id)).nsfw_level == 1


async def test_ordering_names_every_version_once(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, ids = await make_published_model(session, actor.id, versions=3)
    await versions.reorder(session, actor, model_id=model_id, version_ids=[ids[2], ids[0], ids[1]])
    await session.flush()
    assert await _order(session, model_id) == [ids[2], ids[0], ids[1]]
    for wrong in (ids[:2], [*ids, ids[0]], [ids[0], ids[0], ids[1]], [], [*ids[:2], 2**40]):
        with pytest.raises(Invalid):
            await versions.reorder(session, actor, model_id=model_id, version_ids=wrong)


async def test_deleting_a_version_can_be_undone_for_a_month(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, [first, second] = await make_published_model(session, actor.id, versions=2)
    await versions.delete(session, actor, version_id=first)
    with pytest.raises(NotFound):
        await versions.unpublish(session, actor, version_id=first)
    version = await versions.restore(session, actor, version_id=first)
    assert (version.status, version.deleted_at) == ("Published", None)
    with pytest.raises(Conflict):
        await versions.restore(session, actor, version_id=first)
    await versions.delete(session, actor, version_id=second)
    with clock.held_at(clock.now() + timedelta(days=31)):
        with pytest.raises(Gone):
            await versions.restore(session, actor, version_id=second)
    assert (await session.get_one(Model, model_id)).status == "Published"


async def test_levels_rise_from_versions_to_the_model(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, [first, second] = await make_published_model(session, actor.id, versions=2)
    await make_preview(session, first, actor.id or 0, nsfw_level=4)
    await versions.unpublish(session, actor, version_id=second)
    model = await session.get_one(Model, model_id)
    levels = [
        (await session.get_one(ModelVersion, version_id, populate_existing=True)).nsfw_level
        for version_id in (first, second)
    ]
    assert (model.nsfw_level, levels) == (5, [5, 1])
