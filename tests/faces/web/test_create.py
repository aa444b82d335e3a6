"""The generator's page: what it begins with, what it costs, what comes back when something is refused."""

from __future__ import annotations

import io
import re
import uuid
import zipfile

import pytest
from PIL import Image as Picture
from sqlalchemy import select
from tests.factories.accounts import actor_for, make_person
from tests.factories.buzz import give_buzz
from tests.factories.catalog import make_blob, make_preview, make_published_model
from tests.factories.http import Client
from tests.factories.orchestration import make_agent
from tests.flows import story

from civitas.domains.buzz.ledger import posting, wallets
from civitas.domains.buzz.types import Currency, wallet
from civitas.domains.catalog import rebuilding
from civitas.domains.catalog.tables import ModelVersion
from civitas.domains.gallery.tables import Image, ImageResource, Post
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.tables import Workflow, WorkflowStep
from civitas.domains.studio import presets
from civitas.domains.studio.tables import PromptBlock
from civitas.infra.imaging import png
from civitas.kit import clock
from civitas.kit.money import buzz

PICTURE = png.embed_text(story.drawing(), "a red circle\nSteps: 20, Seed: 7")


class Maker:
    """A person with Buzz, a checkpoint and a LoRA."""

    def __init__(self, person: int, checkpoint: int, lora: int) -> None:
        self.person, self.checkpoint, self.lora = person, checkpoint, lora


@pytest.fixture
async def maker(client: Client) -> Maker:
    async with client.house.database.unit() as session:
        person = await make_person(session, "maker")
        model, (checkpoint,) = await make_published_model(
            session, type="Checkpoint", name="Base", version={"base_model": "SD 1.5"}
        )
        other, (lora,) = await make_published_model(
            session, type="LORA", name="Glow", version={"base_model": "SD 1.5", "trained_words": ["glowing"]}
        )
        await make_preview(session, checkpoint, person)
        await give_buzz(session, person, 1000)
        await rebuilding.rebuild(session, [model, other])
    await client.sign_in(person)
    return Maker(person, checkpoint, lora)


def form(maker: Maker, **fields: object) -> dict[str, object]:
    return {"workflow": "txt2img", "checkpoint": maker.checkpoint, "prompt": "a red circle"} | fields


async def test_a_stranger_sees_the_page_and_is_asked_to_sign_in(client: Client) -> None:
    page = await client.page("/create")
    assert "Sign in to create" in page.text
    assert "data-live-made" not in page.text, "there is nothing of a stranger's to follow"
    assert (await client.submit("/create", prompt="x")).status_code in {303, 401, 403}


async def test_the_page_begins_with_a_model_and_its_sizes(client: Client, maker: Maker) -> None:
    page = (await client.page("/create")).text
    assert "Base" in page
    assert "Portrait 512 × 768" in page
    assert f'name="checkpoint" value="{maker.checkpoint}"' in re.sub(r"\s+", " ", page)


async def test_drafts_are_offered_where_there_are_some(client: Client, maker: Maker) -> None:
    assert 'value="txt2img:draft"' in (await client.page(f"/create?version={maker.checkpoint}")).text
    async with client.house.database.unit() as session:
        model, (other,) = await make_published_model(
            session, type="Checkpoint", name="Flow", version={"base_model": "Flux.1 D"}
        )
        await rebuilding.rebuild(session, [model])
    page = (await client.page(f"/create?form=1&workflow=txt2img:draft&checkpoint={other}")).text
    assert "txt2img:draft" not in page
    assert re.search(r'value="txt2img"[^>]*checked', page), "what is not there is not chosen"
    refused = await client.submit("/create", **form(maker, workflow="txt2img:draft", checkpoint=other))
    assert refused.status_code == 400 and "There are no drafts with this kind of model" in refused.text


async def test_a_lora_comes_with_its_words_over_a_checkpoint_that_fits(client: Client, maker: Maker) -> None:
    page = re.sub(r"\s+", " ", (await client.page("/create", version=maker.lora)).text)
    assert f'name="resource" value="{maker.lora}"' in page
    assert f'name="checkpoint" value="{maker.checkpoint}"' in page
    assert "glowing</textarea>" in page


