"""Workflows over the API: every answer is held against the published schemas."""

from __future__ import annotations

import io
import time
import zipfile
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import insert, select
from tests.faces.orchestrator.contract import kept
from tests.factories.accounts import make_person
from tests.factories.buzz import give_buzz
from tests.factories.http import Client
from tests.factories.workflows import make_air

from civitas.domains.accounts.types import Scope
from civitas.domains.orchestration.tables import StepResult
from civitas.domains.studio.tables import PromptBlock
from civitas.kit import clock

API = "/v2/consumer/workflows"
DRAW = {"prompt": "a cat", "seed": 7, "cfgScale": 7}


def echo(message: Any, **fields: Any) -> dict[str, Any]:
    return {"$type": "echo", "input": {"message": message}, **fields}


@pytest.fixture
async def ana(client: Client) -> int:
    async with client.house.database.unit() as session:
        person = await make_person(session, "ana_work")
    await client.use_key(person)
    return person


@pytest.fixture
async def model(client: Client, ana: int) -> str:
    async with client.house.database.unit() as session:
        await give_buzz(session, ana, 1_000)
        return (await make_air(session))[0]


async def submit(client: Client, *steps: Any, status: int = 200, params: Any = None, **fields: Any) -> Any:
    answer = await client.post(API, json={"steps": list(steps), **fields}, params=params or {})
    assert answer.status_code == status, answer.text
    return kept(answer)


async def test_an_echo_comes_back_at_once(client: Client, ana: int) -> None:
    made = await submit(
        client, echo("hello", timeout="00:05:00", metadata={"a": 1}), tags=["x"], metadata={"k": [1]}
    )
    assert made["status"] == "succeeded" and made["id"].startswith("wf_")
    (step,) = made["steps"]
    assert step["output"] == {"message": "hello"} and step["timeout"] == "00:05:00"
    assert (step["name"], step["metadata"], step["priority"]) == ("0", {"a": 1}, "normal")
    assert (made["tags"], made["metadata"]) == (["x"], {"k": [1]})
    found = kept(await client.get(f"{API}/{made['id']}"))
    assert found == made


async def test_references_and_arguments(client: Client, ana: int) -> None:
    made = await submit(
        client,
        echo({"$ref": "$arguments", "path": "words[0]"}, name="first"),
        echo({"$ref": "first", "path": "output.message"}),
        arguments={"words": ["once"]},
    )
    assert [step["output"]["message"] for step in made["steps"]] == ["once", "once"]
    assert made["steps"][1]["input"]["message"] == {"$ref": "first", "path": "output.message"}


async def test_work_for_agents_waits_and_shows_its_places(client: Client, model: str) -> None:
    began = time.perf_counter()
    made = await submit(
        client,
        {"$type": "textToImage", "input": DRAW | {"model": model, "quantity": 2}},
        status=202,
        params={"wait": 1},
    )
    assert 0.9 < time.perf_counter() - began < 20
    (step,) = made["steps"]
    assert made["status"] in ("unassigned", "preparing", "scheduled") and len(step["jobs"]) == 2
    assert [image["available"] for image in step["output"]["images"]] == [False, False]
    assert step["input"]["width"] == 512, "defaults are filled in"


async def test_what_it_would_cost_is_told_and_nothing_is_run(client: Client, model: str) -> None:
    draw = {
        "$type": "textToImage",
        "input": DRAW | {"model": model, "width": 1024, "height": 1024, "steps": 20},
    }
    made = await submit(client, draw, params={"whatif": True}, tips={"civitai": 0, "creators": 0.25})
    assert (made["cost"]["base"], made["cost"]["tips"]["creators"], made["cost"]["total"]) == (8, 2, 10)
    assert made["transactions"] == {
        "list": [{"type": "debit", "amount": 10, "accountType": "yellow"}],
        "insufficientBuzz": False,
    }
    assert kept(await client.get(API))["items"] == []


async def test_what_if_under_a_known_external_id_is_the_workflow_that_is_there(
    client: Client, ana: int
) -> None:
    made = await submit(client, echo("once"), externalId="order-7")
    found = await submit(client, echo("once"), params={"whatif": True}, externalId="order-7")
    assert (found["id"], found["status"]) == (made["id"], "succeeded")
    fresh = await submit(client, echo("once"), params={"whatif": True}, externalId="order-8")
    assert "id" not in fresh and fresh["status"] == "unassigned"


