"""The in-process app itself: who is recognised, and how faults look."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person
from tests.factories.http import HTML, Client


async def test_serves_static_files_and_friendly_errors(client: Client) -> None:
    assert (await client.get("/static/css/tokens.css")).status_code == 200
    page = await client.get("/no-such-page", headers=HTML)
    assert page.status_code == 404
    assert "<title>Nothing hangs here" in page.text
    assert (await client.get("/api/v1/no-such-route")).json()["code"] == "route_not_found"


async def test_browser_is_recognised_until_it_signs_out(client: Client, session: AsyncSession) -> None:
    person = await make_person(session, "mira")
    await client.sign_in(person)
    assert "Your account, mira" in (await client.get("/no-such-page", headers=HTML)).text
    client.sign_out()
    assert "Your account" not in (await client.get("/no-such-page", headers=HTML)).text
