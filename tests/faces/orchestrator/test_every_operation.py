"""Every kind of step with the least that its schema takes, and every operation with what makes no sense: no crash, and
every answer keeps the contract."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.faces.orchestrator.contract import kept
from tests.factories.accounts import make_person
from tests.factories.buzz import give_buzz
from tests.factories.http import Client

from civitas.domains.orchestration import kinds
from civitas.domains.orchestration.schemas import checking
from civitas.domains.orchestration.schemas.interface import Schema, published

TEXTS = {
    "air": "urn:air:sd1:checkpoint:huggingface:a/b@main",
    "uri": "https://media.example.com/a.png",
    "date-time": "2026-01-01T00:00:00Z",
    "date-span": "00:05:00",
}
JUNK: list[Any] = [
    None,
    0,
    -1,
    2**70,
    1.5e308,
    "",
    "\u202e💥" * 40,
    [],
    {},
    [[]],
    {"$ref": "x"},
    {"$ref": 7},
    {"$blob": "x"},
]


def least(schema: Schema) -> Any:
    """The smallest value that a schema takes."""
    if "discriminator" in schema:
        told = schema["discriminator"]
        value, chosen = next(iter(told["mapping"].items()))
        return least(chosen) | {told["propertyName"]: value}
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    kind = next((one for one in kind if one != "null"), "null") if isinstance(kind, list) else kind
    if kind == "string":
        return TEXTS.get(schema.get("format", ""), "x" * max(1, schema.get("minLength", 1)))
    if kind in ("integer", "number"):
        return schema.get("default", max(schema.get("minimum", 1), min(1, schema.get("maximum", 1))))
    if kind == "boolean":
        return False
    if kind == "array":
        return [least(schema["items"]) for _ in range(max(1, schema.get("minItems", 1)))]
    if kind == "object":
        return {name: least(schema["properties"][name]) for name in schema.get("required", ())}
    return {}


@pytest.fixture
async def ana(client: Client) -> int:
    async with client.house.database.unit() as session:
        person = await make_person(session, "ana_every")
        await give_buzz(session, person, 1_000_000)
    await client.use_key(person)
    return person


def inputs() -> dict[str, Any]:
    made = {name: least(step.input) for name, step in published().steps.items() if name != "repeat"}
    made["repeat"] = {
        "for": {"$ref": "$arguments", "path": "n", "as": "turn"},
        "template": {"$type": "echo", "input": {"message": {"$ref": "turn"}}},
    }
    return made


def test_every_published_kind_is_known_and_its_least_input_holds() -> None:
    assert set(published().steps) == set(kinds.ALL)
    for name, given in inputs().items():
        assert checking.step_input(name, given, at="input").problems == {}, name


async def test_every_kind_is_priced_and_submitted(client: Client, ana: int) -> None:
    told: dict[str, int] = {}
    for name, given in inputs().items():
        body = {"steps": [{"$type": name, "input": given}], "arguments": {"n": ["a", "b"]}}
        asked = await client.post("/v2/consumer/workflows", json=body, params={"whatif": True})
        assert asked.status_code in (200, 400, 403), (name, asked.text)
        estimate = kept(asked)
        made = await client.post("/v2/consumer/workflows", json=body)
        told[name] = made.status_code
        assert made.status_code in ((200, 202, 429) if asked.status_code == 200 else (400, 403)), (
            name,
            made.text,
        )
        workflow = kept(made)
        if made.status_code < 300:
            assert workflow["cost"]["total"] == estimate["cost"]["total"], name
            await client.delete(f"/v2/consumer/workflows/{workflow['id']}")
    assert sum(status < 300 for status in told.values()) >= 40, told


async def test_inputs_of_junk_are_problems(client: Client, ana: int) -> None:
    for name, given in inputs().items():
        if not isinstance(given, dict):
            continue
        for place, field in enumerate(sorted(given)[:3]):
            junk = JUNK[(place + len(name)) % len(JUNK)]
            body = {"steps": [{"$type": name, "input": given | {field: junk}}]}
            answer = await client.post("/v2/consumer/workflows", content=json.dumps(body), params={"whatif": True},
                                       headers={"content-type": "application/json"})  # fmt: skip
            assert answer.status_code in (200, 400, 403), (name, field, junk, answer.text)
            kept(answer)


async def test_every_operation_bears_what_makes_no_sense(client: Client, ana: int) -> None:
    for one in published().operations:
        path = one.path
        for hole in (
            "workflowId",
            "stepName",
            "tag",
            "blobId",
            "encryptedToken",
            "blobKey",
            "userId",
            "air",
            "serviceId",
        ):
            path = path.replace(f"{{{hole}}}", "💥x")
        params = {told["name"]: "💥" for told in one.parameters if told["in"] == "query"}
        # Where something is taken for sense, nobody works on it here.
        at_once = {"wait": "0"}
        for body in (b"", b"{", b"[]", b'"x"', b'{"a": [1]}'):
            answer = await client.request(
                one.method, path, params=params if body == b"{" else at_once, content=body,
                headers={"content-type": "application/json"},
            )  # fmt: skip
            assert answer.status_code < 500, (one.id, body, answer.text)
            if one.method in ("GET", "HEAD", "DELETE"):
                break
