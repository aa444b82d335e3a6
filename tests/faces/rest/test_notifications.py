"""Notifications over the API."""

from __future__ import annotations

from tests.factories.accounts import make_person
from tests.factories.catalog import make_published_model
from tests.factories.http import Client

from civitas.domains.accounts.types import Scope


async def test_from_a_comment_to_what_was_read(client: Client) -> None:
    async with client.house.database.unit() as session:
        owner, ben = await make_person(session), await make_person(session, "ben_b")
        model, _ = await make_published_model(session, owner, name="Lanterns")
    await client.sign_in(ben)
    await client.post("/api/v1/comments", json={"kind": "model", "subjectId": model, "content": "Hello"})
    await client.run_tasks()
    await client.sign_in(owner)
    (line,) = (await client.get("/api/v1/notifications")).json()["items"]
    assert (line["text"], line["read"], line["category"]) == ("ben_b commented on Lanterns", False, "comment")
    assert "/comment/" in line["url"]
    assert (await client.get("/api/v1/notifications/unread")).json() == {
        "total": 1,
        "categories": {"comment": 1},
    }
    assert (await client.post("/api/v1/notifications/read", json={"ids": [line["id"]]})).status_code == 204
    assert (await client.get("/api/v1/notifications", params={"unread": True})).json()["items"] == []
    kinds = (await client.get("/api/v1/notifications/kinds")).json()
    assert {one["name"]: one["on"] for one in kinds}["new-comment"]
    changed = await client.patch("/api/v1/notifications/kinds", json={"kinds": {"new-comment": False}})
    assert not {one["name"]: one["on"] for one in changed.json()}["new-comment"]
    assert (await client.patch("/api/v1/notifications/kinds", json={"kinds": {"x": True}})).status_code == 400
    assert (await client.post("/api/v1/notifications/read")).status_code == 204
    assert (await client.get("/api/v1/notifications/daily-mail")).json() == {"on": False}
    for on in (True, True, False):
        assert (await client.put("/api/v1/notifications/daily-mail", json={"on": on})).json() == {"on": on}
        assert (await client.get("/api/v1/notifications/daily-mail")).json() == {"on": on}
    await client.use_key(owner, scopes=Scope.USER_READ)
    assert (await client.put("/api/v1/notifications/daily-mail", json={"on": True})).status_code == 403
    assert (await client.get("/api/v1/notifications")).status_code == 403
