"""Chat over the API."""

from __future__ import annotations

from tests.factories.accounts import make_person
from tests.factories.http import Client

from civitas.domains.accounts.types import Scope


async def test_two_talk_over_the_api(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana, ben, eve = [await make_person(session, name) for name in ("ana", "ben", "eve")]
    await client.use_key(ana)
    opened = await client.post("/api/v1/chats", json={"usernames": ["@ben", "eve"], "name": "Three"})
    assert opened.status_code == 201, opened.text
    where = f"/api/v1/chats/{opened.json()['id']}"
    said = await client.post(f"{where}/messages", json={"content": "Hello **all**"})
    assert said.status_code == 201 and said.json()["html"] == "<p>Hello <strong>all</strong></p>"
    assert (await client.delete(f"{where}/members/eve")).status_code == 204
    assert (await client.post(f"{where}/members", json={"username": "nobody_at_all"})).status_code == 404
    await client.use_key(eve)
    assert (await client.get(where)).status_code == 404
    await client.use_key(ben)
    assert (await client.get("/api/v1/chats/unread")).json() == {"rooms": 1}
    assert (await client.patch(where, json={"state": "joined"})).status_code == 200
    number = said.json()["id"]
    assert (await client.post(f"{where}/read", json={"messageId": number})).status_code == 204
    assert (await client.get("/api/v1/chats/unread")).json() == {"rooms": 0}
    assert [one["username"] for one in (await client.get(f"{where}/messages")).json()] == ["ana"]
    assert (await client.get(f"{where}/messages?after={number}")).json() == []
    assert (await client.delete(f"/api/v1/chat-messages/{number}")).status_code == 403
    reported = await client.post(f"/api/v1/chat-messages/{number}/report", json={"reason": "Threats"})
    assert reported.status_code == 204
    assert (await client.get("/api/v1/staff/chat-reports")).status_code == 403
    async with client.house.database.unit() as session:
        staff = await make_person(session, "staff", role="moderator")
    await client.use_key(staff)
    (waiting,) = (await client.get("/api/v1/staff/chat-reports")).json()["items"]
    read = await client.post(f"/api/v1/staff/chat-reports/{waiting['id']}/read")
    assert read.json()["messages"][0]["content"] == "Hello **all**"
    settled = await client.post(
        f"/api/v1/staff/chat-reports/{waiting['id']}/settle", json={"remove": True, "reason": "It was."}
    )
    assert settled.status_code == 204
    await client.use_key(ben, scopes=Scope.READ_ONLY)
    assert (await client.get("/api/v1/chats")).status_code == 403
