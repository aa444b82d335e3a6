"""Announcements and boards as pages and over the API."""

from __future__ import annotations

from datetime import timedelta

from tests.factories.accounts import make_person
from tests.factories.http import Client

from civitas.domains.accounts.types import SYSTEM
from civitas.domains.community.announcements import keeping
from civitas.domains.community.announcements.keeping import Notice
from civitas.domains.community.boards import computing
from civitas.domains.community.boards.types import BOARDS
from civitas.kit import clock


async def put_up(client: Client, **notice: object) -> int:
    """An announcement by the house."""
    async with client.house.database.unit() as session:
        made = await keeping.put_up(session, SYSTEM, notice=Notice(**{"title": "Hello", **notice}))  # type: ignore[arg-type]
        client.app.state.announcements = None
        return made.id


async def person(client: Client, name: str, **columns: object) -> int:
    async with client.house.database.unit() as session:
        return await make_person(session, name, **columns)


async def test_staff_put_one_up_and_everybody_sees_it_until_they_put_it_away(client: Client) -> None:
    await client.sign_in(await person(client, "staff", role="moderator"))
    await client.page("/staff/announcements")
    form = {"title": "Maintenance tonight", "content": "**Short**", "label": "More", "href": "/articles"}
    bad = await client.submit("/staff/announcements", **form | {"href": "javascript:alert(1)"})
    assert bad.status_code == 400 and "https address" in bad.text
    assert (await client.submit("/staff/announcements", **form)).status_code == 303
    page = await client.page("/creators")
    assert "Maintenance tonight" in page.text and "<strong>Short</strong>" in page.text
    ben = await person(client, "ben")
    await client.sign_in(ben)
    assert "Maintenance tonight" in (await client.page("/creators")).text
    number = (await client.get("/api/v1/announcements")).json()[0]["id"]
    await client.submit(f"/announcements/{number}/dismiss", back="/creators")
    assert "Maintenance tonight" not in (await client.page("/creators")).text
    assert (await client.get("/api/v1/announcements")).json() == []
    client.sign_out()
    assert "Maintenance tonight" in (await client.page("/creators")).text
    gone = await client.submit(f"/announcements/{number}/dismiss", back="//evil.example")
    assert gone.headers["location"] == "/"
    assert "Maintenance tonight" not in (await client.page("/creators")).text


async def test_time_audience_and_site_are_kept(client: Client) -> None:
    now = clock.now()
    await put_up(client, title="Later", starts_at=now + timedelta(hours=1))
    await put_up(client, title="Over", starts_at=now - timedelta(days=2), ends_at=now - timedelta(days=1))
    await put_up(client, title="For members", audience="members")
    await put_up(client, title="For strangers", audience="strangers")
    await put_up(client, title="Green only", domain="green")
    page = (await client.page("/creators")).text
    assert "For strangers" in page
    assert not any(one in page for one in ("Later", "Over<", "For members", "Green only"))
    await client.sign_in(await person(client, "ben"))
    page = (await client.page("/creators")).text
    assert "For members" in page and "For strangers" not in page


async def test_only_staff_write_them(client: Client) -> None:
    number = await put_up(client)
    await client.use_key(await person(client, "ben"))
    body = {"title": "Mine"}
    assert (await client.post("/api/v1/staff/announcements", json=body)).status_code == 403
    assert (await client.put(f"/api/v1/staff/announcements/{number}", json=body)).status_code == 403
    assert (await client.delete(f"/api/v1/staff/announcements/{number}")).status_code == 403
    await client.use_key(await person(client, "staff", role="moderator"))
    assert (await client.post("/api/v1/staff/announcements", json={"title": ""})).status_code == 400
    made = await client.post("/api/v1/staff/announcements", json=body)
    assert made.status_code == 201
    changed = await client.put(f"/api/v1/staff/announcements/{made.json()['id']}", json={"title": "Changed"})
    assert changed.json()["title"] == "Changed"
    assert (await client.delete(f"/api/v1/staff/announcements/{made.json()['id']}")).status_code == 204
    assert len((await client.get("/api/v1/staff/announcements")).json()["items"]) == 2


async def test_boards_are_there_before_their_first_night_and_after(client: Client) -> None:
    assert "Nobody is here yet" in (await client.page("/leaderboard")).text
    assert (await client.get("/api/v1/leaderboards/overall")).json()["day"] is None
    async with client.house.database.unit() as session:
        for board in BOARDS:
            await computing.compute(session, board)
        await computing.sum_up(session)
    for board in BOARDS:
        for query in ("", "?span=season", "?span=legends", "?day=2026-99-99"):
            assert (await client.page(f"/leaderboard/{board.key}{query}")).status_code == 200
    assert len((await client.get("/api/v1/leaderboards")).json()) == len(BOARDS)
    assert (await client.get("/api/v1/leaderboards/models/legends")).json()["items"] == []
    assert (await client.get("/api/v1/leaderboards/nonsense")).status_code == 404
    assert (await client.page("/leaderboard/nonsense")).status_code == 404