async def test_the_cost_is_told_before_and_is_what_is_held(client: Client, maker: Maker) -> None:
    assert "Choose a model" in (await client.submit("/create/cost", prompt="a red circle")).text
    told = (await client.submit("/create/cost", **form(maker, quantity="2"))).text
    shown = re.search(r'class="buzz-amount[^"]*"[^>]*>.*?([\d,.]+)', told, re.DOTALL)
    made = await client.submit("/create", **form(maker, quantity="2"))
    assert made.status_code == 303
    async with client.house.database.reading() as session:
        workflow = (await session.scalars(select(Workflow))).one()
        step = (await session.scalars(select(WorkflowStep))).one()
    assert workflow.reserved == workflow.cost["total"] > 0
    assert shown is None or float(shown.group(1).replace(",", "")) == workflow.reserved / 4
    assert f"{workflow.reserved / 4:g}" in told
    assert step.input["quantity"] * step.input["batchSize"] == 2
    page = (await client.page("/create")).text
    assert f"made-{workflow.id}" in page
    assert (await client.get(f"/create/generations/{workflow.id}")).status_code == 200


async def test_what_was_refused_comes_back_with_everything_in_place(client: Client, maker: Maker) -> None:
    answer = await client.submit("/create", **form(maker, prompt="a long story", steps="900"))
    assert answer.status_code == 400
    page = re.sub(r"\s+", " ", answer.text)
    assert "a long story</textarea>" in page
    assert "Between 10 and 50" in page
    assert f'name="checkpoint" value="{maker.checkpoint}"' in page


async def test_a_prompt_that_is_never_made_is_counted_though_the_unit_rolled_back(
    client: Client, maker: Maker
) -> None:
    for _ in range(4):
        answer = await client.submit("/create", **form(maker, prompt="a nude child"))
        assert answer.status_code == 400
    assert "never made here" in answer.text
    assert "4 times in 30 days" in answer.text
    async with client.house.database.reading() as session:
        assert len((await session.scalars(select(PromptBlock))).all()) == 4
        assert (await session.scalars(select(Workflow))).all() == []


async def test_settings_are_kept_and_come_back(client: Client, maker: Maker) -> None:
    kept = await client.submit(
        "/create/presets", **form(maker, name="Evening", steps="22", resource=maker.lora)
    )
    assert kept.status_code == 303
    async with client.house.database.reading() as session:
        (preset,) = (await presets.page(session, actor_for(maker.person))).items
    page = re.sub(r"\s+", " ", (await client.page("/create", preset=preset.id)).text)
    assert 'value="22"' in page
    assert f'name="resource" value="{maker.lora}"' in page
    assert "Evening" in page


async def test_the_picker_shows_only_what_fits(client: Client, maker: Maker) -> None:
    async with client.house.database.unit() as session:
        other, (large,) = await make_published_model(
            session, type="LORA", name="Huge", version={"base_model": "SDXL 1.0"}
        )
        await rebuilding.rebuild(session, [other])
    page = (await client.page("/versions/choose", kind="network", base_model="SD 1.5")).text
    assert f'data-pick="{maker.lora}"' in page
    assert f'data-pick="{large}"' not in page
    row = (await client.page("/create/chosen", version=maker.lora, kind="network")).text
    assert f'name="strength-{maker.lora}"' in row
    assert (await client.get("/create/chosen", params={"version": 987654})).status_code == 404
    assert (await client.get("/versions/choose", params={"kind": "nothing"})).status_code == 404


async def test_one_sees_only_ones_own(client: Client, maker: Maker) -> None:
    await client.submit("/create", **form(maker))
    async with client.house.database.unit() as session:
        workflow = (await session.scalars(select(Workflow.id))).one()
        other = await make_person(session)
    await client.sign_in(other)
    assert (await client.get(f"/create/generations/{workflow}")).status_code == 404
    assert (await client.get("/create", params={"from": workflow})).status_code == 404
    assert workflow not in (await client.page("/create")).text


