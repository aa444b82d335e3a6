"""A ComfyUI workflow of the catalogue is run by filling its inputs: page and API."""

from __future__ import annotations

import io
import re

import orjson
import pytest
from PIL import Image
from sqlalchemy import select
from tests.domains.studio.test_graphs import API
from tests.factories.accounts import make_person
from tests.factories.buzz import give_buzz
from tests.factories.catalog import make_blob, make_file, make_model, make_published_model, make_version
from tests.factories.http import Client
from tests.factories.orchestration import make_agent

from civitas.domains.blobs.tables import Blob
from civitas.domains.catalog import rebuilding
from civitas.domains.orchestration.tables import Workflow, WorkflowStep
from civitas.domains.studio.tables import PromptBlock
from civitas.kit import clock


class Shelf:
    """Somebody with Buzz, a published workflow, and a checkpoint to use in it."""

    def __init__(self, person: int, model: int, version: int, checkpoint: int) -> None:
        self.person, self.model, self.version, self.checkpoint = person, model, version, checkpoint


@pytest.fixture
async def shelf(client: Client) -> Shelf:
    async with client.house.database.unit() as session:
        person = await make_person(session)
        await give_buzz(session, person, 100)
        public = {"status": "Published", "published_at": clock.now()}
        model = await make_model(
            session, type="Workflows", name="Lake", last_version_at=clock.now(), **public
        )
        version = await make_version(session, model, base_model="SD 1.5", **public)
        blob = await make_blob(session, orjson.dumps(API))
        await make_file(session, version, blob_id=blob, name="lake.json", type="Workflow", format="Other")
        key = await session.scalar(select(Blob.storage_key).where(Blob.id == blob))
        other, (checkpoint,) = await make_published_model(
            session, type="Checkpoint", name="Base", version={"base_model": "SD 1.5"}
        )
        await rebuilding.rebuild(session, [model, other])
    await client.house.store.put(str(key), orjson.dumps(API), "application/json")
    await client.sign_in(person)
    return Shelf(person, model, version, checkpoint)


def picture() -> bytes:
    drawn = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(drawn, "PNG")
    return drawn.getvalue()


async def test_the_form_comes_from_the_graph_and_submits_it_filled(client: Client, shelf: Shelf) -> None:
    assert f"/create/graph/{shelf.version}" in (await client.page(f"/models/{shelf.model}/lake")).text
    page = re.sub(r"\s+", " ", (await client.page(f"/create/graph/{shelf.version}")).text)
    assert "No machine with ComfyUI is connected" in page
    assert "a lake</textarea>" in page
    assert 'name="n-3.steps"' in page
    assert f'<option value="{shelf.checkpoint}"' in page
    where = f"/create/graph/{shelf.version}"
    refused = await client.post(where, data={"n-6.text": "a hill", "n-3.steps": "many"})
    assert refused.status_code == 400
    told = re.sub(r"\s+", " ", refused.text)
    assert "A whole number, please." in told
    assert "Choose a picture." in told
    assert "a hill</textarea>" in told
    done = await client.post(
        where,
        data={
            "n-6.text": "a hill",
            "n-3.steps": "12",
            "n-3.seed": "9",
            "m-4.ckpt_name": str(shelf.checkpoint),
        },
        files={"n-5.image-file": ("a.png", picture(), "image/png")},
    )
    assert done.status_code == 303, done.text
    async with client.house.database.reading() as session:
        step = (await session.scalars(select(WorkflowStep))).one()
        workflow = (await session.scalars(select(Workflow))).one()
    graph = step.input["comfyWorkflow"]
    assert (graph["6"]["inputs"]["text"], graph["3"]["inputs"]["steps"]) == ("a hill", 12)
    assert graph["4"]["inputs"]["ckpt_name"].endswith(f"@{shelf.checkpoint}")
    assert re.fullmatch(r"[0-9A-Z]{26}", graph["5"]["inputs"]["image"])
    assert (step.type, workflow.reserved > 0) == ("comfy", True)
    feed = (await client.page("/create")).text
    again = f"/create/graph/{shelf.version}?from={workflow.id}"
    assert feed.count("made-place") == 1
    await client.post(f"/create/generations/{workflow.id}/cancel")
    assert again in (await client.page("/create")).text
    assert "a hill</textarea>" in re.sub(r"\s+", " ", (await client.page(again)).text)


async def test_words_that_are_never_made_are_refused_in_graphs_too(client: Client, shelf: Shelf) -> None:
    answer = await client.post(
        f"/create/graph/{shelf.version}",
        data={"n-6.text": "a nude child"},
        files={"n-5.image-file": ("a.png", picture(), "image/png")},
    )
    assert answer.status_code == 400
    async with client.house.database.reading() as session:
        assert len((await session.scalars(select(PromptBlock))).all()) == 1
        assert (await session.scalars(select(Workflow))).all() == []


async def test_over_the_api(client: Client, shelf: Shelf) -> None:
    await client.use_key(shelf.person)
    where = f"/api/v1/studio/graphs/{shelf.version}"
    shown = (await client.get(where)).json()
    assert [one["kind"] for one in shown["fields"][:5]] == ["text", "text", "picture", "model", "seed"]
    async with client.house.database.unit() as session:
        await make_agent(session, "comfy")
    cost = (await client.post(f"{where}/estimate", json={})).json()
    assert (cost["total"] > 0, cost["served"]) == (True, True)
    filled = {"values": {"6.text": "a hill", "5.image": "https://example.org/a.png", "3.cfg": 5.5}}
    made = await client.post(f"{where}/runs", json=filled)
    assert made.status_code == 201, made.text
    assert (made.json()["prompt"], made.json()["cost"]) == ("a hill", cost["total"])
    wrong = await client.post(
        f"{where}/runs", json={"values": {"3.cfg": "x"}, "models": {"4.ckpt_name": 987654}}
    )
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_fields")
    assert (await client.get(f"/api/v1/studio/graphs/{shelf.checkpoint}")).status_code == 404
    assert (await client.get("/api/v1/studio/graphs/987654")).status_code == 404