async def test_recipes_answer_with_the_output_alone(client: Client, model: str) -> None:
    answer = await client.post("/v2/consumer/recipes/echo", json={"message": "hi"})
    assert (answer.status_code, kept(answer)) == (200, {"message": "hi"})
    wrong = await client.post("/v2/consumer/recipes/echo", json={})
    assert wrong.status_code == 400 and kept(wrong)["errors"] == {"message": ["This field is required."]}
    waited = await client.post(
        "/v2/consumer/recipes/textToImage", json=DRAW | {"model": model}, params={"wait": 0}
    )
    assert waited.status_code == 202 and waited.json()["id"].startswith("wf_")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "steps"),
        ({"steps": []}, "steps"),
        ({"steps": [{"$type": "wash", "input": {}}]}, "steps[0].$type"),
        ({"steps": [{"input": {}}]}, "steps[0].$type"),
        ({"steps": [echo("x"), echo(7)]}, "steps[1].input.message"),
        ({"steps": [echo({"$ref": "nobody", "path": "output"})]}, "steps[0].input.message"),
        ({"steps": [echo({"$ref": "0", "path": "output"})]}, "steps[0].input.message"),
        ({"steps": [echo("x", name="a"), echo("y", name="a")]}, "steps[1].name"),
        ({"steps": [echo("x", timeout="never")]}, "steps[0].timeout"),
        ({"steps": [echo("x")] * 10_000}, "steps"),
        ({"steps": [echo("x")], "tags": ["t" * 201]}, "tags[0]"),
        ({"steps": [echo("x")], "tags": [str(n) for n in range(11)]}, "tags"),
        ({"steps": [echo("x")], "tags": [""]}, "tags[0]"),
        ({"steps": [echo("x")], "callbacks": [{"url": "https://x.example", "type": ["workflow:born"]}]},
         "callbacks[0].type[0]"),
        ({"steps": [echo("x")], "ephemeral": True}, "ephemeral"),
        ({"steps": [echo("x")], "externalId": "a b"}, "externalId"),
        ({"steps": [{"$type": "textToImage", "input": DRAW | {"width": 63}}]}, "steps[0].input.width"),
        ([], "$"),
        ("steps", "$"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_a_problem_with_its_path(
    client: Client, ana: int, body: Any, path: str
) -> None:
    answer = await client.post(API, content=orjson.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert path in kept(answer)["errors"], answer.text
    assert (await client.get(API)).json()["items"] == []


async def test_unknown_fields_are_named_and_left_out(client: Client, ana: int) -> None:
    answer = await client.post(
        API, json={"steps": [{"$type": "echo", "input": {"message": "x", "sparkle": 1}}]}
    )
    assert kept(answer)["steps"][0]["input"] == {"message": "x"}
    assert answer.headers["x-ignored-fields"] == "steps[0].input.sparkle"


async def test_lists_are_paged_filtered_and_zipped(client: Client, ana: int) -> None:
    made = [await submit(client, echo(f"n{n}"), tags=["all", "odd" if n % 2 else "even"]) for n in range(5)]
    ids = [one["id"] for one in made]
    first = kept(await client.get(API, params={"take": 2}))
    assert [one["id"] for one in first["items"]] == ids[:2:-1]
    second = kept(await client.get(API, params={"take": 2, "cursor": first["next"]}))
    last = kept(await client.get(API, params={"take": 2, "cursor": second["next"]}))
    assert [one["id"] for one in (*first["items"], *second["items"], *last["items"])] == ids[::-1]
    assert last["next"] == ""
    odd = kept(await client.get(API, params={"tags": ["all", "odd"], "ascending": "true"}))
    assert [one["id"] for one in odd["items"]] == [ids[1], ids[3]]
    assert kept(await client.get(API, params={"tags": ["even", "odd"]}))["items"] == []
    assert kept(await client.get(API, params={"fromDate": "2999-01-01T00:00:00Z"}))["items"] == []
    assert (
        len(
            kept(await client.get(API, params={"toDate": "2999-01-01T00:00:00", "excludeFailed": True}))[
                "items"
            ]
        )
        == 5
    )
    packed = await client.get(API, headers={"accept": "application/zip"})
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert len(orjson.loads(archive.read("workflows.json"))["items"]) == 5
    for wrong in (
        {"take": 0},
        {"take": "many"},
        {"cursor": "mine"},
        {"fromDate": "soon"},
        {"tags": ["t"] * 11},
    ):
        assert (await client.get(API, params=wrong)).status_code == 400, wrong


async def test_keys_and_scopes(client: Client, ana: int) -> None:
    made = await submit(client, echo("x"))
    client.sign_out()
    for method, path in (("GET", API), ("POST", API), ("GET", f"{API}/{made['id']}")):
        answer = await client.request(method, path, json={"steps": [echo("x")]} if method == "POST" else None)
        assert answer.status_code == 401 and kept(answer)["code"] == "sign_in_needed"
    await client.use_key(ana, scopes=Scope.AI_SERVICES_READ | Scope.USER_READ)
    assert kept(await client.get(f"{API}/{made['id']}"))["id"] == made["id"]
    refused = await client.post(API, json={"steps": [echo("x")]})
    assert refused.status_code == 403 and kept(refused)["code"] == "insufficient_scope"
    client.sign_out()
    client.headers["authorization"] = "Bearer nonsense"
    assert (await client.get(API)).status_code == 401


async def test_somebody_elses_is_not_there(client: Client, ana: int) -> None:
    made = await submit(client, echo("x"))
    async with client.house.database.unit() as session:
        eve = await make_person(session, "eve_work")
    client.sign_out()
    await client.use_key(eve)
    for path in (f"{API}/{made['id']}", f"{API}/{made['id']}?wait=50", f"{API}/wf_nothing"):
        answer = await client.get(path)
        assert answer.status_code == 404, path
    assert (await client.get(f"{API}/%00")).status_code == 400
    assert kept(await client.get(API))["items"] == []


async def test_pages_of_other_sites_cannot_submit_with_ones_cookies(client: Client, ana: int) -> None:
    client.sign_out()
    await client.sign_in(ana)
    assert (await client.post(API, json={"steps": [echo("x")]})).status_code == 200
    client.headers.pop("x-csrf-token")
    assert (await client.post(API, json={"steps": [echo("x")]})).status_code == 403


async def test_an_ephemeral_one_is_told_to_whoever_waited(client: Client, ana: int) -> None:
    made = await submit(client, echo("x"), ephemeral=True, params={"wait": 5})
    assert made["status"] == "succeeded" and made["ephemeral"] is True
    assert (await client.get(f"{API}/{made['id']}")).status_code == 404


async def test_an_external_id_is_one_workflow(client: Client, ana: int) -> None:
    first = await submit(client, echo("x"), externalId="order-7")
    assert (await submit(client, echo("other"), externalId="order-7"))["id"] == first["id"]
    assert first["externalId"] == "order-7"


async def test_kept_results_are_forgotten_for_oneself_only(client: Client, ana: int) -> None:
    for path in ("", "/tokens"):
        answer = await client.delete(f"/v2/consumer/civitai/{ana}{path}")
        assert answer.status_code == 204
        kept(answer)
        other = await client.delete(f"/v2/consumer/civitai/{ana + 1}{path}")
        assert other.status_code == 403 and kept(other)["code"] == "not_yours"
    async with client.house.database.unit() as session:
        mark = {"fingerprint": b"x" * 32, "output": {}, "expires_at": clock.now() + timedelta(days=1)}
        await session.execute(insert(StepResult).values(person_id=ana, **mark))
        await session.execute(insert(StepResult).values(person_id=ana + 1, **mark))
    assert (await client.delete(f"/v2/consumer/civitai/{ana}")).status_code == 204
    async with client.house.database.reading() as session:
        assert list(await session.scalars(select(StepResult.person_id))) == [ana + 1]


async def test_prompts_are_judged_as_on_the_create_page(client: Client, ana: int, model: str) -> None:
    def asked(prompt: str) -> dict[str, Any]:
        return {"steps": [{"$type": "textToImage", "input": DRAW | {"model": model, "prompt": prompt}}]}

    refused = await client.post(API, json=asked("a nude child"))
    assert (refused.status_code, refused.json()["code"]) == (400, "prompt_blocked")
    would_be = await client.post(API, params={"whatif": True}, json=asked("a nude child"))
    assert would_be.status_code == 400
    through = {"arguments": {"who": "a nude child"}, **asked("a tree")}
    assert (await client.post(API, json=through)).status_code == 400
    async with client.house.database.reading() as session:
        assert len((await session.scalars(select(PromptBlock))).all()) == 2
    safe = await client.post(API, json={"allowMatureContent": True, **asked("a child flying a kite")})
    assert safe.json()["allowMatureContent"] is False