async def test_it_is_cancelled_with_the_buzz_back_marked_and_removed(client: Client, maker: Maker) -> None:
    async def balance() -> int:
        async with client.house.database.reading() as session:
            return (await wallets.of(session, maker.person)).total

    before = await balance()
    await client.submit("/create", **form(maker))
    assert await balance() < before
    async with client.house.database.reading() as session:
        workflow = (await session.scalars(select(Workflow.id))).one()
    where = f"/create/generations/{workflow}"
    cancelled = await client.post(f"{where}/cancel", headers={"HX-Request": "true"})
    assert "It was cancelled." in cancelled.text
    assert cancelled.text.lstrip().startswith("<article")
    assert "turned out mature" not in cancelled.text
    assert "came back</a> to your wallet" in cancelled.text
    assert await balance() == before
    assert (await client.submit(f"{where}/archive")).status_code == 409
    marked = await client.post(f"{where}/favourite", data={"on": "1"}, headers={"HX-Request": "true"})
    assert 'aria-pressed="true"' in marked.text
    assert f"made-{workflow}" in (await client.page("/create", tag="favorite")).text
    await client.post(f"{where}/favourite", data={"on": ""}, headers={"HX-Request": "true"})
    assert f"made-{workflow}" not in (await client.page("/create", tag="favorite")).text
    assert (await client.submit(f"{where}/remove")).status_code == 303
    assert f"made-{workflow}" not in (await client.page("/create")).text


async def test_what_ended_can_be_used_again(client: Client, maker: Maker) -> None:
    await client.submit("/create", **form(maker, prompt="a blue square", seed="77", steps="21"))
    async with client.house.database.reading() as session:
        workflow = (await session.scalars(select(Workflow.id))).one()
    page = re.sub(r"\s+", " ", (await client.page("/create", **{"from": workflow})).text)
    assert "a blue square</textarea>" in page
    assert 'value="21"' in page
    assert 'value="77"' not in page
    page = re.sub(r"\s+", " ", (await client.page("/create", **{"from": workflow, "seed": "78"})).text)
    assert 'value="78"' in page


async def test_a_model_leads_here_and_a_picture_is_remixed_with_what_is_missing_named(
    client: Client, maker: Maker
) -> None:
    async with client.house.database.unit() as session:
        blob = await make_blob(session)
        post = Post(
            person_id=maker.person, version_id=maker.checkpoint, showcase=True, published_at=clock.now()
        )
        session.add(post)
        await session.flush()
        picture = Image(
            post_id=post.id, person_id=maker.person, blob_id=blob, key=str(uuid.uuid4()), name="a.png",
            nsfw_level=1, status="ready", width=512, height=512, variants=[],
            meta={
                "prompt": "a violet star", "seed": 12345, "steps": 25,
                "civitaiResources": [
                    {"type": "checkpoint", "modelVersionId": maker.checkpoint},
                    {"type": "lora", "modelVersionId": 999999, "modelName": "Lost"},
                ],
            },
        )  # fmt: skip
        session.add(picture)
        await session.flush()
        image_id = picture.id
        session.add(ImageResource(image_id=image_id, version_id=maker.lora, strength=60, source="person"))
        model = await session.scalar(select(ModelVersion.model_id).where(ModelVersion.id == maker.checkpoint))
    assert f"/create?version={maker.checkpoint}" in (await client.page(f"/models/{model}/base")).text
    page = re.sub(r"\s+", " ", (await client.page("/create", remix=image_id)).text)
    assert "a violet star</textarea>" in page
    assert 'value="12345"' in page
    assert "Lost" in page
    assert "is not here" in page
    assert re.search(rf'name="strength-{maker.lora}"[^>]* value="0.6"', page), (
        "as the picture's page shows it"
    )
    assert f'name="remix_of" value="{image_id}"' in page
    assert (await client.get("/create", params={"remix": image_id + 1})).status_code == 404


async def test_what_was_made_is_tagged_and_found_by_its_tags(client: Client, maker: Maker) -> None:
    await client.submit("/create", **form(maker))
    await client.submit("/create", **form(maker, prompt="a lonely lamp"))
    async with client.house.database.reading() as session:
        made = await session.scalar(select(Workflow.id).order_by(Workflow.created_at).limit(1))
    tagging = f"/create/generations/{made}/tag"
    await client.submit(tagging, tag="  Best  of May ")
    await client.submit(tagging, tag="best of may")
    page = (await client.page("/create")).text
    assert page.count('href="/create?tag=best%20of%20may"') == 2, "among the filters, and on its card"
    found = (await client.page("/create?tag=best%20of%20may")).text
    assert "a red circle" in found and "a lonely lamp" not in found
    for wrong in ("", "x" * 41, "process:upscale", "a,b", "gen", "Favorite"):
        await client.submit(tagging, tag=wrong)
        told = (await client.page("/create")).text
        assert "A tag has 1 to 40" in told or "a mark of the site" in told, wrong
    async with client.house.database.reading() as session:
        tags = await session.scalar(select(Workflow.tags).where(Workflow.id == made))
    assert tags == ["gen", "img", "txt2img", "best of may"]
    await client.submit(tagging, remove="gen")
    await client.submit(tagging, remove="best of may")
    async with client.house.database.reading() as session:
        tags = await session.scalar(select(Workflow.tags).where(Workflow.id == made))
    assert tags == ["gen", "img", "txt2img"]
    assert "best of may" not in (await client.page("/create")).text
    async with client.house.database.unit() as session:
        other = await make_person(session, "stranger")
    await client.sign_in(other)
    assert (await client.submit(tagging, tag="mine")).status_code == 404


