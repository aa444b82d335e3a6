"""Faults below /v2 are problem documents, whoever raises them; pages of other origins may ask."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.factories.accounts import make_person
from tests.factories.http import Client

from civitas.faces.http import problems
from civitas.kit.errors import Invalid, Limited, PaymentNeeded


async def test_what_is_not_there_is_a_problem_document(client: Client) -> None:
    answer = await client.get("/v2/consumer/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    told = answer.json()
    assert (told["status"], told["title"], told["code"]) == (404, "Not Found", "route_not_found")
    assert told["instance"] == "/v2/consumer/nothing" and told["traceId"] == answer.headers["x-request-id"]
    assert (await client.get("/api/v1/nothing")).headers["content-type"] == "application/json"


async def test_a_body_of_fifty_megabytes_is_refused_unread(client: Client) -> None:
    headers = {"content-length": str(50 * 2**20), "content-type": "application/json"}
    answer = await client.post("/v2/consumer/workflows", headers=headers, content=b"{")
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert answer.json()["code"] == "too_large"


async def test_a_body_that_does_not_say_how_long_it_is_ends_at_the_bound(client: Client) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b" " * 2**20

    headers = {"content-type": "application/json"}
    async with client.house.database.unit() as session:
        person = await make_person(session, "long_body")
    await client.use_key(person)
    answer = await client.post("/v2/consumer/workflows", headers=headers, content=pieces())
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert (await client.get("/v2/consumer/workflows")).json()["items"] == []


async def test_other_origins_may_ask(client: Client) -> None:
    asked = {"origin": "https://elsewhere.example", "access-control-request-method": "PATCH"}
    answer = await client.options("/v2/consumer/workflows/wf_1", headers=asked)
    assert answer.status_code == 204 and "PATCH" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert (await client.get("/v2/consumer/workflows")).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Invalid("No.", fields={"steps[0].input": "Must be an object."}), 400, "invalid"),
        (PaymentNeeded("Not enough Buzz."), 403, "payment_needed"),
        (Limited("Slow down.", retry_after=3), 429, "limited"),
    ],
)
def test_how_faults_are_told(fault: Invalid, status: int, code: str) -> None:
    told = problems.body_of(fault, path="/v2/x")
    assert (told["status"], told["code"], told["detail"]) == (status, code, fault.message)
    assert told.get("errors") == ({"steps[0].input": ["Must be an object."]} if status == 400 else None)
    assert "fields" not in told
