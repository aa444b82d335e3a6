"""Generating over the API, as the Create page does."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update
from tests.factories.accounts import make_person
from tests.factories.buzz import give_buzz
from tests.factories.catalog import make_published_model
from tests.factories.http import Client
from tests.factories.media import make_blob
from tests.factories.orchestration import make_agent

from civitas.domains.accounts.types import Scope
from civitas.domains.orchestration import blobs
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.tables import Job, Workflow, WorkflowStep
from civitas.domains.studio.tables import PromptBlock

HERE = "/api/v1/studio/generations"


@pytest.fixture
async def recipe(client: Client) -> dict[str, Any]:
    async with client.house.database.unit() as session:
        person = await make_person(session, "maker")
        _, (checkpoint,) = await make_published_model(
            session, type="Checkpoint", name="Base", version={"base_model": "SD 1.5"}
        )
        await give_buzz(session, person, 1000)
        await make_agent(session, "textToImage/sd1", "imageUpscaler")
    await client.use_key(person)
    return {"checkpoint": checkpoint, "prompt": "a red circle", "steps": 20, "seed": 7, "quantity": 2}


async def test_from_the_cost_to_the_end(client: Client, recipe: dict[str, Any]) -> None:
    told = (await client.post(f"{HERE}/estimate", json=recipe)).json()
    assert told["total"] > 0
    assert (told["served"], told["insufficient"], told["quantity"]) == (True, False, 2)
    answer = await client.post(HERE, json=recipe)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["cost"], made["status"], made["ahead"]) == (told["total"], "unassigned", 0)
    assert [one["seed"] for one in made["pictures"]] == [7, 8]
    where = f"{HERE}/{made['id']}"
    assert (await client.put(f"{where}/tags/favorite")).status_code == 204
    assert [one["id"] for one in (await client.get(HERE, params={"tag": "favorite"})).json()["items"]] == [
        made["id"]
    ]
    assert (await client.get(HERE, params={"query": "blue"})).json()["items"] == []
    assert (await client.delete(f"{where}/tags/favorite")).status_code == 204
    assert (await client.post(f"{where}/retry")).json()["code"] == "still_going"
    cancelled = (await client.post(f"{where}/cancel")).json()
    assert (cancelled["status"], cancelled["givenBack"]) == ("canceled", told["total"])
    retried = await client.post(f"{where}/retry")
    assert retried.status_code == 201
    assert retried.json()["recipe"]["seed"] == 7
    assert retried.json()["id"] != made["id"]
    assert (await client.post(f"{HERE}/archive", json={"ids": [made["id"]]})).json()["code"] == "nothing_made"
    assert (await client.delete(where)).status_code == 204
    assert (await client.get(where)).status_code == 404


async def test_what_was_made_is_taken_along_and_enlarged(client: Client, recipe: dict[str, Any]) -> None:
    made = (await client.post(HERE, json=recipe)).json()
    ids = [one["id"] for one in made["pictures"]]
    async with client.house.database.unit() as session:
        flow = (await session.scalars(select(Workflow))).one()
        for number, blob_id in enumerate(ids):
            other = await session.get_one(
                MediaBlob, await make_blob(session, flow, f"bytes {number}".encode())
            )
            values = {
                name: getattr(other, name) for name in ("size", "sha256", "media_type", "available_at")
            } | {"storage_key": f"orchestration/test/{blob_id}", "nsfw_level": "pg"}
            await session.execute(update(MediaBlob).where(MediaBlob.id == blob_id).values(**values))
        facts = await blobs.links(session, ids)
        assert all(one.available for one in facts.values())
    shown = (await client.get(f"{HERE}/{made['id']}")).json()
    assert all(one["url"] for one in shown["pictures"])
    packed = (await client.post(f"{HERE}/archive", json={"ids": [made["id"]]})).json()
    assert packed["entries"] == 2
    stricter = f"/api/v1/studio/outputs/{ids[1]}/level"
    assert (await client.put(stricter, json={"level": "r"})).status_code == 204
    assert (await client.put(stricter, json={"level": "pg13"})).json()["code"] == "only_stricter"
    assert (await client.get(f"{HERE}/{made['id']}")).json()["pictures"][1]["level"] == "r"
    larger = {"blobId": ids[0], "doublings": 2, "generationId": made["id"]}
    cost = (await client.post("/api/v1/studio/enlargements/estimate", json=larger)).json()
    assert cost["total"] >= 1
    done = (await client.post("/api/v1/studio/enlargements", json=larger)).json()
    assert done["prompt"] == "a red circle"
    assert done["cost"] == cost["total"]
    async with client.house.database.reading() as session:
        step = (await session.scalars(select(WorkflowStep).where(WorkflowStep.type == "imageUpscaler"))).one()
        assert (step.input["image"], step.input["numberOfRepeats"]) == (ids[0], 2)
        assert (await session.scalars(select(Job).where(Job.step_id == step.id))).one().media


async def test_scopes_and_caps_of_keys_hold(client: Client, recipe: dict[str, Any]) -> None:
    made = (await client.post(HERE, json=recipe)).json()
    async with client.house.database.unit() as session:
        other = await make_person(session)
        (owner,) = await session.scalars(select(Workflow.person_id))
    await client.use_key(other)
    assert (await client.get(f"{HERE}/{made['id']}")).status_code == 404
    assert (await client.post(f"{HERE}/{made['id']}/cancel")).status_code == 404
    assert (await client.post(HERE, json=recipe)).status_code == 402
    await client.use_key(owner, scopes=Scope.AI_SERVICES_READ)
    assert (await client.get(HERE)).status_code == 200
    assert (await client.post(HERE, json=recipe)).status_code == 403
    await client.use_key(owner, scopes=Scope.MODELS_READ)
    assert (await client.get(HERE)).status_code == 403


async def test_what_is_refused_is_told_and_counted(client: Client, recipe: dict[str, Any]) -> None:
    for wrong in ({"steps": 900}, {"prompt": ""}, {"quantity": 99}, {"checkpoint": 987654}, {"unknown": 1}):
        answer = await client.post(HERE, json=recipe | wrong)
        assert answer.status_code == 400, answer.text
    answer = await client.post(HERE, json=recipe | {"prompt": "a nude child"})
    assert (answer.status_code, answer.json()["code"]) == (400, "prompt_blocked")
    async with client.house.database.reading() as session:
        assert len((await session.scalars(select(PromptBlock))).all()) == 1
        assert (await session.scalars(select(Workflow))).all() == []
