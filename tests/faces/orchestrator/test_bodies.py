"""Bodies of JSON: what is no JSON, too deep, too much, or of another type."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from civitas.faces.orchestrator import bodies
from civitas.kit.errors import Fault, Invalid


def request_with(body: bytes, content_type: str | None = "application/json") -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", content_type.encode())] if content_type is not None else []
    return Request({"type": "http", "method": "POST", "path": "/v2/x", "headers": headers}, receive)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", "application/json", 400, "no_body"),
        (b"{", "application/json", 400, "bad_json"),
        (b'{"a": NaN}', "application/json", 400, "bad_json"),
        (b"\xff\xfe", "application/json", 400, "bad_json"),
        (b"[" * 100_000, "application/json", 400, "bad_json"),
        (b"[" * 100 + b"]" * 100, "application/json", 400, "too_deep"),
        (b'["\\u0000"]', "application/json", 400, "bad_text"),
        (b"a=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"<a/>", "text/xml", 415, "unsupported_media_type"),
    ],
)
async def test_what_is_not_read(body: bytes, content_type: str, status: int, code: str) -> None:
    with pytest.raises(Fault) as refused:
        await bodies.json_of(request_with(body, content_type))
    assert (refused.value.status, refused.value.code) == (status, code)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "text/json", "application/json-patch+json", None],
)
async def test_what_says_that_it_is_json_is_read(content_type: str | None) -> None:
    assert await bodies.json_of(request_with(b'{"a": 1}', content_type)) == {"a": 1}


async def test_a_body_is_held_against_its_schema() -> None:
    found = await bodies.body_of(request_with(b'{"status": "canceled"}'), "UpdateWorkflowRequest")
    assert found == {"status": "canceled"}
    with pytest.raises(Invalid) as refused:
        await bodies.body_of(request_with(b'{"status": "paused", "tags": [1]}'), "UpdateWorkflowRequest")
    assert set(refused.value.fields) == {"status", "tags[0]"}