async def test_a_preset_is_replaced_only_when_that_is_said(client: Client, maker: Maker) -> None:
    await client.submit("/create/presets", **form(maker, name="Usual", steps="20"))
    refused = await client.submit("/create/presets", **form(maker, name="Usual", steps="30"))
    assert refused.status_code == 409
    await client.submit("/create/presets", **form(maker, name=" Usual", steps="30", replace="1"))
    await client.submit("/create/presets", **form(maker, name="Other", steps="12", replace="1"))
    async with client.house.database.reading() as session:
        kept = (await presets.page(session, actor_for(maker.person))).items
    assert [(one.name, one.settings["steps"]) for one in kept] == [("Other", 12), ("Usual", 30)]


async def test_script_gets_the_card_alone_whatever_it_replaces(client: Client, maker: Maker) -> None:
    target = {"HX-Request": "true", "HX-Target": "made-list"}
    made = await client.post("/create", data=form(maker), headers=target)
    assert made.text.lstrip().startswith("<article")
    assert made.headers["hx-trigger"] == "create:sent"
    async with client.house.database.reading() as session:
        workflow = (await session.scalars(select(Workflow.id))).one()
    card = await client.get(
        f"/create/generations/{workflow}", headers=target | {"HX-Target": f"made-{workflow}"}
    )
    assert card.text.lstrip().startswith("<article")
    row = await client.get("/create/chosen", params={"version": maker.lora}, headers=target)
    assert row.text.lstrip().startswith("<li")


async def _made(client: Client, maker: Maker, **fields: object) -> tuple[str, list[str]]:
    """Something made whose pictures are there."""
    await client.submit("/create", **form(maker, **fields))
    async with client.house.database.unit() as session:
        workflow = (await session.scalars(select(Workflow).order_by(Workflow.created_at.desc()))).first()
        assert workflow is not None
        ids = list(await session.scalars(select(MediaBlob.id).where(MediaBlob.workflow_id == workflow.id)))
        for number, blob_id in enumerate(ids):
            blob = await session.get_one(MediaBlob, blob_id)
            blob.storage_key, blob.size, blob.sha256 = (
                f"orchestration/x/{blob_id.lower()}",
                5,
                bytes([number]) * 32,
            )
            blob.media_type, blob.available_at, blob.width, blob.height = "image/png", clock.now(), 512, 512
            await client.house.store.put(blob.storage_key, b"bytes", "image/png")
        workflow.status, workflow.completed_at = "failed", clock.now()
        for step in await session.scalars(
            select(WorkflowStep).where(WorkflowStep.workflow_id == workflow.id)
        ):
            step.status, step.completed_at = "failed", clock.now()
            step.output = {"images": [{"$blob": one} for one in ids]}
    return workflow.id, ids


async def test_what_did_not_come_out_is_tried_again_and_what_did_leads_on(
    client: Client, maker: Maker
) -> None:
    workflow, (blob,) = await _made(client, maker, seed="77", resource=maker.lora)
    card = (await client.page("/create")).text
    for address in (f"from={workflow}&amp;near={blob}", f"larger?blob={blob}", "Try again"):
        assert address in card
    near = re.sub(r"\s+", " ", (await client.page("/create", **{"from": workflow, "near": blob})).text)
    assert f'name="source_image" value="{blob}"' in near
    assert 'value="0.4"' in near
    assert f'name="resource" value="{maker.lora}"' in near
    again = await client.submit(f"/create/generations/{workflow}/retry")
    assert again.status_code == 303
    async with client.house.database.reading() as session:
        steps = (await session.scalars(select(WorkflowStep))).all()
        assert [step.input["seed"] for step in steps] == [77, 77]
        assert steps[0].input == steps[1].input


