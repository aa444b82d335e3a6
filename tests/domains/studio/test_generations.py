"""From recipes to workflows, and from pictures back to recipes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person
from tests.factories.catalog import make_published_model

from civitas.domains.accounts.types import Actor, Role
from civitas.domains.catalog.tables import FileHash, ModelFile
from civitas.domains.orchestration import checking
from civitas.domains.studio import blocking, generations, remixing, snippets
from civitas.domains.studio.recipes import Recipe
from civitas.kit.errors import Forbidden, Invalid
from civitas.kit.generation_text import parse_parameters, write_parameters


class Studio:
    """A person with a checkpoint and a LoRA to make pictures with."""

    def __init__(self, actor: Actor, checkpoint: int, lora: int) -> None:
        self.actor, self.checkpoint, self.lora = actor, checkpoint, lora

    def recipe(self, **fields: Any) -> Recipe:
        return Recipe.model_validate(
            {"checkpoint": self.checkpoint, "prompt": "a red circle", "seed": 7} | fields
        )


@pytest.fixture
async def studio(session: AsyncSession) -> Studio:
    _, (checkpoint,) = await make_published_model(
        session, type="Checkpoint", name="Base", version={"base_model": "SD 1.5"}
    )
    _, (lora,) = await make_published_model(
        session, type="LORA", name="Glow", version={"base_model": "SD 1.5"}
    )
    return Studio(actor_for(await make_person(session), mature=True), checkpoint, lora)


async def test_a_recipe_becomes_one_step_with_everything_in_it(session: AsyncSession, studio: Studio) -> None:
    made = await generations.prepare(
        session,
        studio.actor,
        studio.recipe(
            quantity=4,
            resources=[{"versionId": studio.lora, "strength": 0.5}],
            negativePrompt="blurry",
            sampler="Euler a",
            width=512,
            height=512,
        ),
    )
    (step,) = made.template.steps
    assert step.type == "textToImage"
    given = step.input
    assert (given["quantity"] * given["batchSize"], given["seed"]) == (4, 7)
    assert (given["scheduler"], given["width"], given["clipSkip"]) == ("eulerA", 512, 2)
    (network,) = given["additionalNetworks"].items()
    assert network[0].endswith(f"@{studio.lora}")
    assert network[1]["strength"] == 0.5
    told = orjson.loads(given["imageMetadata"])
    assert [(one["modelVersionId"], one.get("weight")) for one in told["resources"]] == [
        (studio.checkpoint, None),
        (studio.lora, 0.5),
    ]
    assert made.template.tags == ("gen", "img", "txt2img")
    assert made.warnings == ()


async def test_a_control_picture_is_prepared_first_and_its_net_comes_along(
    session: AsyncSession, studio: Studio
) -> None:
    _, (net,) = await make_published_model(
        session, type="Controlnet", name="Edges", version={"base_model": "SD 1.5"}
    )
    control = {"versionId": net, "preprocessor": "scribbleXdog", "image": "data:,x", "weight": 0.7}
    made = await generations.prepare(
        session, studio.actor, studio.recipe(controls=[control | {"prepared": False}])
    )
    first, second = made.template.steps
    assert (first.type, first.name, first.input["kind"]) == ("preprocessImage", "control", "scribble-xdog")
    (entry,) = second.input["controlNets"]
    assert entry["image"] == {"$ref": "control", "path": "output.blob.url"}
    assert (entry["preprocessor"], entry["weight"]) == ("scribbleXdog", 0.7)
    assert [air for air in second.input["additionalNetworks"] if air.endswith(f"@{net}")]
    checking.check(made.template)

    ready = await generations.prepare(session, studio.actor, studio.recipe(controls=[control]))
    (step,) = ready.template.steps
    assert step.input["controlNets"][0]["image"] == "data:,x"
    with pytest.raises(Invalid, match=r"Glow .* no ControlNet"):
        await generations.prepare(
            session, studio.actor, studio.recipe(controls=[control | {"versionId": studio.lora}])
        )


async def test_a_draft_is_made_by_what_is_there_and_says_by_what(
    session: AsyncSession, studio: Studio
) -> None:
    async def draft(**fields: Any) -> tuple[dict[str, Any], str]:
        made = await generations.prepare(
            session, studio.actor, studio.recipe(workflow="txt2img:draft", quantity=4, **fields)
        )
        (step,) = made.template.steps
        assert (step.input["quantity"] * step.input["batchSize"], len(made.warnings)) == (4, 1)
        kept = made.template.notes["recipe"]
        assert [one["versionId"] for one in kept["resources"]] == [
            one["versionId"] for one in fields.get("resources", [])
        ], "what was added stands beside the recipe, not in it"
        return dict(step.input), made.warnings[0]

    async def lora(name: str, base_model: str = "SD 1.5", **model: Any) -> int:
        _, (version,) = await make_published_model(
            session, type="LORA", name=name, version={"base_model": base_model}, **model
        )
        return version

    # Few steps without a model that was made for them would be rubbish.
    given, told = await draft()
    assert (given["steps"], given["scheduler"], given["cfgScale"]) == (8, "dpM2MKarras", 7)
    assert (
        given["additionalNetworks"] == {} and told == "A draft by a fast solver: 8 steps of DPM++ 2M Karras."
    )
    for name, base in (("Turbo racer", "SD 1.5"), ("LCM LoRA", "SDXL 1.0"), ("Lightning storm", "SD 1.5")):
        await lora(name, base)
    await lora("LCM LoRA", status="Draft", published_at=None)
    assert (await draft())[0]["additionalNetworks"] == {}, "styles, other families and drafts are no help"
    own = await lora("Hyper-SD for 1.5")
    given, told = await draft()
    assert (given["steps"], given["scheduler"], given["cfgScale"]) == (8, "ddim", 1)
    assert [air.rpartition("@")[2] for air in given["additionalNetworks"]] == [str(own)]
    assert told.startswith("A draft with Hyper-SD for 1.5")
    lcm = await lora("Swift", "SD 1.5 LCM")
    given, told = await draft(resources=[{"versionId": lcm, "strength": 0.8}])
    assert (given["steps"], given["scheduler"], given["cfgScale"]) == (6, "lcm", 1)
    assert [one["strength"] for one in given["additionalNetworks"].values()] == [0.8], "nothing beside it"


async def test_a_gguf_file_asks_for_a_machine_that_reads_it(session: AsyncSession, studio: Studio) -> None:
    _, (packed,) = await make_published_model(
        session, type="Checkpoint", name="Packed", version={"base_model": "SD 1.5"}
    )
    await session.execute(
        update(ModelFile).where(ModelFile.version_id == packed).values(name="packed-Q8_0.gguf")
    )
    found = await generations.estimate(session, studio.actor, studio.recipe(checkpoint=packed))
    (step,) = found.estimate.steps
    assert step.capability == "textToImage/sd1.gguf"
    usual = await generations.estimate(session, studio.actor, studio.recipe())
    assert usual.estimate.steps[0].capability == "textToImage/sd1"


async def test_a_seed_is_drawn_when_none_is_given(session: AsyncSession, studio: Studio) -> None:
    first, second = [
        await generations.prepare(session, studio.actor, studio.recipe(seed=None)) for _ in range(2)
    ]
    assert first.seed != second.seed
    assert first.template.steps[0].input["seed"] == first.seed


async def test_snippets_make_a_step_for_each_prompt_with_seeds_that_follow(
    session: AsyncSession, studio: Studio
) -> None:
    await snippets.save(session, studio.actor, name="colour", entries=["red", "blue"])
    made = await generations.prepare(
        session, studio.actor, studio.recipe(prompt="a #colour kite #nothing", quantity=4, snippets="batch")
    )
    assert [(step.input["prompt"], step.input["seed"]) for step in made.template.steps] == [
        ("a red kite #nothing", 7),
        ("a blue kite #nothing", 8),
    ]
    assert made.quantity == 2
    assert len(made.warnings) == 2
    assert "#nothing" in made.warnings[0]


async def test_a_prompt_that_is_never_made_is_refused_even_from_a_snippet(
    session: AsyncSession, studio: Studio
) -> None:
    await snippets.save(session, studio.actor, name="who", entries=["a child"])
    with pytest.raises(blocking.PromptBlocked) as refused:
        await generations.prepare(session, studio.actor, studio.recipe(prompt="nude #who"))
    assert refused.value.findings
    with pytest.raises(Invalid):
        await generations.prepare(session, studio.actor, studio.recipe(quantity=50))


async def test_mature_results_need_an_adult_who_asked_and_a_prompt_that_allows(
    session: AsyncSession, studio: Studio
) -> None:
    asked = studio.recipe(allowMature=True)
    assert (await generations.prepare(session, studio.actor, asked)).template.allow_mature
    child = await generations.prepare(
        session, studio.actor, studio.recipe(allowMature=True, prompt="a child flying a kite")
    )
    assert child.template.allow_mature is False
    assert "Only safe results are made from this." in child.warnings
    safe = actor_for(await make_person(session))
    assert (await generations.prepare(session, safe, asked)).template.allow_mature is False
    green = await generations.prepare(session, studio.actor.on_safe_site(), asked)
    assert green.template.allow_mature is False


async def test_who_is_restricted_cannot_generate(session: AsyncSession, studio: Studio) -> None:
    staff = actor_for(await make_person(session), role=Role.MODERATOR)
    assert studio.actor.id
    await blocking.restrict(session, staff, person_id=studio.actor.id, reason="Harassment.")
    with pytest.raises(Forbidden):
        await generations.prepare(session, studio.actor, studio.recipe())


async def test_a_picture_that_was_made_here_leads_back_to_its_recipe(
    session: AsyncSession, studio: Studio
) -> None:
    meta = {
        "prompt": "a red circle",
        "negativePrompt": "blurry",
        "steps": 24,
        "sampler": "DPM++ 2M Karras",
        "cfgScale": 6.5,
        "seed": 99,
        "Size": "512x768",
        "clipSkip": 2,
        "civitaiResources": [
            {"type": "checkpoint", "modelVersionId": studio.checkpoint, "modelName": "Base"},
            {"type": "lora", "modelVersionId": studio.lora, "weight": 0.7},
            {"type": "lora", "modelVersionId": 999_999, "modelName": "Gone"},
        ],
    }
    read = parse_parameters(write_parameters(meta))
    found = await remixing.from_meta(session, studio.actor, read)
    assert [(one.name, one.why) for one in found.missing] == [("Gone", "is not here")]
    recipe = Recipe.model_validate(found.fields)
    assert (recipe.checkpoint, recipe.seed, recipe.width, recipe.height) == (studio.checkpoint, 99, 512, 768)
    assert [(one.version_id, one.strength) for one in recipe.resources] == [(studio.lora, 0.7)]
    made = await generations.prepare(session, studio.actor, recipe)
    assert made.template.steps[0].input["scheduler"] == "dpM2MKarras"


async def test_models_are_found_by_hash_and_never_replaced(session: AsyncSession, studio: Studio) -> None:
    short = await session.scalar(
        select(FileHash.value).where(FileHash.version_id == studio.checkpoint, FileHash.kind == "AutoV2")
    )
    found = await remixing.from_meta(
        session,
        studio.actor,
        {
            "prompt": "x",
            "Model": "base",
            "Model hash": str(short).lower(),
            "resources": [{"name": "glow", "type": "lora", "weight": 0.4, "hash": "0123456789"}],
        },
    )
    assert found.checkpoint
    assert found.checkpoint.version_id == studio.checkpoint
    assert [(one.name, one.type) for one in found.missing] == [("glow", "lora")]


async def test_what_the_gallery_knows_of_a_picture_fills_in_what_it_names_by_name_alone(
    session: AsyncSession, studio: Studio
) -> None:
    meta = {
        "prompt": "x",
        "Model": "base",
        "resources": [{"name": "Base", "type": "model"}, {"name": "Gone"}],
    }
    alone = await remixing.from_meta(session, studio.actor, meta)
    assert alone.checkpoint is None and [one.name for one in alone.missing] == ["Base", "Gone"]
    found = await remixing.from_meta(
        session, studio.actor, meta, linked=[(studio.checkpoint, None), (studio.lora, 0.4), (10**9, None)]
    )
    assert found.fields["checkpoint"] == studio.checkpoint
    assert found.fields["resources"] == [{"versionId": studio.lora, "strength": 0.4}]
    assert [one.name for one in found.missing] == ["Gone"]
    # What the picture says itself counts for more than what is linked to it.
    told = {"civitaiResources": [{"type": "lora", "modelVersionId": studio.lora, "weight": 0.9}]}
    found = await remixing.from_meta(session, studio.actor, told, linked=[(studio.lora, 0.4)])
    assert found.fields["resources"] == [{"versionId": studio.lora, "strength": 0.9}]


@pytest.mark.parametrize(
    "meta",
    [
        {},
        {
            "civitaiResources": "no list",
            "resources": [1, None, "x"],
            "steps": True,
            "seed": -1,
            "Size": "axb",
        },
        {"civitaiResources": [{"modelVersionId": 10**30}], "width": "9" * 50, "height": {}, "sampler": 5},
        {"resources": [{"hash": "x" * 10_000, "weight": "heavy", "name": None}], "cfgScale": "7"},
    ],
)
async def test_careless_metadata_breaks_nothing(
    session: AsyncSession, studio: Studio, meta: dict[str, Any]
) -> None:
    found = await remixing.from_meta(session, studio.actor, meta)
    assert found.checkpoint is None
