"""Changing what was submitted: PUT, PATCH, DELETE, tags and steps, and what has ended."""

from __future__ import annotations

from typing import Any

import pytest
from tests.faces.orchestrator.contract import kept
from tests.factories.accounts import make_person
from tests.factories.buzz import give_buzz
from tests.factories.http import Client

API = "/v2/consumer/workflows"
PATCH = {"content-type": "application/json-patch+json"}
DRAW = {"prompt": "a cat", "seed": 7, "cfgScale": 7, "model": "urn:air:sd1:checkpoint:huggingface:a/b@main"}


@pytest.fixture
async def ana(client: Client) -> int:
    async with client.house.database.unit() as session:
        person = await make_person(session, "ana_edit")
        await give_buzz(session, person, 1000)
    await client.use_key(person)
    return person


async def submit(client: Client, *steps: Any, **fields: Any) -> Any:
    answer = await client.post(API, json={"steps": list(steps), **fields})
    assert answer.status_code in (200, 202), answer.text
    return kept(answer)


def echo(message: Any = "x") -> dict[str, Any]:
    return {"$type": "echo", "input": {"message": message}}


async def look(client: Client, workflow: str) -> Any:
    return kept(await client.get(f"{API}/{workflow}"))


async def done(client: Client, method: str, path: str, **options: Any) -> None:
    answer = await client.request(method, f"{API}/{path}", **options)
    assert answer.status_code == 204, answer.text
    kept(answer)


async def test_metadata_and_tags_by_put_and_patch(client: Client, ana: int) -> None:
    made = (await submit(client, echo(), tags=["a"], metadata={"n": 1}))["id"]
    await done(client, "PUT", made, json={"metadata": {"n": 2}, "tags": ["b", "c"]})
    found = await look(client, made)
    assert (found["metadata"], found["tags"]) == ({"n": 2}, ["b", "c"])
    operations = [
        {"op": "test", "path": "/metadata/n", "value": 2},
        {"op": "add", "path": "/metadata/images", "value": {"x": {"hidden": True}}},
        {"op": "add", "path": "/tags/-", "value": "d"},
    ]
    await done(client, "PATCH", made, json=operations, headers=PATCH)
    found = await look(client, made)
    assert found["metadata"] == {"n": 2, "images": {"x": {"hidden": True}}} and found["tags"] == [
        "b",
        "c",
        "d",
    ]


async def test_tags_come_and_go(client: Client, ana: int) -> None:
    made = (await submit(client, echo()))["id"]
    for tag in ("fav", "fav", "a/b"):
        await done(client, "POST", f"{made}/tags", json=tag)
    assert (await look(client, made))["tags"] == ["fav", "a/b"]
    await done(client, "DELETE", f"{made}/tags/a/b")
    assert (await look(client, made))["tags"] == ["fav"]
    await done(client, "DELETE", f"{made}/tags")
    assert (await look(client, made))["tags"] == []
    for wrong in ("", "t" * 201, {"tag": "x"}, 7, None):
        answer = await client.post(f"{API}/{made}/tags", json=wrong)
        assert answer.status_code == 400, wrong
        kept(answer)


async def test_cancelling_gives_the_money_back(client: Client, ana: int) -> None:
    made = await submit(
        client, {"$type": "textToImage", "input": DRAW}, echo({"$ref": "0", "path": "output.images[0].url"})
    )
    assert made["status"] == "unassigned" and made["cost"]["total"] > 0
    await done(client, "PUT", made["id"], json={"status": "canceled"})
    found = await look(client, made["id"])
    assert found["status"] == "canceled" and [step["status"] for step in found["steps"]] == ["canceled"] * 2
    assert found["steps"][0]["jobs"][0]["reason"] == "canceled"
    spent = sum(
        one["amount"] if one["type"] == "debit" else -one["amount"] for one in found["transactions"]["list"]
    )
    assert spent == 0
    await done(client, "PUT", made["id"], json={"status": "canceled"})


async def test_what_has_ended_is_not_cancelled(client: Client, ana: int) -> None:
    made = (await submit(client, echo()))["id"]
    answer = await client.put(f"{API}/{made}", json={"status": "canceled"})
    assert answer.status_code == 409 and kept(answer)["code"] == "ended"
    patch = [{"op": "replace", "path": "/status", "value": "canceled"}]
    answer = await client.patch(f"{API}/{made}", json=patch, headers=PATCH)
    assert answer.status_code == 409 and kept(answer)["code"] == "ended"
    assert (await look(client, made))["status"] == "succeeded"


