"""Beginning a model and editing it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_actor
from tests.factories.catalog import make_model, make_published_model

from civitas.domains.accounts.types import ANONYMOUS, Role, Scope
from civitas.domains.catalog import drafts, tagging
from civitas.domains.catalog.forms import FileForm, ModelForm, ModelPatch, VersionForm
from civitas.domains.catalog.tables import Model, ModelEvent, VersionPreview
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorised


async def _actions(session: AsyncSession, model_id: int) -> list[str]:
    await session.flush()
    found = await session.scalars(
        select(ModelEvent.action).where(ModelEvent.model_id == model_id).order_by(ModelEvent.id)
    )
    return list(found.all())


async def test_a_draft_holds_what_was_sent(session: AsyncSession) -> None:
    actor = await make_actor(session)
    form = ModelForm.model_validate(
        {
            "name": "  Ink\u202e  Wash ",
            "type": "LORA",
            "description": "A **style**.\x00\r\nSecond line.",
            "tags": ["Ink", "#ink", "INK wash"],
            "category": "Style",
            "allowCommercialUse": ["Image", "Rent"],
            "allowNoCredit": False,
            "source": {"url": "https://example.org/x", "creator": "Ana"},
        }
    )
    model = await drafts.create(session, actor, form=form)
    assert (model.name, model.status, model.person_id) == ("Ink Wash", "Draft", actor.id)
    assert model.description == "A **style**.\nSecond line."
    assert list(await tagging.tags_of(session, model.id)) == ["ink", "ink wash", "style"]
    assert model.allow_commercial_use == ["Rent"]
    assert not model.allow_no_credit
    assert model.source == {"url": "https://example.org/x", "creator": "Ana"}
    assert await _actions(session, model.id) == ["created"]


@pytest.mark.parametrize(
    "field",
    [
        {"id": 5}, {"personId": 5}, {"person_id": 5}, {"status": "Published"}, {"isOfficial": True},
        {"nsfwLevel": 1}, {"lockedProperties": []}, {"cannotPublish": False}, {"publishedAt": "2020-01-01"},
        {"availability": "EarlyAccess"}, {"mode": "Archived"}, {"origin": "demo"},
    ],
)  # fmt: skip
def test_fields_that_are_not_offered_are_refused(field: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ModelForm.model_validate({"name": "x", "type": "LORA"} | field)
    with pytest.raises(ValidationError):
        ModelPatch.model_validate(field)


@pytest.mark.parametrize(
    "name",
    ["", "   ", "\u200b\u202e", "x" * 201, "\x00", "\u0000\u0001", None, 5],
)
def test_names_that_cannot_be_shown_are_refused(name: object) -> None:
    with pytest.raises(ValidationError):
        ModelForm.model_validate({"name": name, "type": "LORA"})


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "Lora"}, {"tags": ["a"] * 31}, {"description": "x" * 100_001}, {"description": "x" * 900_000},
        {"allowCommercialUse": ["Steal"]}, {"checkpointType": "Found"}, {"source": {"url": "javascript:alert(1)"}},
        {"licenseTier": "Free"},
    ],
)  # fmt: skip
def test_values_outside_the_lists_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ModelForm.model_validate({"name": "x", "type": "LORA"} | fields)


@pytest.mark.parametrize("clip_skip", [0, 13, -1, 1.5])
def test_clip_skip_lies_between_one_and_twelve(clip_skip: float) -> None:
    with pytest.raises(ValidationError):
        VersionForm.model_validate({"name": "v1", "baseModel": "SD 1.5", "clipSkip": clip_skip})


@pytest.mark.parametrize(
    "fields", [{"fp": "fp17"}, {"quantType": "Q9"}, {"size": "medium"}, {"format": "EXE"}]
)
def test_file_facts_come_from_lists(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        FileForm.model_validate(fields)


async def test_strangers_and_narrow_keys_begin_nothing(session: AsyncSession) -> None:
    form = ModelForm(name="x", type="LORA")
    with pytest.raises(Unauthorised):
        await drafts.create(session, ANONYMOUS, form=form)
    actor = await make_actor(session)
    with pytest.raises(Forbidden) as caught:
        await drafts.create(session, actor_for(actor.id or 0, scopes=Scope.MODELS_READ), form=form)
    assert caught.value.code == "insufficient_scope"
    with pytest.raises(Forbidden) as caught:
        await drafts.create(session, actor_for(actor.id or 0, muted=True), form=form)
    assert caught.value.code == "muted"


async def test_unknown_categories_are_refused_with_the_list(session: AsyncSession) -> None:
    actor = await make_actor(session)
    with pytest.raises(Invalid) as caught:
        await drafts.create(session, actor, form=ModelForm(name="x", type="LORA", category="Vibes"))
    assert caught.value.code == "unknown_category"
    assert "style" in caught.value.message


async def test_a_patch_changes_what_it_holds_and_nothing_else(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id = await make_model(session, actor.id, description="kept", tags=("a",), poi=True)
    patch = ModelPatch.model_validate({"name": "New name"})
    model = await drafts.update(session, actor, model_id=model_id, patch=patch)
    assert (model.name, model.description, model.poi) == ("New name", "kept", True)
    assert list(await tagging.tags_of(session, model_id)) == ["a"]
    before = model.updated_at
    await drafts.update(session, actor, model_id=model_id, patch=patch)
    assert model.updated_at == before
    assert await _actions(session, model_id) == ["edited"]


async def test_changing_the_category_changes_its_tag(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id = await make_model(session, actor.id, tags=("style", "ink"), category="style")
    await drafts.update(
        session, actor, model_id=model_id, patch=ModelPatch.model_validate({"category": "Concept"})
    )
    assert list(await tagging.tags_of(session, model_id)) == ["concept", "ink"]


async def test_an_edit_over_a_newer_edit_is_a_conflict(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id = await make_model(session, actor.id)
    row = await session.get_one(Model, model_id)
    seen = row.updated_at
    patch = ModelPatch.model_validate({"name": "first"})
    model = await drafts.update(session, actor, model_id=model_id, patch=patch, seen=seen)
    with pytest.raises(Conflict) as caught:
        await drafts.update(
            session,
            actor,
            model_id=model_id,
            patch=ModelPatch.model_validate({"name": "second"}),
            seen=model.updated_at - timedelta(seconds=1),
        )
    assert caught.value.code == "edited_elsewhere"


async def test_others_cannot_edit(session: AsyncSession) -> None:
    actor, other = await make_actor(session), await make_actor(session)
    draft = await make_model(session, actor.id)
    public, _ = await make_published_model(session, actor.id)
    patch = ModelPatch.model_validate({"name": "mine"})
    with pytest.raises(NotFound):
        await drafts.update(session, other, model_id=draft, patch=patch)
    with pytest.raises(Forbidden):
        await drafts.update(session, other, model_id=public, patch=patch)
    with pytest.raises(NotFound):
        await drafts.update(session, other, model_id=2**62, patch=patch)


async def test_locked_properties_are_staffs(session: AsyncSession) -> None:
    actor = await make_actor(session)
    staff = await make_actor(session, role=Role.MODERATOR)
    model_id = await make_model(session, actor.id, nsfw=False)
    with pytest.raises(Forbidden):
        await drafts.lock_properties(session, actor, model_id=model_id, names=["nsfw"])
    await drafts.lock_properties(session, staff, model_id=model_id, names=["nsfw", "tags", "allow_no_credit"])
    for fields in ({"nsfw": True}, {"tags": ["x"]}, {"allowNoCredit": False}, {"licenseTier": "Creator"}):
        with pytest.raises(Forbidden) as caught:
            await drafts.update(session, actor, model_id=model_id, patch=ModelPatch.model_validate(fields))
        assert caught.value.code == "property_locked"
    await drafts.update(session, actor, model_id=model_id, patch=ModelPatch.model_validate({"nsfw": False}))
    model = await drafts.update(
        session, staff, model_id=model_id, patch=ModelPatch.model_validate({"nsfw": True})
    )
    assert model.nsfw
    with pytest.raises(Invalid):
        await drafts.lock_properties(session, staff, model_id=model_id, names=["person_id"])


@pytest.mark.parametrize(
    ("tier", "flags"),
    [
        ("Open", (True, ["Sell"], True, True)),
        ("Creator", (False, ["Sell"], True, True)),
        ("Restricted", (False, ["None"], False, False)),
    ],
)
async def test_a_tier_decides_the_flags(
    session: AsyncSession, tier: str, flags: tuple[bool, list[str], bool, bool]
) -> None:
    actor = await make_actor(session)
    model = await drafts.create(
        session, actor, form=ModelForm.model_validate({"name": "x", "type": "LORA", "licenseTier": tier})
    )
    found = (
        model.allow_no_credit,
        model.allow_commercial_use,
        model.allow_derivatives,
        model.allow_different_license,
    )
    assert found == flags


async def test_a_tier_and_a_flag_that_contradict_are_refused(session: AsyncSession) -> None:
    actor = await make_actor(session)
    form = ModelForm.model_validate(
        {"name": "x", "type": "LORA", "licenseTier": "Restricted", "allowDerivatives": True}
    )
    with pytest.raises(Invalid) as caught:
        await drafts.create(session, actor, form=form)
    assert caught.value.code == "licence_contradiction"
    assert caught.value.fields == {"allowDerivatives": "contradicts licenseTier Restricted"}


async def test_licence_changes_are_recorded(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id = await make_model(session, actor.id)
    patch = ModelPatch.model_validate({"allowCommercialUse": ["None"], "allowDerivatives": False})
    await drafts.update(session, actor, model_id=model_id, patch=patch)
    await session.flush()
    line = await session.scalar(
        select(ModelEvent.details).where(
            ModelEvent.model_id == model_id, ModelEvent.action == "licence_changed"
        )
    )
    assert line is not None
    assert line["changes"]["allow_commercial_use"] == {"before": ["Sell"], "after": ["None"]}
    assert line["changes"]["allow_derivatives"] == {"before": True, "after": False}


async def test_minors_and_mature_content_exclude_each_other(session: AsyncSession) -> None:
    actor = await make_actor(session)
    for field in ("minor", "sfwOnly"):
        form = ModelForm.model_validate({"name": "x", "type": "LORA", "nsfw": True, field: True})
        with pytest.raises(Invalid) as caught:
            await drafts.create(session, actor, form=form)
        assert caught.value.code == "minor_and_mature"


async def test_marking_a_minor_takes_mature_pictures_from_view(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, [version_id] = await make_published_model(session, actor.id, level=8)
    patch = ModelPatch.model_validate({"minor": True})
    model = await drafts.update(session, actor, model_id=model_id, patch=patch)
    left = await session.scalars(
        select(VersionPreview.image_id).where(VersionPreview.version_id == version_id)
    )
    assert left.all() == []
    assert model.nsfw_level == 1


async def test_marking_mature_raises_the_level(session: AsyncSession) -> None:
    actor = await make_actor(session)
    model_id, _ = await make_published_model(session, actor.id, level=1)
    patch = ModelPatch.model_validate({"nsfw": True})
    model = await drafts.update(session, actor, model_id=model_id, patch=patch)
    assert model.nsfw_level == 28


async def test_tags_are_folded_and_bounded() -> None:
    assert tagging.fold_tags([" #Ink", "ÍNK", "", "  ", "a,b"]) == ["ink", "a b"]
    with pytest.raises(Invalid):
        tagging.fold_tags([f"t{i}" for i in range(31)])
    with pytest.raises(Invalid):
        tagging.fold_tags(["x" * 61])
