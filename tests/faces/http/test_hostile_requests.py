"""Requests that no honest client makes: each gets a clear answer in the right shape, and nothing crashes."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.faces.rest.every_operation import STAFF_ONLY, Operation, make_owned, operations
from tests.factories.http import HTML, ORIGIN, Client
from tests.flows import story
from tests.flows.story import API

from civitas.kit import paging

READS = [op for op in operations() if op.method == "GET"]
NUMBERS = (
    "9" * 18, "9" * 19, "9" * 40, "9" * 5000, "-1", "0", "1e5", "0x10", "１２", "%2e%2e", "NaN", "%00", "a" * 3000,
)  # fmt: skip
ODD = (
    "%00", "a%00b", "%FF%FE", "%ED%A0%80", "9" * 30, "-" * 400, "[]", "%F0%9F%92%A9" * 200, "';--", "%25s%25n",
    "\\", "{}", "true,",
)  # fmt: skip


def told(response: httpx.Response, *statuses: int) -> dict[str, Any]:
    """The fault, which must be JSON of our shape without a trace of what is inside."""
    assert response.status_code in statuses, f"{response.request.url}"[:300] + response.text[:300]
    assert response.headers["content-type"] == "application/json"
    found: dict[str, Any] = response.json()
    assert found["error"] and found["message"] and found["code"]
    for inside in ("Traceback", "psycopg", "sqlalchemy", 'File "'):
        assert inside not in response.text
    return found


def calm(response: httpx.Response) -> None:
    """No crash, and JSON or nothing."""
    assert response.status_code < 500, f"{response.request.url}"[:300] + response.text[:300]
    if response.content and not 300 <= response.status_code < 400:
        kind = response.headers["content-type"]
        # An export that is asked for in good form, with words that nothing has, is a table without lines.
        table = response.status_code == 200 and response.request.url.path.endswith(".csv")
        allowed = ("text/csv",) if table else ("application/json", "application/x-ndjson")
        assert kind.startswith(allowed), response.request.url


def address(operation: Operation, value: str = "1") -> str:
    """The operation's URL with `value` for everything in the path, and the parameters that it needs."""
    path = operation.path
    for parameter in operation.parameters:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", value)
    known = {"left": "1", "right": "1", "entityType": "Model"}
    needed = [p["name"] for p in operation.parameters if p["in"] == "query" and p.get("required")]
    return f"{path}?" + "&".join(f"{name}={known.get(name, 'x')}" for name in needed)


async def test_numbers_in_paths_that_are_none_or_too_large(client: Client) -> None:
    person = await story.person(client)
    for operation in operations():
        if "{" not in operation.path or operation.method == "HEAD":
            continue
        await story.become(client, person)
        for value in NUMBERS:
            response = await client.request(operation.method, address(operation, value))
            calm(response)
            assert response.status_code in {200, 204, 307, 400, 403, 404, 405, 409, 413}, response.text[:300]


async def test_values_of_parameters_that_make_no_sense(client: Client) -> None:
    owned = await make_owned(client, public=True)
    await story.become(client, owned.person)
    for operation in READS:
        for parameter in operation.parameters:
            if parameter["in"] == "query" and parameter["name"] != "token":
                for value in ODD:
                    calm(await client.get(f"{address(operation)}&{parameter['name']}={value}"))


async def test_giant_query_strings(client: Client) -> None:
    giants = (
        "x=" + "a" * 60_000, "&".join(f"tag={i}" for i in range(5000)), "ids=" + ",".join(["1"] * 20_000),
        "query=" + "%23a%20" * 5000, "a" * 60_000, "&" * 60_000,
    )  # fmt: skip
    for operation in READS:
        for query in giants:
            calm(await client.get(f"{address(operation)}&{query}"))


def cursors() -> list[str]:
    """Cursors that nobody was given."""
    made = [
        paging.encode("Newest", "2026-01-01T00:00:00+00:00", 2**63 - 1), paging.encode("Newest", 1, 1),
        paging.encode("Highest Rated", 1e308, -(2**63)), paging.encode("Most Downloaded", 2**63 - 1, 1),
        paging.encode("Relevance", 99, 1, 1), paging.encode("Relevance", 2, -1, -1), paging.encode(1),
        paging.encode(None), paging.encode(True), paging.encode("x"), paging.encode(), paging.encode(*range(40)),
        paging.encode("0001-01-01T00:00:00+00:00", 1), paging.encode("9999-12-31T23:59:59+00:00", 1),
        paging.encode("2026-13-01T00:00:00+00:00", 1), paging.encode("\x00", 1), paging.encode("%s; DROP", 1),
    ]  # fmt: skip
    for raw in (
        b"[" * 200, b'{"a":1}', b"[1e999]", b"[NaN]", b'["\\ud800",1]', b"null", b"\xff\xff", b"[9223372036854775808]",
        b'["Newest","2026-01-01",1]', b'["Newest","infinity",1]', b'["Newest","2026-01-01T00:00:00+99:00",1]',
        b'["Highest Rated",9223372036854775807999,1]', b'["Highest Rated",' + b"9" * 300 + b",1]",
    ):  # fmt: skip
        made.append(base64.urlsafe_b64encode(raw).rstrip(b"=").decode())
    return [*made, "!!", "====", "a", "%00", "é", "A" * 600, "A" * 10_000, "-1", "..", "0"]