async def test_its_maker_calls_a_picture_more_mature_and_never_milder(client: Client, maker: Maker) -> None:
    workflow, (blob,) = await _made(client, maker)
    async with client.house.database.unit() as session:
        (await session.get_one(MediaBlob, blob)).nsfw_level = "pg13"
    card = (await client.page("/create")).text
    assert "Rated PG-13" in card
    offered = re.search(rf'id="level-{blob}".*?</select>', card, re.DOTALL)
    assert offered is not None and re.findall(r'value="(\w+)"', offered[0]) == ["r", "x", "xxx"]
    there = f"/create/generations/{workflow}/level"
    assert (await client.submit(there, blob=blob, level="x")).status_code == 303
    milder = await client.submit(there, blob=blob, level="pg")
    other = await client.submit(there, blob="Z" * 26, level="x")
    assert (milder.status_code, other.status_code) == (403, 404)
    async with client.house.database.reading() as session:
        assert (await session.get_one(MediaBlob, blob)).nsfw_level == "x"


async def test_a_control_net_with_its_picture_is_prepared_and_comes_back(
    client: Client, maker: Maker
) -> None:
    async with client.house.database.unit() as session:
        _, (net,) = await make_published_model(
            session, type="Controlnet", name="Edges", version={"base_model": "SD 1.5"}
        )
    drawn = io.BytesIO()
    Picture.new("RGB", (64, 64), "red").save(drawn, "PNG")
    await client.page("/create/source")
    sent = await client.post(
        "/create/source",
        data={"what": "control"},
        files={"picture": ("a.png", drawn.getvalue(), "image/png")},
    )
    page = (await client.page(sent.headers["location"])).text
    image = re.search(r'name="control_image"\s+value="([0-9A-Z]{26})"', page)
    assert image is not None
    wanted = {"control": net, "control_image": image[1], "control_kind": "canny", "control_weight": "0.8"}
    assert (await client.submit("/create", **form(maker, **wanted))).status_code == 303
    async with client.house.database.reading() as session:
        rows = (await session.scalars(select(WorkflowStep).order_by(WorkflowStep.position))).all()
        workflow = (await session.scalars(select(Workflow))).one()
    assert [row.type for row in rows] == ["preprocessImage", "textToImage"]
    (entry,) = rows[1].input["controlNets"]
    assert (entry["weight"], entry["image"]["$ref"]) == (0.8, "control")
    again = (await client.page("/create", **{"from": workflow.id})).text
    assert "Edges" in again and re.search(rf'name="control_image"\s+value="{image[1]}"', again)
    alone = await client.submit("/create", **form(maker, control=net))
    assert alone.status_code == 400 and "Choose the picture that the ControlNet follows" in alone.text
    assert (await client.page(f"/create?version={net}")).text.count(f'value="{net}"') >= 1


async def test_a_picture_is_made_larger_when_its_cost_was_seen(client: Client, maker: Maker) -> None:
    workflow, (blob,) = await _made(client, maker)
    page = (await client.page("/create/larger", blob=blob, **{"from": workflow})).text
    assert "1024 × 1024" in page
    assert "2048 × 2048" in page
    assert "No machine that enlarges pictures" in page
    done = await client.submit("/create/larger", blob=blob, doublings="2", **{"from": workflow})
    assert done.status_code == 303
    assert "a red circle" in (await client.page(done.headers["location"].partition("#")[0])).text
    assert (await client.get("/create/larger", params={"blob": "Z" * 26})).status_code == 404


async def test_several_are_taken_along_marked_and_removed(client: Client, maker: Maker) -> None:
    first, _ = await _made(client, maker, quantity="2")
    second, _ = await _made(client, maker, prompt="a blue square")
    packed = await client.submit("/create/generations/several/archive", pick=[first, second])
    assert packed.status_code == 303
    archive = await client.get(packed.headers["location"])
    with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
        assert len(opened.namelist()) == 3
    assert (await client.submit("/create/generations/several/favourite", pick=[first])).status_code == 303
    assert f"made-{first}" in (await client.page("/create", tag="favorite")).text
    await client.submit("/create/generations/several/remove", pick=[first, second])
    assert f"made-{first}" not in (await client.page("/create")).text
    none = await client.submit("/create/generations/several/remove")
    assert none.status_code == 303
    assert (await client.submit("/create/generations/several/burn", pick=[first])).status_code == 404


