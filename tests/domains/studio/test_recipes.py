"""Recipes: what is decided, what is refused, and that nothing is changed without being said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.catalog import make_published_model, make_version, set_status

from civitas.domains.buzz.memberships.entitlements import free
from civitas.domains.orchestration.schemas.interface import published
from civitas.domains.studio import controls, families, samplers, stacking
from civitas.domains.studio.recipes import ONLY_PREPARED, PREPROCESSORS, Recipe, settle
from civitas.kit.errors import Invalid

SD1 = families.families()["SD1"]
FLUX = families.families()["Flux1"]


SD3 = families.families()["SD3"]
CONTROL = {"versionId": 5, "preprocessor": "canny", "image": "x"}


def recipe(**fields: Any) -> Recipe:
    return Recipe.model_validate({"checkpoint": 1, "prompt": "a red circle"} | fields)


def test_what_is_left_out_takes_what_is_usual() -> None:
    made = settle(recipe(), SD1, free())
    assert (made.width, made.height, made.steps, made.cfg_scale, made.clip_skip) == (512, 768, 30, 7.0, 2)
    assert made.sampler == "Euler a"
    assert made.changes == ()


def test_a_size_that_cannot_be_made_becomes_the_nearest_and_is_said() -> None:
    made = settle(recipe(width=515, height=9_000), SD1, free())
    assert SD1.fits(made.width, made.height)
    (change,) = made.changes
    assert change.field == "size"
    assert change.told() == (
        f"This kind of model does not make that size. {made.width} x {made.height} is used instead of 515 x 9000."
    )


def test_a_family_without_negative_prompt_or_clip_skip_says_so() -> None:
    made = settle(recipe(negativePrompt="blurry", clipSkip=2, width=1024, height=1024), FLUX, free())
    assert (made.negative_prompt, made.clip_skip) == ("", None)
    assert [change.field for change in made.changes] == ["clipSkip", "negativePrompt"]


def test_a_sampler_that_the_family_does_not_use_is_replaced_and_said() -> None:
    made = settle(recipe(sampler="DPM++ 2M Karras", width=1024, height=1024), FLUX, free())
    assert made.sampler == "Euler"
    assert [(c.field, c.asked) for c in made.changes] == [("sampler", "DPM++ 2M Karras")]
    with pytest.raises(Invalid, match="magic"):
        settle(recipe(sampler="magic"), FLUX, free())


def test_stable_diffusion_3_is_offered_in_all_its_sizes() -> None:
    for name, ecosystem in (("SD 3.5 Large", "SD3"), ("SD 3.5 Medium", "SD3_5M"), ("Flux.1 S", "Flux1")):
        family = families.of_base_model(name)
        assert family is not None and family.ecosystem == ecosystem


def test_drafts_come_in_fours_with_their_own_steps() -> None:
    made = settle(recipe(workflow="txt2img:draft", quantity=1, steps=40), SD1, free())
    assert (made.quantity, made.steps, made.cfg_scale, made.sampler) == (4, 6, 1.0, "LCM")
    assert [change.field for change in made.changes] == ["quantity"]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"prompt": "  "}, "prompt"),
        ({"prompt": "x" * 6_001}, "prompt"),
        ({"quantity": 5}, "quantity"),
        ({"steps": 51}, "steps"),
        ({"steps": 3}, "steps"),
        ({"cfgScale": 40}, "cfgScale"),
        ({"sampler": "Magic"}, "sampler"),
        ({"workflow": "img2img"}, "sourceImage"),
        ({"maskImage": "x"}, "maskImage"),
        ({"resources": [{"versionId": n} for n in range(1, 11)]}, "resources"),
        ({"controls": [CONTROL | {"startStep": 1, "endStep": 0}]}, "controls"),
        ({"controls": [CONTROL | {"preprocessor": "magic"}]}, "controls"),
        ({"controls": [CONTROL | {"preprocessor": "gray", "prepared": False}]}, "controls"),
    ],
)
def test_what_is_wrong_is_refused_by_the_name_of_its_field(fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(Invalid) as refused:
        settle(recipe(**fields), SD1, free())
    assert list(refused.value.fields) == [wrong]


def test_a_kind_of_model_says_where_a_control_picture_leads() -> None:
    assert settle(recipe(controls=[CONTROL]), SD3, free()).changes == ()
    for family, told in (
        (SD3, "from words only"),
        (SD1.model_copy(update={"controls": "none"}), "no ControlNets"),
    ):
        with pytest.raises(Invalid, match=told):
            settle(recipe(controls=[CONTROL], workflow="img2img", sourceImage="y"), family, free())
    assert settle(recipe(controls=[CONTROL], workflow="img2img", sourceImage="y"), SD1, free()).changes == ()


@pytest.mark.parametrize("kind", sorted(PREPROCESSORS))
def test_every_kind_of_control_picture_has_a_step_that_makes_it(kind: str) -> None:
    known = published().steps["preprocessImage"].input["discriminator"]["mapping"]
    assert (controls.preparation(kind) in known) == (kind not in ONLY_PREPARED)
    assert {name for name, _ in controls.KINDS} <= PREPROCESSORS


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        settle(recipe(quantity=9, steps=90, sampler="x"), SD1, free())
    assert set(refused.value.fields) == {"quantity", "steps", "sampler"}


@given(st.integers(1, 100_000), st.integers(1, 100_000), st.sampled_from(sorted(families.families())))
def test_the_nearest_size_is_one_that_can_be_made(width: int, height: int, ecosystem: str) -> None:
    family = families.families()[ecosystem]
    assert family.fits(*family.nearest(width, height))


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("DPM++ 2M Karras", "DPM++ 2M Karras"),
        ("dpm++ 2m karras", "DPM++ 2M Karras"),
        ("eulerA", "Euler a"),
        ("euler_ancestral", "Euler a"),
        ("Euler", "Euler"),
        ("dpmpp_2m", "DPM++ 2M"),
        ("ddim", "DDIM"),
        ("nonsense", None),
    ],
)
def test_samplers_are_known_by_the_names_that_tools_write(written: str, name: str | None) -> None:
    assert samplers.known(written) == name


def test_every_sampler_has_a_name_of_its_own_on_the_wire() -> None:
    assert len(samplers.BY_WIRE) == len(samplers.NAMES)


async def a_checkpoint(session: AsyncSession, **columns: Any) -> int:
    _, (version,) = await make_published_model(
        session, type="Checkpoint", version={"base_model": "SD 1.5"}, **columns
    )
    return version


async def test_a_stack_is_found_and_named(session: AsyncSession) -> None:
    actor = actor_for(await make_person(session))
    checkpoint = await a_checkpoint(session)
    _, (lora,) = await make_published_model(
        session, type="LORA", version={"base_model": "SD 1.5", "strength": 0.6, "trained_words": ["glow"]}
    )
    _, (vae,) = await make_published_model(session, type="VAE", version={"base_model": "SD 1.5"})
    found = await stacking.stack(
        session, actor, recipe(checkpoint=checkpoint, resources=[{"versionId": lora}], vae=vae)
    )
    assert found.family.ecosystem == "SD1"
    assert [(one.version_id, strength) for one, strength in found.networks] == [(lora, 0.6)]
    assert found.checkpoint.air.startswith("urn:air:sd1:checkpoint:civitai:")
    assert found.vae
    assert not found.safe_only


async def test_what_cannot_be_used_is_named_with_its_reason(session: AsyncSession) -> None:
    actor = actor_for(await make_person(session))
    checkpoint = await a_checkpoint(session)
    _, (large,) = await make_published_model(
        session, type="LORA", name="Large", version={"base_model": "Pony"}
    )
    model, (hidden,) = await make_published_model(
        session, type="LORA", name="Gone", version={"base_model": "SD 1.5"}
    )
    await set_status(session, model, "Unpublished")
    with pytest.raises(Invalid) as refused:
        await stacking.stack(session, actor, recipe(checkpoint=checkpoint, resources=[{"versionId": hidden}]))
    assert refused.value.message == f"Version {hidden} is not here.", "its name is not for everybody"
    with pytest.raises(Invalid, match=r"made for Pony, not for SD 1\.5"):
        await stacking.stack(session, actor, recipe(checkpoint=checkpoint, resources=[{"versionId": large}]))
    with pytest.raises(Invalid, match="Version 999999 is not here"):
        await stacking.stack(session, actor, recipe(checkpoint=999_999))
    with pytest.raises(Invalid, match="not a checkpoint"):
        await stacking.stack(session, actor, recipe(checkpoint=large))


async def test_strengths_keep_to_what_the_creator_set(session: AsyncSession) -> None:
    actor = actor_for(await make_person(session))
    checkpoint = await a_checkpoint(session)
    _, (lora,) = await make_published_model(
        session, type="LORA", version={"base_model": "SD 1.5", "min_strength": 0.2, "max_strength": 0.8}
    )
    with pytest.raises(Invalid, match=r"from 0\.2 to 0\.8, not 1\.5"):
        await stacking.stack(
            session, actor, recipe(checkpoint=checkpoint, resources=[{"versionId": lora, "strength": 1.5}])
        )


async def test_a_draft_of_ones_own_can_be_used_and_has_to_have_a_file(session: AsyncSession) -> None:
    owner = await make_person(session)
    model, (version,) = await make_published_model(
        session, owner, type="Checkpoint", version={"base_model": "SD 1.5"}
    )
    await set_status(session, model, "Draft")
    bare = await make_version(session, model, base_model="SD 1.5")
    known = await stacking.usable(session, actor_for(owner), [version, bare])
    assert known[version].problem is None
    assert known[bare].problem == "has no file to generate with"
    assert not await stacking.usable(session, actor_for(await make_person(session)), [version])


async def test_a_model_of_a_person_makes_safe_pictures_only(session: AsyncSession) -> None:
    actor = actor_for(await make_person(session))
    checkpoint = await a_checkpoint(session, poi=True)
    assert (await stacking.stack(session, actor, recipe(checkpoint=checkpoint))).safe_only


def test_what_descends_from_one_another_fits() -> None:
    assert stacking.fits("SDXL 1.0", "Pony")
    assert stacking.fits("SD 1.4", "SD 1.5")
    assert not stacking.fits("SD 1.5", "SDXL 1.0")
    assert "Illustrious" in stacking.compatible_base_models("SDXL 1.0")