@pytest.mark.parametrize(
    ("operations", "status"),
    [
        ([{"op": "replace", "path": "/cost", "value": 0}], 400),
        ([{"op": "replace", "path": "/status", "value": "processing"}], 400),
        ([{"op": "add", "path": "/tags/-", "value": 7}], 400),
        ([{"op": "dance", "path": "/tags"}], 400),
        ([{"path": "/tags"}], 400),
        ([{"op": "test", "path": "/metadata", "value": {"other": 1}}], 409),
        ([{"op": "copy", "from": "/metadata/n", "path": "/metadata/n/-"}] * 60, 400),
        ({"op": "add"}, 400),
        ([{"op": "add", "path": "/tags/-", "value": "x"}] * 500, 400),
    ],
)
async def test_patches_that_cannot_be(client: Client, ana: int, operations: Any, status: int) -> None:
    made = (await submit(client, echo(), metadata={"n": [0] * 50}))["id"]
    answer = await client.patch(f"{API}/{made}", json=operations, headers=PATCH)
    assert answer.status_code == status, answer.text
    kept(answer)
    assert (await look(client, made))["tags"] == []


async def test_what_is_deleted_is_gone(client: Client, ana: int) -> None:
    made = await submit(client, {"$type": "textToImage", "input": DRAW}, tags=["t"])
    await done(client, "DELETE", made["id"])
    for method, path in (("GET", ""), ("DELETE", ""), ("PUT", ""), ("GET", "/steps/0"), ("DELETE", "/tags")):
        body = {"json": {"tags": []}} if method == "PUT" else {}
        answer = await client.request(method, f"{API}/{made['id']}{path}", **body)
        assert answer.status_code == 404, (method, path)
        kept(answer)
    assert kept(await client.get(API))["items"] == []


async def test_steps_alone(client: Client, ana: int) -> None:
    made = (await submit(client, {"$type": "textToImage", "name": "draw", "input": DRAW}))["id"]
    step = kept(await client.get(f"{API}/{made}/steps/draw"))
    assert step["name"] == "draw" and step["input"]["prompt"] == "a cat" and len(step["jobs"]) == 1
    await done(client, "PUT", f"{made}/steps/draw", json={"metadata": {"note": 1}})
    operations = [
        {"op": "replace", "path": "/input/prompt", "value": "a dog"},
        {"op": "add", "path": "/input/quantity", "value": 2},
        {"op": "add", "path": "/metadata/more", "value": 2},
    ]
    await done(client, "PATCH", f"{made}/steps/draw", json=operations, headers=PATCH)
    step = kept(await client.get(f"{API}/{made}/steps/draw"))
    assert step["input"]["prompt"] == "a dog" and step["metadata"] == {"note": 1, "more": 2}
    assert len(step["jobs"]) == 2, "the new input is what is done"
    wrong = [{"op": "replace", "path": "/input/width", "value": 1}]
    answer = await client.patch(f"{API}/{made}/steps/draw", json=wrong, headers=PATCH)
    assert answer.status_code == 400 and "input.width" in kept(answer)["errors"]
    assert (await client.get(f"{API}/{made}/steps/none")).status_code == 404
    ended = (await submit(client, echo()))["id"]
    late = await client.patch(
        f"{API}/{ended}/steps/0",
        json=[{"op": "replace", "path": "/input/message", "value": "y"}],
        headers=PATCH,
    )
    assert late.status_code == 409


async def test_nobody_changes_somebody_elses(client: Client, ana: int) -> None:
    made = (await submit(client, echo(), tags=["mine"]))["id"]
    async with client.house.database.unit() as session:
        eve = await make_person(session, "eve_edit")
    client.sign_out()
    await client.use_key(eve)
    for method, path, body in (
        ("PUT", "", {"tags": []}), ("PATCH", "", []), ("DELETE", "", None), ("POST", "/tags", "x"),
        ("DELETE", "/tags", None), ("DELETE", "/tags/mine", None), ("PUT", "/steps/0", {"metadata": {}}),
        ("PATCH", "/steps/0", []), ("GET", "/steps/0", None),
    ):  # fmt: skip
        answer = await client.request(
            method, f"{API}/{made}{path}", json=body, headers=PATCH if method == "PATCH" else {}
        )
        assert answer.status_code == 404, (method, path, answer.text)