async def test_what_came_out_is_judged_and_that_is_rewarded_once(client: Client, maker: Maker) -> None:
    async def blue() -> int:
        async with client.house.database.reading() as session:
            purse = wallet(maker.person, Currency.BLUE)
            return (await posting.balances(session, [purse]))[purse]

    workflow, _ = await _made(client, maker)
    where, before = f"/create/generations/{workflow}", await blue()
    judged = await client.post(f"{where}/feedback", data={"thumb": "up"}, headers={"HX-Request": "true"})
    assert re.search(r'aria-label="It came out well"[^>]*aria-pressed="true"', judged.text)
    await client.run_tasks()
    assert await blue() == before + buzz(4)
    other = await client.post(f"{where}/feedback", data={"thumb": "down"}, headers={"HX-Request": "true"})
    assert re.search(r'aria-label="It did not come out well"[^>]*aria-pressed="true"', other.text)
    shown = (await client.get(f"/api/v1/studio/generations/{workflow}")).json()
    assert shown["liked"] is False and "feedback:liked" not in shown["tags"]
    await client.run_tasks()
    assert await blue() == before + buzz(4), "a generation is rewarded once, whatever is said of it"
    here = f"/api/v1/studio/generations/{workflow}/feedback"
    assert (await client.put(here, json={"liked": None})).status_code == 204
    assert (await client.get(f"/api/v1/studio/generations/{workflow}")).json()["liked"] is None
    await client.submit("/create", **form(maker, prompt="a green star"))
    async with client.house.database.reading() as session:
        waiting = (await session.scalars(select(Workflow.id).where(Workflow.id != workflow))).one()
    early = await client.put(f"/api/v1/studio/generations/{waiting}/feedback", json={"liked": True})
    assert (early.status_code, early.json()["code"]) == (409, "nothing_made")


async def test_a_picture_and_a_mask_are_sent_without_script(client: Client, maker: Maker) -> None:
    drawn = io.BytesIO()
    Picture.new("RGB", (64, 64), "red").save(drawn, "PNG")
    await client.page("/create/source")
    files = {
        "picture": ("a.png", drawn.getvalue(), "image/png"),
        "mask": ("m.png", drawn.getvalue(), "image/png"),
    }
    sent = await client.post("/create/source", files=files)
    assert sent.status_code == 303
    page = re.sub(r"\s+", " ", (await client.page(sent.headers["location"])).text)
    assert re.search(r'name="source_image" value="[0-9A-Z]{26}"', page)
    assert re.search(r'name="mask_image" value="[0-9A-Z]{26}"', page)
    assert 'value="img2img" checked' in page
    nothing = await client.post("/create/source", files={"picture": ("a.txt", b"no picture", "text/plain")})
    assert nothing.status_code == 400
    assert (await client.post("/create/source", data={"x": "y"})).status_code == 400


async def test_the_place_in_the_queue_and_who_can_make_it_is_told(client: Client, maker: Maker) -> None:
    await client.submit("/create", **form(maker))
    assert "No machine that can make this is connected" in (await client.page("/create")).text
    async with client.house.database.unit() as session:
        await make_agent(session, "textToImage/sd1")
    assert "Waits for its turn: next" in (await client.page("/create")).text
    await client.submit("/create", **form(maker, prompt="a blue square"))
    assert "Waits for its turn: 1 before it" in (await client.page("/create")).text


async def test_what_was_made_becomes_a_post(client: Client, maker: Maker) -> None:
    workflow, (blob,) = await _made(client, maker)
    async with client.house.database.unit() as session:
        kept = await session.get_one(MediaBlob, blob)
        kept.size, kept.nsfw_level = len(PICTURE), "pg13"
    await client.house.store.put(f"orchestration/x/{blob.lower()}", PICTURE, "image/png")
    assert f"/create/generations/{workflow}/post" in (await client.page("/create")).text
    begun = await client.submit(f"/create/generations/{workflow}/post")
    assert "expect=1" in begun.headers["location"]
    assert "1 picture on the way" in (await client.page(begun.headers["location"])).text
    await client.run_tasks()
    await client.run_tasks()
    page = (await client.page(begun.headers["location"])).text
    assert "on the way" not in page and "Recipe read as a1111" in page
    async with client.house.database.reading() as session:
        image = (await session.scalars(select(Image).where(Image.workflow_id == workflow))).one()
    assert (image.status, image.nsfw_level, image.name) == ("ready", 2, f"{blob}.png")
    refused = await client.post(f"/create/generations/{workflow}/post", data={"blob": "NOT-OF-IT"})
    assert refused.status_code == 400
