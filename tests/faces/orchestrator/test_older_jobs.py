"""The older API of jobs, as the older clients speak it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.factories.accounts import make_person
from tests.factories.buzz import give_buzz
from tests.factories.bytes import picture
from tests.factories.http import Client
from tests.factories.media import said
from tests.factories.workflows import waiting

from civitas.domains.orchestration import blobs, job_ends

API = "/v1/consumer/jobs"
MODEL = "urn:air:sd1:checkpoint:huggingface:a/b@main"
DRAW = {
    "$type": "textToImage",
    "model": MODEL,
    "baseModel": "SD_1_5",
    "params": {
        "prompt": "a cat",
        "width": 512,
        "height": 512,
        "steps": 20,
        "cfgScale": 7,
        "seed": -1,
        "scheduler": "EulerA",
    },
}


@pytest.fixture
async def ana(client: Client) -> int:
    async with client.house.database.unit() as session:
        person = await make_person(session, "ana_jobs")
        await give_buzz(session, person, 1000)
    await client.use_key(person)
    return person


async def submit(client: Client, body: Any, **params: Any) -> Any:
    answer = await client.post(API, json=body, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def draw(client: Client, workflow: str) -> None:
    """What an agent would do."""
    async with client.house.database.unit() as session:
        (job,) = await waiting(session, workflow)
        (slot,) = job.slots
        key = blobs.new_key()
        await client.store.put(key, picture(), "image/png")
        await blobs.delivered(session, blob_id=slot, storage_key=key, delivered=said(picture()))
        await job_ends.job_succeeded(
            session, job_id=job.id, output={"images": [{"$blob": 0}]}, blobs=[slot], warnings=[]
        )


async def test_a_job_is_submitted_looked_at_and_done(client: Client, ana: int) -> None:
    made = await submit(client, DRAW | {"properties": {"order": 7}})
    (job,) = made["jobs"]
    assert job["scheduled"] is True and job["cost"] > 0 and job["properties"] == {"order": 7}
    assert job["result"]["available"] is False and "blobUrl" not in job["result"]
    assert job["lastEvent"]["type"] == "Initialized"
    assert job["serviceProviders"]["Civitas"]["support"] == "Unsupported"
    await draw(client, job["jobId"])
    (found,) = (await client.get(API, params={"token": made["token"]})).json()["jobs"]
    assert found["scheduled"] is False and found["result"]["available"] is True
    assert (
        found["result"]["blobUrl"].startswith("http")
        and found["result"]["blobKey"] == job["result"]["blobKey"]
    )
    assert found["lastEvent"]["type"] == "Succeeded" and found["lastEvent"]["jobHasCompleted"] is True
    one = (await client.get(f"{API}/{job['jobId']}", params={"detailed": True})).json()
    assert one["job"]["$type"] == "textToImage" and one["job"]["scheduler"] == "eulerA"
    assert 0 <= one["job"]["seed"] < 2**32


async def test_several_at_once_are_several_jobs(client: Client, ana: int) -> None:
    made = await submit(client, DRAW | {"quantity": 2, "params": DRAW["params"] | {"seed": 5}})
    assert len({one["jobId"] for one in made["jobs"]}) == 2
    listed = await submit(
        client, {"jobs": [{"$type": "wdTagging", "mediaUrl": "https://x.example/a.png", "model": "m"}]}
    )
    assert len(listed["jobs"]) == 1
    asked = await submit(client, DRAW, whatif=True)
    assert asked["token"] is None and asked["jobs"][0]["cost"] > 0 and asked["jobs"][0]["scheduled"] is False


async def test_jobs_are_found_by_their_properties(client: Client, ana: int) -> None:
    first = await submit(client, DRAW | {"properties": {"a": 1, "b": "x"}})
    await submit(client, DRAW | {"properties": {"a": 2}})
    await client.post(
        "/v2/consumer/workflows", json={"steps": [{"$type": "echo", "input": {"message": "x"}}]}
    )

    async def ids(**properties: Any) -> list[str]:
        answer = await client.post(f"{API}/query", json={"properties": properties})
        assert answer.status_code == 200, answer.text
        return [one["jobId"] for one in answer.json()["jobs"]]

    assert await ids(a=1) == [first["jobs"][0]["jobId"]]
    assert await ids(a=1, b="y") == [] and len(await ids()) == 2
    assert (await client.put(API, json={"reason": "bad", "properties": {"a": 1}})).json() == {"jobs": 1}
    assert (await client.put(API, json={"reason": "bad"}, params={"token": first["token"]})).json() == {
        "jobs": 1
    }
    assert (await client.put(f"{API}/{first['jobs'][0]['jobId']}", json={"reason": "bad"})).status_code == 200


async def test_cancelling_by_job_and_by_token(client: Client, ana: int) -> None:
    made = await submit(client, DRAW | {"quantity": 3})
    first = made["jobs"][0]["jobId"]
    assert (await client.delete(f"{API}/{first}", params={"force": True})).status_code == 200
    stand = [
        one["scheduled"] for one in (await client.get(API, params={"token": made["token"]})).json()["jobs"]
    ]
    assert stand == [False, True, True]
    assert (await client.delete(API, params={"token": made["token"]})).status_code == 200
    found = (await client.get(API, params={"token": made["token"]})).json()["jobs"]
    assert [one["lastEvent"]["type"] for one in found] == ["Deleted"] * 3
    assert (await client.delete(f"{API}/{first}")).status_code == 200, "once more changes nothing"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ([], "$"),
        ({}, "$type"),
        ({"$type": "pingJob"}, "$type"),
        ({"jobs": []}, "jobs"),
        ({"jobs": [7]}, "jobs"),
        ({"jobs": [DRAW, {"$type": "x"}]}, "jobs[1].$type"),
        (DRAW | {"quantity": 33}, "quantity"),
        (DRAW | {"quantity": "two"}, "quantity"),
        ({"$type": "textToImage", "model": MODEL}, "params"),
        (DRAW | {"params": {"prompt": "x", "width": 1, "height": 512}}, "width"),
        (DRAW | {"properties": [1]}, "properties"),
        (DRAW | {"timeout": "soon"}, "timeout"),
        ({"jobs": [DRAW | {"model": "no air"}]}, "jobs[0].model"),
    ],
)
async def test_what_is_wrong_is_named(client: Client, ana: int, body: Any, path: str) -> None:
    answer = await client.post(API, json=body)
    assert answer.status_code == 400, answer.text
    assert path in answer.json()["errors"], answer.text


async def test_tokens_and_people(client: Client, ana: int) -> None:
    made = await submit(client, DRAW)
    for token in ("", "x", "e30=", "W3siSm9icyI6WyJ3Zl8xIl19XQ==", "A" * 5000):
        answer = await client.get(API, params={"token": token})
        assert answer.status_code in (400, 404), (token, answer.text)
    async with client.house.database.unit() as session:
        eve = await make_person(session, "eve_jobs")
    client.sign_out()
    await client.use_key(eve)
    job = made["jobs"][0]["jobId"]
    for method, path, params in (
        ("GET", "", {"token": made["token"]}), ("GET", "", {"token": made["token"], "wait": True}),
        ("GET", f"/{job}", {}), ("DELETE", f"/{job}", {}), ("DELETE", "", {"token": made["token"]}),
    ):  # fmt: skip
        assert (await client.request(method, API + path, params=params)).status_code == 404, (method, path)
    assert (await client.put(f"{API}/{job}", json={})).status_code == 404
    client.sign_out()
    assert (await client.post(API, json=DRAW)).status_code == 401


async def test_what_was_made_and_spent(client: Client, ana: int) -> None:
    made = await submit(client, DRAW)
    await draw(client, made["jobs"][0]["jobId"])
    found = (await client.get("/v1/consumer/consumption")).json()
    assert found["images"] == 1 and found["totalCost"] == made["jobs"][0]["cost"]
    later = await client.get(
        "/v1/consumer/consumption", params={"startDate": "2999-01-01", "endDate": "2999-02-01"}
    )
    assert later.json()["images"] == 0
    told = (await client.get("/v1/consumer/coverage", params={"model": [MODEL, "nonsense"]})).json()
    assert told[MODEL]["availability"] == "Unsupported" and told["nonsense"]["workers"] == 0
