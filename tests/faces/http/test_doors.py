"""What guards every answer: host names, redirects, cookies, headers, other origins, limits."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.faces.http.test_hostile_requests import told
from tests.factories.accounts import make_person
from tests.factories.http import HTML, Client, make_settings, serving
from tests.flows import story
from tests.flows.story import API

from civitas.domains.accounts import hashing
from civitas.faces.http.sessions import SESSION
from civitas.infra.db.database import BoundDatabase
from civitas.infra.limiting.limiter import PostgresLimiter
from civitas.infra.limiting.settings import LimitSettings

PASSWORD = "a long enough password"


async def somebody(client: Client) -> None:
    """A person who signs in by password."""
    secret = await hashing.make_hash(PASSWORD)
    async with client.house.database.unit() as session:
        await make_person(session, "here_i_am", password_hash=secret)


async def test_host_names_that_are_not_ours(
    units: BoundDatabase, connection: AsyncConnection, tmp_path: Path
) -> None:
    settings = make_settings(tmp_path)
    settings.site.trusted_hosts = ["hub.example.org", "*.hub.example.org"]
    async with serving(units, connection, settings) as client:
        for host in (
            "hub.example.org",
            "a.hub.example.org:8443",
            "localhost:8000",
            "HUB.example.org",
            "[::1]:80",
        ):
            assert (await client.get(f"{API}/models", headers={"host": host})).status_code == 200, host
        for host in ("evil.example", "hub.example.org.evil.example", "evilhub.example.org", "", "[::2]",
                     "hub.example.org@evil.example", "hub.example.org evil.example", "hub.example.org/x"):  # fmt: skip
            response = await client.get(f"{API}/models", headers={"host": host})
            assert told(response, 400)["code"] == "unknown_host", host


async def test_a_configured_address_is_the_one_in_links(
    units: BoundDatabase, connection: AsyncConnection, tmp_path: Path
) -> None:
    settings = make_settings(tmp_path)
    settings.site.base_url = "https://hub.example.org"
    async with serving(units, connection, settings) as client:
        for person in range(2):
            await story.new_program(client, username=f"maker_{person}")
            await story.published(client)
        forged = {
            "host": "evil.example",
            "x-forwarded-host": "evil.example",
            "forwarded": "host=evil.example",
        }
        for path in (f"{API}/models?limit=1", f"{API}/openapi.json", "/", "/api/download/models/1"):
            response = await client.get(path, headers=forged)
            assert "evil.example" not in response.text + response.headers.get("location", "")


AWAY = (
    "https://evil.example/", "//evil.example", "/\\evil.example", "/%09/evil.example", "\\\\evil.example",
    "javascript:alert(1)", "/\t/evil.example", "///evil.example", "http:evil.example", "data:text/html,x",
    "/\n//evil.example", "@evil.example", "",
)  # fmt: skip


async def test_no_form_sends_a_visitor_away(client: Client) -> None:
    await somebody(client)
    for target in AWAY:
        page = await client.page("/login", returnUrl=target)
        assert page.status_code == 200
        assert 'value="//' not in page.text and 'value="http' not in page.text
    for target in AWAY[:4]:
        client.cookies.clear()
        await client.page("/login")
        response = await client.submit("/login", login="here_i_am", password=PASSWORD, returnUrl=target)
        assert response.status_code == 303, response.text[:500]
        assert_here(response.headers["location"])
    for target in AWAY:
        signed = await client.get("/login", params={"returnUrl": target}, headers=HTML)
        assert signed.status_code == 303
        assert_here(signed.headers["location"])


def assert_here(location: str) -> None:
    """The address leads to this site, for every browser."""
    place = urlsplit(location)
    assert not place.netloc and not place.scheme and location.startswith("/")
    assert not location.startswith(("//", "/\\")) and not any(ord(ch) < 33 for ch in location)


@pytest.mark.parametrize("base", [None, "https://hub.example.org"])
async def test_cookies_are_kept_from_scripts_and_other_sites(
    units: BoundDatabase, connection: AsyncConnection, tmp_path: Path, base: str | None
) -> None:
    settings = make_settings(tmp_path)
    settings.site.base_url = base
    async with serving(units, connection, settings) as client:
        if base:
            client.base_url = httpx.URL(base)
        await somebody(client)
        first = await client.page("/login")
        response = await client.submit("/login", login="here_i_am", password=PASSWORD)
        given = [*first.headers.get_list("set-cookie"), *response.headers.get_list("set-cookie")]
        assert any(cookie.startswith(SESSION) for cookie in given)
        for cookie in (cookie.lower() for cookie in given):
            assert "httponly" in cookie and "samesite=lax" in cookie and "path=/" in cookie
            if "max-age=0" not in cookie:
                assert ("secure" in cookie) == (base is not None), cookie
        held = client.cookies.get(SESSION)
        assert held and held not in (await client.get("/", headers=HTML)).text
        assert ("strict-transport-security" in response.headers) == (base is not None)


async def test_every_kind_of_answer_carries_the_shields_headers(client: Client) -> None:
    await story.new_program(client)
    _, version_id = await story.published(client)
    shown = (await client.get(f"{API}/model-versions/{version_id}")).json()
    link = (await client.get(f"/api/download/models/{version_id}")).headers["location"]
    picture = shown["images"][0]["url"]
    paths = (
        "/", "/nothing", f"{API}/models", f"{API}/nothing", "/healthz", link, picture, "/static/nothing.css",
        f"/api/download/models/{version_id}", "/login", "/img/a/b/c.png", "/storage/x", "/media/x",
    )  # fmt: skip
    answers = [await client.get(path) for path in paths]
    answers.append(await client.post(f"{API}/models", content=b"x", headers={"content-length": "999999999"}))
    answers.append(await client.delete("/"))
    for answer in answers:
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff", answer.url
        assert headers["x-frame-options"] == "DENY" and headers["referrer-policy"] and headers["x-request-id"]
        policy = headers["content-security-policy"]
        assert "unsafe-inline" not in policy and "unsafe-eval" not in policy
        assert policy == "sandbox" or {"frame-ancestors 'none'", "default-src 'self'"} <= set(
            policy.split("; ")
        )
        assert "server" not in headers
    for raw in (link, picture):
        assert (await client.get(raw)).headers["content-security-policy"] == "sandbox"
    echoed = await client.get("/", headers={"x-request-id": "<script>alert(1)</script>"})
    assert "<script>" not in echoed.headers["x-request-id"]


async def test_other_sites_may_use_the_api_but_not_ones_cookies(client: Client) -> None:
    origin = {"origin": "https://tool.example"}
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    early = await client.options(f"{API}/models", headers=origin | asked)
    assert early.status_code == 204 and early.headers["access-control-allow-origin"] == "*"
    assert "authorization" in early.headers["access-control-allow-headers"].lower()
    for path in (f"{API}/models", f"{API}/nothing", "/api/download/models/1"):
        answer = await client.get(path, headers=origin)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
    page = await client.get("/", headers=HTML | origin)
    assert "access-control-allow-origin" not in page.headers


async def test_too_many_requests_are_told_when_to_come_back(
    units: BoundDatabase, connection: AsyncConnection, tmp_path: Path
) -> None:
    few = LimitSettings(read_per_minute=3, write_per_minute=3, download_per_minute=3)
    async with serving(units, connection, make_settings(tmp_path, limits=few)) as client:
        client.state.limiter = PostgresLimiter(units)
        await story.new_program(client)
        for method, path in (
            ("GET", f"{API}/models"),
            ("POST", f"{API}/models"),
            ("GET", "/api/download/models/1"),
        ):
            for _ in range(3):
                assert (await client.request(method, path, json={})).status_code in {200, 400, 404}
            refused = await client.request(method, path, json={})
            found = told(refused, 429)
            assert found["code"] == "rate_limited" and 1 <= found["retryAfter"] <= 60
            assert refused.headers["retry-after"] == str(found["retryAfter"])
        page = await client.get("/models", headers=HTML)
        assert page.status_code == 429 and page.headers["retry-after"]
        assert "text/html" in page.headers["content-type"]