async def test_cursors_made_by_hand(client: Client) -> None:
    owned = await make_owned(client, public=True)
    await story.become(client, owned.person)
    pages = [
        op for op in READS if any(p["name"] == "cursor" for p in op.parameters) and op.name not in STAFF_ONLY
    ]
    assert len(pages) >= 4
    for operation in pages:
        path = re.sub(
            r"{(\w+)}",
            lambda hole: "owner_of_all" if hole[1] == "username" else owned.path_value(operation, hole[1]),  # noqa: B023
            operation.path,
        )
        sorts = ("", "Newest", "Oldest", "Highest Rated") if operation.name == "listModels" else ("",)
        for cursor in cursors():
            for sort in sorts:
                asked = {"cursor": cursor} | ({"sort": sort} if sort else {})
                response = await client.get(path, params=asked)
                calm(response)
                if response.status_code != 200:
                    assert told(response, 400)["code"] in {"bad_cursor", "validation_failed", "out_of_range"}


WRONG_HASHES = (
    "", "a", "0" * 7, "0" * 9, "0" * 11, "0" * 63, "0" * 65, "0" * 5000, "g" * 64, "１" * 64, "0" * 63 + "\x00",
    " " * 64, "é" * 10, "0x" + "0" * 62,
)  # fmt: skip


async def test_hashes_of_the_wrong_length(client: Client) -> None:
    await story.new_program(client)
    for value in WRONG_HASHES:
        if value.strip():
            escaped = "".join(f"%{byte:02X}" for byte in value.encode())
            told(await client.get(f"{API}/model-versions/by-hash/{escaped}"), 400)
        told(await client.post(f"{API}/model-versions/by-hash", json=[value]), 400)
        assert (await client.post(f"{API}/model-versions/by-hash/ids", json=[value])).json() == []
        announced = {"filename": "a.bin", "size": 5, "sha256": value}
        told(await client.post(f"{API}/uploads", json=announced), 400)


CLIMBS = (
    "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/x", "....//x", "/etc/passwd", "a%00.png", "%00",
    "a\\..\\b", "con", "a" * 5000, "%C0%AE%C0%AE/", "media/%2e%2e/x", "a//b", "./a", "a/./b", "%0d%0aSet-Cookie:x=1",
)  # fmt: skip


@pytest.mark.parametrize(
    "prefix", ["/storage/", "/media/", "/static/", "/img/", "/img/x/", "/api/v1/", "/api/download/models/"]
)
async def test_paths_that_climb(client: Client, prefix: str) -> None:
    for tail in CLIMBS:
        response = await client.get(httpx.URL(f"{ORIGIN}{prefix}{tail}"))
        if response.status_code == 307:
            assert response.headers["location"].startswith(ORIGIN + prefix)
            continue
        assert response.status_code in {400, 403, 404}, (prefix, tail, response.status_code)
        assert "x=1" not in response.headers.get("set-cookie", "")
        if prefix != "/static/" and response.url.path.startswith(prefix):
            told(response, 400, 403, 404)


async def _long(total: int) -> AsyncIterator[bytes]:
    yield b'{"name": "'
    for _ in range(total // 65536):
        yield b"a" * 65536
    yield b'"}'


async def test_bodies_that_are_too_large(client: Client) -> None:
    await story.new_program(client)
    most = int(client.house.settings.site.max_body_mb * 2**20)
    for path in (f"{API}/models", f"{API}/model-versions/by-hash", f"{API}/uploads"):
        declared = await client.post(path, content=b"x", headers={"content-length": str(most + 1)})
        assert told(declared, 413)["code"] == "too_large"
        kind = {"content-type": "application/json"}
        silent = await client.post(path, content=_long(most + 65536), headers=kind)
        assert told(silent, 413)["code"] == "too_large"
    client.sign_out()
    await client.page("/login")
    kind = {"content-type": "application/x-www-form-urlencoded"}
    page = await client.post("/login", content=_long(most + 65536), headers=HTML | kind)
    assert page.status_code in {400, 413} and "text/html" in page.headers["content-type"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PROPFIND", f"{API}/models", 405), ("DELETE", f"{API}/models", 405), ("PUT", f"{API}/tags", 405),
        ("POST", "/api/download/models/1", 405), ("GET", "/api/nothing", 404), ("GET", "/api/v2/consumer/x", 404),
        ("POST", "/img/a/b/c", 405), ("TRACE", f"{API}/models", 405), ("POST", "/storage/x", 405),
        ("GET", f"{API}/models/1/nothing", 404), ("POST", "/healthz", 405),
    ],
)  # fmt: skip
async def test_methods_and_routes_that_are_not_there(
    client: Client, method: str, path: str, status: int
) -> None:
    response = await client.request(method, path)
    told(response, status)
    assert status != 405 or response.headers["allow"]


class Broken:
    """An adapter in which everything fails."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("secret of the inside")


async def test_a_crash_of_ours_tells_nothing_of_the_inside(client: Client) -> None:
    client.state.reads = client.state.database = Broken()  # type: ignore[assignment]
    outer: Any = client._transport
    quiet = httpx.ASGITransport(outer.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=quiet, base_url=ORIGIN) as other:
        for path in (f"{API}/models", f"{API}/tags", f"{API}/me?token=x"):
            response = await other.get(path)
            assert told(response, 500)["code"] == "internal"
            assert "secret" not in response.text and response.headers["x-request-id"] in response.text
        page = await other.get("/models", headers=HTML)
        assert page.status_code == 500 and "secret" not in page.text and "Traceback" not in page.text
