"""What goes out compressed, what does not, and that no secret in a page shows by its size."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp
from tests.factories.accounts import make_person
from tests.factories.http import Client

from civitas.faces.http.packing import Packing, accepts_gzip

TEXT = "the same words again and again, " * 100


@pytest.mark.parametrize(
    ("accepted", "packs"),
    [
        ("gzip", True),
        ("br;q=1.0, gzip;q=0.8", True),
        ("*", True),
        ("deflate, GZIP ; q=0.001", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000, br", False),
        ("br", False),
        ("", False),
        ("identity", False),
    ],
)
def test_who_accepts_it(accepted: str, packs: bool) -> None:
    assert accepts_gzip(accepted) is packs


async def ask(app: ASGIApp, accepted: str = "gzip", method: str = "GET") -> httpx.Response:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Packing(app)), base_url="http://civitas.test"
    ) as client:
        return await client.request(method, "/", headers={"Accept-Encoding": accepted})


async def test_whole_text_is_packed_and_its_validator_weak() -> None:
    app = JSONResponse({"text": TEXT}, headers={"ETag": '"one"', "Vary": "HX-Request"})
    answer = await ask(app)
    assert answer.json() == {"text": TEXT}
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["etag"] == 'W/"one"'
    assert answer.headers["vary"] == "HX-Request, Accept-Encoding"
    assert int(answer.headers["content-length"]) < len(TEXT) / 5
    plain = await ask(app, "identity")
    assert "content-encoding" not in plain.headers and plain.headers["etag"] == '"one"'


@pytest.mark.parametrize(
    "app",
    [
        Response(TEXT.encode(), media_type="application/octet-stream"),
        Response(TEXT.encode(), media_type="image/png"),
        Response(TEXT, media_type="text/html", headers={"Cache-Control": "private, no-transform"}),
        Response(TEXT, media_type="text/html", headers={"Content-Encoding": "br"}),
        Response(TEXT, status_code=206, media_type="text/html", headers={"Content-Range": "bytes 0-9/10"}),
        Response("short", media_type="text/html"),
    ],
)
async def test_everything_else_goes_as_it_is(app: Response) -> None:
    async with (
        httpx.AsyncClient(
            transport=httpx.ASGITransport(Packing(app)), base_url="http://civitas.test"
        ) as client,
        client.stream("GET", "/", headers={"Accept-Encoding": "gzip"}) as answer,
    ):
        assert b"".join([chunk async for chunk in answer.aiter_raw()]) == app.body
        assert answer.headers.get("content-encoding") in (None, "br")


async def test_what_streams_is_not_held_back() -> None:
    async def lines() -> AsyncIterator[str]:
        for _ in range(3):
            yield TEXT

    answer = await ask(StreamingResponse(lines(), media_type="text/html"))
    assert answer.text == TEXT * 3 and "content-encoding" not in answer.headers


async def test_pages_come_packed_and_their_secrets_differ_each_time(client: Client) -> None:
    async with client.house.database.unit() as session:
        person = await make_person(session)
    await client.sign_in(person)
    pages = [await client.page("/models") for _ in range(2)]
    assert {page.headers["content-encoding"] for page in pages} == {"gzip"}
    told = [re.search(r'name="csrf-token" content="([0-9a-f]+)"', page.text) for page in pages]
    tokens = [found.group(1) for found in told if found]
    assert len(set(tokens)) == 2
    head = await client.request("HEAD", "/models", headers={"accept": "text/html"})
    assert head.headers["content-encoding"] == "gzip" and head.content == b""
    for token in tokens:
        client.headers["x-csrf-token"] = token
        assert (await client.delete("/api/v1/me/seen")).status_code == 204
    for wrong in (tokens[0][:-1], tokens[0][:64] + tokens[1][64:], "x" * 128, ""):
        client.headers["x-csrf-token"] = wrong
        assert (await client.delete("/api/v1/me/seen")).status_code == 403
